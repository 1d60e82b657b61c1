"""Cancelling: the whole tree goes, nothing else does, and `cancelled` is said when nothing is left."""

import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from outlast.kernel.clock import Clock
from outlast.kernel.errors import NotFound
from outlast.kernel.home import Home
from outlast.kernel.process import identify
from outlast.kernel.procfs import marker_of, processes
from outlast.runtime.runtime import Runtime, Started
from outlast.runtime.starting import StartRequest
from waiting import BOUND, until

Run = Callable[..., Awaitable[Started]]
CLOCK = Clock()


def marked(execution_id: str) -> list[int]:
    """The living processes that carry an execution's marker, its supervisor's included."""
    return [entry.pid for entry in processes() if marker_of(entry.pid) == execution_id]


async def written(path: Path) -> str:
    """The content of a file that a child is about to write, newline included."""
    await until(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text()


async def test_a_cancelled_tree_is_gone_wherever_it_went(
    runtime: Runtime, define: Callable[[str, str], Path], tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    define(
        "forest",
        "params: {file: {type: string}}\nkill_grace: 200ms\nshell: |\n"
        "  # a daemon by double fork, in a session of its own, without its environment\n"
        "  (setsid env -i /bin/sh -c 'sleep 300' &)\n"
        "  # one that ignores TERM\n"
        "  sh -c 'trap \"\" TERM; while :; do sleep 1; done' &\n"
        "  echo $$ $! > $PARAM_FILE\n"
        "  wait\n",
    )
    started = await runtime.execute(StartRequest(workflow_id="forest", params={"file": str(pids)}))
    known = [identify(int(pid), CLOCK) for pid in (await written(pids)).split()]
    cancelled = await runtime.cancel(started.execution.number, "a test")
    assert cancelled.requested
    execution = await runtime.wait(started.execution.number, BOUND)
    assert execution.settled is not None
    assert (execution.settled.status, execution.settled.reason) == ("cancelled", "cancelled by a test")
    assert not any(process.alive(CLOCK.boot_id()) for process in known if process is not None)
    supervisor = execution.supervisor
    assert set(marked(execution.id)) <= {supervisor.pid if supervisor else 0}


async def test_a_polite_child_ends_in_its_own_way(runtime: Runtime, run: Run, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    started = await run("sh", "-c", f"trap 'exit 5' TERM; echo > {ready}; while :; do sleep 0.05; done")
    await written(ready)
    await runtime.cancel(started.execution.number, "a test")
    state = (await runtime.wait(started.execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code, state.signal) == ("cancelled", 5, None)


async def test_cancelling_what_is_over_changes_nothing(runtime: Runtime, run: Run) -> None:
    started = await run("true")
    before = await runtime.wait(started.execution.number, BOUND)
    cancelled = await runtime.cancel(started.execution.id, "a test")
    assert (cancelled.status, cancelled.requested) == ("completed", False)
    assert (await runtime.get(started.execution.number)).state == before.state


async def test_cancelling_nothing_is_an_error_that_says_what_next(runtime: Runtime) -> None:
    with pytest.raises(NotFound) as caught:
        await runtime.cancel("#4711", "a test")
    assert caught.value.code == "execution_not_found"
    assert caught.value.next is not None


async def test_a_nested_execution_survives_its_outer_one(runtime: Runtime, home: Home, tmp_path: Path) -> None:
    """What a step starts through Outlast is an execution of its own."""
    inner = tmp_path / "inner"
    script = (
        "import anyio, sys\n"
        "from pathlib import Path\n"
        "from outlast.kernel.home import Home\n"
        "from outlast.runtime.options import Options\n"
        "from outlast.runtime.runtime import open_runtime\n"
        "from outlast.runtime.starting import StartRequest\n"
        "async def main():\n"
        "    async with open_runtime(Options(home=Home(sys.argv[1]), trigger='cli', allow_command=True)) as runtime:\n"
        "        params = {'argv': ['env', '-i', 'sh', '-c', 'sleep 300; true']}\n"
        "        started = await runtime.execute(StartRequest(workflow_id='command', params=params))\n"
        "        Path(sys.argv[2]).write_text(f'{started.execution.number}\\n')\n"
        "        await anyio.sleep(300)\n"
        "anyio.run(main)\n"
    )
    params = {"argv": [sys.executable, "-c", script, home.root, str(inner)]}
    outer = await runtime.execute(StartRequest(workflow_id="command", params=params))
    nested = int(await written(inner))
    await runtime.cancel(outer.execution.number, "a test")
    state = (await runtime.wait(outer.execution.number, BOUND)).settled
    assert state is not None
    assert state.status == "cancelled"
    assert (await runtime.get(nested)).status == "running"
    await runtime.cancel(nested, "a test")
    assert (await runtime.wait(nested, BOUND)).status == "cancelled"


async def test_a_stopped_supervisor_is_replaced_when_a_cancel_goes_unanswered(
    runtime: Runtime, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlast.runtime.supervisors.MUTE_AFTER", 0.5)
    started = await run("sleep", "300")
    execution = await runtime.get(started.execution.number)
    mute = execution.supervisor
    assert mute is not None
    mute.signal(CLOCK.boot_id(), signal.SIGSTOP)
    await runtime.cancel(execution.number, "a test")
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert state.status == "cancelled"
    assert not mute.alive(CLOCK.boot_id())


async def test_a_stopped_supervisor_is_left_alone_while_nobody_asks_it_anything(runtime: Runtime, run: Run) -> None:
    started = await run("sh", "-c", "sleep 0.2; exit 4")
    held = (await runtime.get(started.execution.number)).supervisor
    assert held is not None
    held.signal(CLOCK.boot_id(), signal.SIGSTOP)
    for _ in range(20):
        assert await runtime.reconcile() == 1
    execution = await runtime.get(started.execution.number)
    assert (execution.status, execution.supervisor) == ("running", held)
    held.signal(CLOCK.boot_id(), signal.SIGCONT)
    state = (await runtime.wait(started.execution.number, BOUND)).settled
    assert state is not None
    assert state.exit_code == 4


async def test_what_waits_in_the_queue_is_cancelled_without_a_process(
    runtime: Runtime, define: Callable[[str, str], Path]
) -> None:
    define("single", "concurrency: {key: one}\nrun: [sleep, '300']\n")
    first = await runtime.execute(StartRequest(workflow_id="single"))
    second = await runtime.execute(StartRequest(workflow_id="single"))
    assert second.execution.status == "pending"
    cancelled = await runtime.cancel(second.execution.number, "a test")
    assert (cancelled.status, cancelled.requested) == ("cancelled", False)
    state = (await runtime.get(second.execution.number)).settled
    assert state is not None
    assert (state.started_at, state.reason) == (None, "cancelled by a test before it started")
    await runtime.cancel(first.execution.number, "a test")
    assert (await runtime.wait(first.execution.number, BOUND)).status == "cancelled"
