"""A child that empties its own log, as `> /dev/stderr` does: what is gone is told, and no number changes."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from outlast.kernel.clock import Clock
from outlast.kernel.process import await_end
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.runtime import Runtime, Started
from outlast.runtime.starting import StartRequest
from outlast.storage.logs.lines import Entry, Line, LogGap
from outlast.storage.records import Execution
from waiting import BOUND, until

Run = Callable[..., Awaitable[Started]]
Define = Callable[[str, str], Path]


def seen(entries: tuple[Entry, ...]) -> list[str]:
    """Each line as `n text`, gaps as `first-last`."""
    return [f"{e.first}-{e.last}" if isinstance(e, LogGap) else f"{e.n} {e.data.decode()}" for e in entries]


async def lines(runtime: Runtime, execution: Execution) -> list[str]:
    return seen((await runtime.logs(execution, LogQuery(limit=1000))).entries)


class Steps:
    """A child that goes from one step to the next when the test says so."""

    def __init__(self, directory: Path, *steps: str) -> None:
        self._directory = directory
        waits = [f"until [ -e {directory}/{n} ]; do sleep 0.01; done" for n in range(1, len(steps))]
        parts = [steps[0], *(part for pair in zip(waits, steps[1:], strict=True) for part in pair)]
        self.script = "; ".join(parts)
        self._next = 0

    def go_on(self) -> None:
        self._next += 1
        (self._directory / str(self._next)).touch()


async def shows(runtime: Runtime, number: int, expected: list[str]) -> None:
    async def shown() -> bool:
        return await lines(runtime, await runtime.get(number)) == expected

    await until(shown)


@pytest.mark.parametrize(
    "after", ["echo third > /dev/stderr", "echo 'far more than what was there before' > /dev/stderr"]
)
@pytest.mark.parametrize("killed", [False, True])
async def test_a_child_that_empties_its_log_changes_no_number(
    runtime: Runtime, run: Run, tmp_path: Path, after: str, killed: bool
) -> None:
    text = after.removeprefix("echo ").removesuffix(" > /dev/stderr").strip("'")
    steps = Steps(tmp_path, "echo first; echo second; printf begun", f"{after}; echo more >&2", "printf end")
    number = (await run("sh", "-c", steps.script)).execution.number
    await shows(runtime, number, ["1 first", "2 second"])
    if killed:
        supervisor = (await runtime.get(number)).supervisor
        assert supervisor is not None
        supervisor.signal(Clock().boot_id(), 9)
        assert await_end(supervisor, Clock().boot_id(), BOUND)
        await shows(runtime, number, ["1 first", "2 second"])
    steps.go_on()
    expected = ["1-2", "3-3", f"4 {text}", "5 more"]
    await shows(runtime, number, expected)
    steps.go_on()
    execution = await runtime.wait(number, BOUND)
    assert await lines(runtime, execution) == [*expected, "6 end"]
    assert await runtime.seal(execution)
    page = await runtime.logs(await runtime.get(number), LogQuery())
    assert seen(page.entries) == [*expected, "6 end"]
    assert page.count == (6, True)
    gap = page.entries[0]
    assert isinstance(gap, LogGap)
    assert ">> /dev/stderr" in gap.reason


async def test_with_separate_streams_the_other_one_keeps_its_lines(
    runtime: Runtime, define: Define, tmp_path: Path
) -> None:
    steps = Steps(tmp_path, "echo out >&1", "echo err >&2", "echo more", "echo new > /dev/stderr", "echo last >&2")
    define("separate", f"shell: |\n  {steps.script}\nstreams: separate\n")
    number = (await runtime.execute(StartRequest(workflow_id="separate", params={}))).execution.number
    expected = ["1 out"]
    await shows(runtime, number, expected)
    for line in ("2 err", "3 more"):
        steps.go_on()
        expected.append(line)
        await shows(runtime, number, expected)
    steps.go_on()
    await shows(runtime, number, ["1 out", "2-2", "3 more", "4 new"])
    steps.go_on()
    execution = await runtime.wait(number, BOUND)
    await shows(runtime, number, ["1 out", "2-2", "3 more", "4 new", "5 last"])
    assert await runtime.seal(execution)
    await shows(runtime, number, ["1 out", "2-2", "3 more", "4 new", "5 last"])


async def test_what_appends_to_dev_stderr_loses_nothing(runtime: Runtime, run: Run) -> None:
    script = "for n in 1 2 3; do echo $n; sleep 0.06; echo err $n >> /dev/stderr; done"
    execution = await runtime.wait((await run("sh", "-c", script)).execution.number, BOUND)
    page = await runtime.logs(execution, LogQuery())
    assert [e.data for e in page.entries if isinstance(e, Line)] == [b"1", b"err 1", b"2", b"err 2", b"3", b"err 3"]


async def test_what_is_left_running_and_empties_a_closed_log_takes_nobody_s_number(
    runtime: Runtime, run: Run, tmp_path: Path
) -> None:
    """The attempt is over and its log not in the store yet: what comes late is no line, what is gone is a gap."""
    go, done = tmp_path / "go", tmp_path / "done"
    late = f"until [ -e {go} ]; do sleep 0.01; done; echo hi > /dev/stderr; touch {done}"
    started = await run("sh", "-c", f"seq 1 100; ({late}) &")
    execution = await runtime.wait(started.execution.number, BOUND)
    assert len(await lines(runtime, execution)) == 100
    go.touch()
    await until(done.exists)
    assert await lines(runtime, execution) == ["1-100"]
    assert await runtime.seal(execution)
    assert await lines(runtime, await runtime.get(execution.number)) == ["1-100"]
