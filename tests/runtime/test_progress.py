"""Events add up to phases, tasks and agents, the same however they are read; lines that are none stay text."""

import json
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.marks import EVENT, MERGED, STDERR, STDOUT, Spool
from outlast.runtime import tracking
from outlast.runtime.events import KINDS, LONGEST, MARKER, Event, event_of
from outlast.runtime.progress import (
    BRIEF,
    MOST_AGENTS,
    MOST_METRICS,
    MOST_PHASES,
    MOST_TASKS,
    Metric,
    Progress,
    completed,
    fold,
)
from outlast.runtime.runtime import Runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.logs.lines import Line
from outlast.storage.logs.sealed import SealedLog


def line(data: bytes, stream: int = STDERR, *, cut: bool = False) -> Line:
    return Line(1, 0, Spool(1, 1, stream), data, cut=cut)


def said(kind: str, **data: object) -> Event:
    event = event_of(line(MARKER + json.dumps({"type": kind, **data}).encode()))
    assert event is not None, data
    return event


def told(*events: Event) -> Progress:
    return reduce(fold, events, Progress())


def phase(number: int, total: int = 4) -> Event:
    return said("phase_started", phase=number, name=f"p{number}", total_phases=total)


def task(number: int, task_id: str) -> Event:
    return said("task_started", phase=number, task_id=task_id, description=f"does {task_id}")


@pytest.mark.requirement("S3-10")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "[]",
        "{",
        "[" * 100_000,
        '{"type": "unheard_of", "phase": 1}',
        '{"type": 5}',
        '{"type": ["phase_started"]}',
        '{"phase": 1, "name": "a", "total_phases": 2}',
        '{"type": "phase_started", "phase": 1, "name": "a"}',
        '{"type": "phase_started", "phase": "1", "name": "a", "total_phases": 2}',
        '{"type": "phase_started", "phase": true, "name": "a", "total_phases": 2}',
        '{"type": "phase_started", "phase": -1, "name": "a", "total_phases": 2}',
        '{"type": "phase_started", "phase": 1.5, "name": "a", "total_phases": 2}',
        '{"type": "phase_started", "phase": 99999999999999999999, "name": "a", "total_phases": 2}',
        '{"type": "phase_started", "phase": 1, "name": null, "total_phases": 2}',
        '{"type": "task_completed", "task_id": "t", "result": 5}',
        '{"type": "progress"}',
        '{"type": "progress", "percent": 100.5}',
        '{"type": "progress", "percent": -1}',
        '{"type": "progress", "percent": NaN}',
        '{"type": "progress", "percent": "5"}',
        '{"type": "progress", "percent": true}',
        '{"type": "progress", "percent": 5, "message": 5}',
        '{"type": "phase", "name": 3}',
        '{"type": "phase", "name": "a", "total": -3}',
        '{"type": "metric", "name": "loss"}',
        '{"type": "metric", "name": "loss", "value": Infinity}',
        '{"type": "metric", "name": "loss", "value": 1e999}',
        '{"type": "metric", "name": "loss", "value": true}',
        '{"type": "metric", "name": "rows", "value": 9007199254740993}',
        '{"type": "metric", "name": "rows", "value": ' + "9" * 5000 + "}",
        '{"type": "metric", "name": "loss", "value": 1, "unit": 1}',
        '{"type": "message", "message": null}',
    ],
)
def test_what_is_no_event_stays_text(text: str) -> None:
    assert event_of(line(MARKER + text.encode())) is None
    assert event_of(line(text.encode(), EVENT)) is None


@pytest.mark.requirement("S3-10")
def test_events_are_heard_where_they_may_be_said_and_nowhere_else() -> None:
    data = MARKER + b'{"type": "task_progress", "task_id": "t", "message": "m", "newer": 1}\r'
    expected = Event("task_progress", {"task_id": "t", "message": "m"})
    assert [event_of(line(data, stream)) for stream in (MERGED, STDERR)] == [expected, expected]
    assert [event_of(line(data, stream)) for stream in (STDOUT, EVENT)] == [None, None]
    assert event_of(line(b" " + data)) is None
    assert event_of(line(data, cut=True)) is None
    assert event_of(line(data + b" " * LONGEST)) is None
    bare = data[len(MARKER) :]
    assert [event_of(line(bare, stream)) for stream in (MERGED, STDERR, STDOUT, EVENT)] == [None, None, None, expected]
    assert event_of(line(bare, EVENT), marked=False) == expected
    assert event_of(line(data), marked=False) is None
    assert event_of(line(bare, EVENT, cut=True)) is None
    assert event_of(line(bare + b" " * LONGEST, EVENT)) is None


