"""`outlast.workflow`: a Python workflow tells how far it is in a word, and what it tells is an event."""

import json
from pathlib import Path

import pytest

from outlast.kernel.marks import EVENT, Spool
from outlast.runtime.events import Event, event_of
from outlast.storage.logs.lines import Line
from outlast.workflow import message, metric, phase, progress


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTLAST_EVENTS", str(tmp_path / "events"))
    return tmp_path / "events"


def events(path: Path) -> list[Event | None]:
    return [event_of(Line(n, 0, Spool(1, 1, EVENT), data)) for n, data in enumerate(path.read_bytes().splitlines(), 1)]


def test_everything_that_is_told_is_an_event(path: Path) -> None:
    phase("load", total=2)
    progress(12.5, "4 of 32 files", phase="load")
    metric("rows", 4800, "rows")
    metric("huge", 10**300)
    message("nearly\nthere \ud800")
    assert events(path) == [
        Event("phase", {"name": "load", "number": None, "total": 2}),
        Event("progress", {"percent": 12.5, "message": "4 of 32 files", "phase": "load"}),
        Event("metric", {"name": "rows", "value": 4800, "unit": "rows"}),
        Event("metric", {"name": "huge", "value": 1e300, "unit": None}),
        Event("message", {"message": "nearly\nthere \ud800"}),
    ]


def test_a_text_that_is_too_long_is_cut(path: Path) -> None:
    message("é" * 100_000)
    [event] = events(path)
    assert event is not None
    assert event.message == "é" * 4000


def test_what_is_no_event_is_refused_where_it_is_told(path: Path) -> None:
    for percent in (-1, 101, float("nan"), "5"):
        with pytest.raises(ValueError, match="percent"):
            progress(percent)  # type: ignore[arg-type] - wrong on purpose
    for value in (float("inf"), True, None):
        with pytest.raises(ValueError, match="value"):
            metric("x", value)  # type: ignore[arg-type] - wrong on purpose
    assert not path.exists()


def test_outside_of_outlast_nothing_happens(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("OUTLAST_EVENTS", raising=False)
    progress(5)
    message("x")
    assert capfd.readouterr() == ("", "")


def test_lines_are_plain_json(path: Path) -> None:
    progress(5)
    assert json.loads(path.read_text()) == {"type": "progress", "percent": 5}
