"""Fault points: each stands once in the code, and nothing happens at them unless a test listens."""

import re
from collections import Counter
from pathlib import Path

import pytest

from outlast.kernel import faults

ROOT = Path(__file__).parents[2]


def test_each_point_is_reached_in_one_place_and_has_its_sentence() -> None:
    reached = Counter(
        name
        for folder in ("server", "storage", "tools")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r'faults\.reach\("([^"]*)"\)', path.read_text())
    )
    assert reached == Counter(list(faults.POINTS))
    assert all(faults.POINTS.values())


def test_nothing_happens_at_a_point_unless_somebody_listens() -> None:
    heard: list[str] = []
    faults.reach("store.locked")
    faults.listen(heard.append)
    try:
        faults.reach("store.locked")
        faults.reach("store.written")
    finally:
        faults.listen(None)
    faults.reach("store.committed")
    assert heard == ["store.locked", "store.written"]


def test_what_a_listener_raises_is_raised_at_the_point() -> None:
    def refuse(name: str) -> None:
        raise OSError(5, name)

    faults.listen(refuse)
    try:
        with pytest.raises(OSError, match="marks"):
            faults.reach("marks.appending")
    finally:
        faults.listen(None)