@pytest.mark.requirement("S3-10")
def test_an_end_without_a_word_leaves_what_was_said_before() -> None:
    progress = told(
        phase(0),
        task(0, "t"),
        said("task_progress", task_id="t", message="half"),
        said("agent_started", task_id="t", agent_name="a", description="d"),
        said("agent_message", task_id="t", agent_name="a", message="hm"),
        said("agent_completed", task_id="t", agent_name="a", result=None),
        said("task_completed", task_id="t"),
    )
    [done] = progress.phases[0].tasks.values()
    assert (done.status, done.message, done.agents["a"].status, done.agents["a"].message) == (
        "completed",
        "half",
        "completed",
        "hm",
    )
    assert progress.message == "task t completed"


def test_percent_counts_completed_phases_of_those_announced() -> None:
    done = [said("phase_completed", phase=number, name="") for number in range(6)]
    assert told(task(0, "t")).percent is None
    assert told(phase(0, total=0)).percent is None
    assert told(phase(0), phase(1)).percent == 0
    assert told(phase(0, total=3), done[0]).percent == 33
    assert told(phase(0), *done).percent == 100


def test_a_percentage_that_is_told_counts_more_than_phases() -> None:
    progress = told(phase(0), said("progress", percent=12.34, message="m"))
    assert (progress.percent, progress.message, progress.phase) == (12.3, "m", progress.phases[0])
    assert told(phase(0), said("progress", percent=99.99)).percent == 100
    assert isinstance(told(said("progress", percent=5.0)).percent, int)
    assert told(said("progress", percent=1, message="m"), said("progress", percent=2)).message == "m"


def test_phases_that_are_named_follow_one_another() -> None:
    load = said("phase", name="load", total=3)
    progress = told(load, said("progress", percent=1, phase="load"), said("phase", name="sort"))
    assert [(one.number, one.name, one.status) for one in progress.phases.values()] == [
        (1, "load", "completed"),
        (2, "sort", "running"),
    ]
    assert told(load, said("phase", name="sort")).percent == 33
    over = completed(progress)
    assert [one.status for one in over.phases.values()] == ["completed", "completed"]
    assert told(load, load) == told(load)
    announced = told(phase(0), load)
    assert [one.status for one in announced.phases.values()] == ["running", "running"], "it says itself when it ends"
    assert [one.status for one in completed(announced).phases.values()] == ["running", "completed"]
    again = told(load, said("phase", name="sort"), said("phase", name="load"))
    assert [one.status for one in again.phases.values()] == ["running", "completed"]


def test_of_a_metric_the_newest_value_counts_and_how_many_there_were() -> None:
    progress = told(
        said("metric", name="loss", value=0.5), said("metric", name="rows", value=7, unit="rows"),
        said("metric", name="loss", value=0.25), said("metric", name="rows", value=8),
    )  # fmt: skip
    assert progress.metrics == {"loss": Metric(0.25, "", 2), "rows": Metric(8, "rows", 2)}
    many = told(*(said("metric", name=f"{n}", value=n) for n in range(MOST_METRICS + 3)))
    assert (len(many.metrics), many.left_out) == (MOST_METRICS, 3)


def test_a_phase_that_starts_again_runs_again() -> None:
    failed = said("phase_failed", phase=0, name="p0", error="e")
    progress = told(phase(0), failed, phase(0))
    assert (progress.phases[0].status, progress.phases[0].error) == ("running", "")
    assert told(phase(0), failed).phases[0].error == "e"


def test_a_task_belongs_to_the_phase_that_it_was_started_in_last() -> None:
    progress = told(phase(0), phase(1), task(0, "t"), task(1, "t"), said("task_failed", task_id="t", error="e"))
    assert [one.tasks["t"].status for one in progress.phases.values()] == ["running", "failed"]
    unknown = said("task_progress", task_id="nobody", message="m")
    assert told(phase(0), unknown).phases == told(phase(0)).phases
    assert told(task(7, "t")).phase is not None, "a phase that was never announced"


def test_progress_stays_small_whatever_is_said() -> None:
    events = [phase(number, total=10**6) for number in range(MOST_PHASES + 5)]
    events += [task(0, "x" * 10_000 + str(number)) for number in range(10)]
    events += [task(1, str(number)) for number in range(MOST_TASKS + 5)]
    events += [
        said("agent_started", task_id="1", agent_name=str(number), description="d" * 10_000)
        for number in range(MOST_AGENTS + 5)
    ]
    progress = told(*events)
    assert len(progress.phases) == MOST_PHASES
    assert sum(len(one.tasks) for one in progress.phases.values()) == MOST_TASKS
    assert len(progress.phases[1].tasks["1"].agents) == MOST_AGENTS
    assert progress.left_out == 5 + 6 + 5
    assert all(len(one.description) <= BRIEF for one in progress.phases[1].tasks["1"].agents.values())


VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.sampled_from(["a", "b", ""]), st.text(max_size=5))
OBJECTS = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.fixed_dictionaries({"type": st.just(kind), **dict.fromkeys(KINDS[kind], VALUES)})
)


@given(st.lists(OBJECTS, max_size=30))
def test_no_order_of_events_is_too_odd(objects: list[dict[str, object]]) -> None:
    lines = [line(MARKER + json.dumps(one).encode()) for one in objects]
    events = [event for event in map(event_of, lines) if event is not None]
    progress = reduce(fold, events, Progress())
    assert all(event.words() for event in events if event.type not in ("raw_output", "message"))
    for one in progress.phases.values():
        assert set(one.tasks) <= set(progress.places)
    assert progress.percent is None or 0 <= progress.percent <= 100
    for cut in range(len(events)):
        assert reduce(fold, events[cut:], reduce(fold, events[:cut], Progress())) == progress


@pytest.mark.requirement("S3-10")
async def test_events_are_read_once_and_a_long_log_is_taken_up_where_reading_stopped(
    runtime: Runtime, define: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "ROUND_LINES", 1)
    printed = tmp_path / "printed"
    texts = [json.dumps({"type": "phase_started", "phase": n, "name": f"p{n}", "total_phases": 9}) for n in range(5)]
    noise = "noise\n" * 30_000  # more than is looked at in one go
    printed.write_text("".join(f"{noise}__WF_EVENT__:{text}\n" for text in texts))
    define("long", f"events: markers\nshell: cat {printed}")
    started = await runtime.execute(StartRequest(workflow_id="long"))
    execution = await runtime.wait(started.execution.number, 30)
    phases: list[int] = []
    tracked = None
    while tracked is None or not tracked.whole:
        tracked = await runtime.progress(execution, 0)
        assert tracked is not None
        assert tracked.seen >= 30_001 * len(tracked.progress.phases)
        phases.append(len(tracked.progress.phases))
    assert phases == [1, 2, 3, 4, 5]
    assert tracked.final
    reads: list[int] = []
    real = tracking.advanced
    monkeypatch.setattr(tracking, "advanced", lambda *given, **more: reads.append(1) or real(*given, **more))
    assert await runtime.progress(execution, 30) == tracked
    assert reads == [], "what is over and known is not read again"
    assert await runtime.progress((await runtime.execute(StartRequest(workflow_id="long"))).execution, 30) is not None
    await runtime.wait(2, 30)


async def test_progress_is_the_same_before_and_after_sealing(
    runtime: Runtime, define: Callable[[str, str], Path]
) -> None:
    event = '{"type": "phase_started", "phase": 0, "name": "a", "total_phases": 1}'
    define("telling", f"events: markers\nshell: |\n  echo '__WF_EVENT__:{event}' >&2\n")
    started = await runtime.execute(StartRequest(workflow_id="telling"))
    execution = await runtime.wait(started.execution.number, 30)
    before = await runtime.progress(execution, 30)
    assert await runtime.seal(execution)
    runtime._tracker._tracked.clear()  # pyright: ignore[reportPrivateUsage] - another process knows nothing
    after = await runtime.progress(await runtime.get(execution.number), 30)
    assert before == after
    assert after is not None
    assert after.progress == told(said("phase_started", phase=0, name="a", total_phases=1))


@pytest.mark.requirement("S3-10")
@pytest.mark.parametrize("marked", [False, True])
async def test_both_sources_of_events_are_read_in_the_order_in_which_they_arrived(
    runtime: Runtime, define: Callable[[str, str], Path], marked: bool
) -> None:
    told_by_file, printed = '{"type": "phase", "name": "%s"}', '__WF_EVENT__:{"type": "phase", "name": "%s"}'
    shell = "\n  ".join(
        f"""echo '{printed % f"p{n}"}'; sleep 0.12; echo '{told_by_file % f"f{n}"}' >> $OUTLAST_EVENTS; sleep 0.12"""
        for n in range(3)
    )
    define("both", f"events: {'markers' if marked else 'none'}\nshell: |\n  {shell}\n")
    started = await runtime.execute(StartRequest(workflow_id="both"))
    execution = await runtime.wait(started.execution.number, 30)
    tracked = await runtime.progress(execution, 30)
    assert tracked is not None
    assert tracked.final
    names = [one.name for one in tracked.progress.phases.values()]
    assert names == (["p0", "f0", "p1", "f1", "p2", "f2"] if marked else ["f0", "f1", "f2"])


async def test_a_long_log_without_events_is_not_read_for_them(
    runtime: Runtime, define: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    event = '{"type": "progress", "percent": 7}'
    define("long", f"shell: |\n  seq 60000\n  echo '{event}' >> $OUTLAST_EVENTS\n  sleep 0.2\n  seq 60000\n")
    started = await runtime.execute(StartRequest(workflow_id="long"))
    execution = await runtime.wait(started.execution.number, 30)
    assert await runtime.seal(execution)
    loaded: list[int] = []
    real = SealedLog._load  # pyright: ignore[reportPrivateUsage] - loads are counted
    monkeypatch.setattr(SealedLog, "_load", lambda log, head: loaded.append(head.first) or real(log, head))
    tracked = await runtime.progress(await runtime.get(execution.number), 30)
    assert tracked is not None
    assert (tracked.progress.percent, tracked.seen, tracked.final) == (7, 120_001, True)
    assert len(loaded) == 1
