"""Executions outlive supervisors, runtimes and boots; past ones are read from the store, live ones from memory."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from children import wrapper_of
from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.locks import RunLock
from outlast.kernel.process import ProcessId, await_end, identify
from outlast.kernel.procfs import processes
from outlast.runtime import logbooks
from outlast.runtime.library import Library
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, Started, open_runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.logs.lines import Line
from outlast.storage.logs.sealer import Sealed
from outlast.storage.records import Execution
from waiting import BOUND, until

Run = Callable[..., Awaitable[Started]]
Text = Callable[[Execution], Awaitable[list[str]]]
CLOCK = Clock()


async def killed(execution: Execution) -> None:
    """Kill an execution's supervisor and wait until it is dead."""
    supervisor = execution.supervisor
    assert supervisor is not None
    supervisor.signal(CLOCK.boot_id(), signal.SIGKILL)
    assert await anyio.to_thread.run_sync(await_end, supervisor, CLOCK.boot_id(), BOUND)


@pytest.mark.requirement("X1", "S3-6")
async def test_a_new_supervisor_follows_the_same_child(
    runtime: Runtime, run: Run, tmp_path: Path, text_of: Text
) -> None:
    go = tmp_path / "go"
    started = await run("sh", "-c", f"echo before; until [ -e {go} ]; do sleep 0.02; done; echo after; exit 9")
    for epoch in (2, 3):
        await killed(await runtime.get(started.execution.number))
        execution = await runtime.get(started.execution.number)
        assert execution.status == "running"
        assert getattr(execution.state, "epoch", None) == epoch
    go.touch()
    state = (await runtime.wait(started.execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code) == ("failed", 9)
    assert await text_of(await runtime.get(started.execution.number)) == ["before", "after"]


@pytest.mark.requirement("X1", "S3-6")
async def test_an_end_that_nobody_saw_is_told_truly(runtime: Runtime, run: Run, home: Home, text_of: Text) -> None:
    started = await run("sh", "-c", "echo $$; sleep 0.1; printf last; exit 6")
    execution = await runtime.get(started.execution.number)
    await killed(execution)
    exitcode = Path(home.run(execution.id).attempt("run", 1).exitcode)
    await until(exitcode.exists)
    state = (await runtime.get(execution.number)).settled or (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code) == ("failed", 6)
    assert (await text_of(await runtime.get(execution.number)))[-1] == "last"


async def test_lines_that_nobody_saw_come_are_not_dated_after_the_end(runtime: Runtime, run: Run, home: Home) -> None:
    started = await run("sh", "-c", "sleep 0.1; echo whole; printf last")
    execution = await runtime.get(started.execution.number)
    await killed(execution)
    exitcode = Path(home.run(execution.id).attempt("run", 1).exitcode)
    await until(lambda: exitcode.exists() and exitcode.read_text() == "0\n")
    ended = exitcode.stat().st_mtime_ns // 1000
    execution = await runtime.wait(execution.number, BOUND)
    lines = (await runtime.logs(execution, LogQuery())).entries
    assert [(line.data, line.at <= ended) for line in lines if isinstance(line, Line)] == [
        (b"whole", True),
        (b"last", True),
    ]


@pytest.mark.requirement("S3-6")
async def test_a_killed_wrapper_leaves_an_honest_lost(runtime: Runtime, run: Run, home: Home, tmp_path: Path) -> None:
    started = await run("sh", "-c", f"touch {tmp_path}/begun; exec sleep 300")
    await until((tmp_path / "begun").exists)
    execution = await runtime.get(started.execution.number)
    wrapper = await wrapper_of(home, execution)
    wrapper.signal(CLOCK.boot_id(), signal.SIGKILL)
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code) == ("lost", None)
    assert state.reason == (
        "interrupted: its wrapper was killed before it could record an exit code; what was left of it was killed"
    )
    assert state.started_at is not None
    assert state.ended_at > state.started_at


async def test_a_lost_one_of_which_nothing_was_left_says_no_more(runtime: Runtime, run: Run, home: Home) -> None:
    execution = await runtime.get((await run("sleep", "300")).execution.number)
    wrapper, supervisor = await wrapper_of(home, execution), execution.supervisor
    assert supervisor is not None
    # Held until the wrapper's child, which is in its process group, is dead as well.
    supervisor.signal(CLOCK.boot_id(), signal.SIGSTOP)
    group = [ProcessId(one.pid, one.start, CLOCK.boot_id()) for one in processes() if one.group == wrapper.pid]
    os.killpg(wrapper.pid, signal.SIGKILL)
    for process in group:
        assert await anyio.to_thread.run_sync(await_end, process, CLOCK.boot_id(), BOUND)
    supervisor.signal(CLOCK.boot_id(), signal.SIGCONT)
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert state.reason == "interrupted: its wrapper was killed before it could record an exit code"


@pytest.mark.requirement("S3-6")
async def test_after_another_boot_a_running_row_is_lost_and_not_started_again(
    runtime: Runtime, run: Run, home: Home, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    started = await run("sh", "-c", f"echo >> {starts}; sleep 300")
    execution = await runtime.get(started.execution.number)
    await until(starts.exists)
    await killed(execution)
    claim = Path(home.run(execution.id).attempt("run", 1).started)
    fields = claim.read_text().split()
    wrapper = identify(int(fields[0]), CLOCK)
    assert wrapper is not None
    os.killpg(wrapper.pid, signal.SIGKILL)
    assert await anyio.to_thread.run_sync(await_end, wrapper, CLOCK.boot_id(), BOUND)
    # The machine restarted: the same pid may live again, and means somebody else.
    claim.write_text(" ".join([str(os.getpid()), "11111111-2222-3333-4444-555555555555", *fields[2:]]) + "\n")
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.reason) == ("lost", "host restarted")
    assert starts.read_text() == "\n"


async def test_a_running_row_whose_run_directory_is_gone_is_lost_and_not_started_again(
    runtime: Runtime, run: Run, home: Home, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    started = await run("sh", "-c", f"echo >> {starts}; sleep 0.05")
    execution = await runtime.get(started.execution.number)
    await killed(execution)
    wrapper = await wrapper_of(home, execution)
    assert await anyio.to_thread.run_sync(await_end, wrapper, CLOCK.boot_id(), BOUND)
    Path(home.run(execution.id).path).rename(tmp_path / "moved")
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.reason) == ("lost", "its run directory is gone")
    assert starts.read_text() == "\n"


async def test_work_whose_lock_is_held_is_never_judged(runtime: Runtime, run: Run, home: Home) -> None:
    started = await run("sleep", "300")
    execution = await runtime.get(started.execution.number)
    await killed(execution)
    lock = RunLock.acquire(home.run(execution.id).run_lock)
    assert lock is not None
    for _ in range(5):
        await runtime.reconcile()
        assert (await runtime.get(execution.number)).status == "running"
    lock.release()
    await runtime.cancel(execution.number, "a test")
    assert (await runtime.wait(execution.number, BOUND)).status == "cancelled"


@pytest.mark.requirement("C2", "S3-1", "S3-5")
async def test_live_executions_are_answered_from_memory_and_past_ones_from_the_store(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    from outlast.storage import reading

    execution_of = reading.execution

    def noted(connection: object, number: int) -> Execution:
        read.append(number)
        return execution_of(connection, number)  # type: ignore[arg-type]  # it is a connection

    monkeypatch.setattr(reading, "execution", noted)
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
        past = await runtime.execute(StartRequest(workflow_id="command", params={"argv": ["true"]}))
        await runtime.wait(past.execution.number, BOUND)
        live = await runtime.execute(StartRequest(workflow_id="command", params={"argv": ["sleep", "300"]}))
        await runtime.get(live.execution.number)
        read.clear()
        for _ in range(5):
            assert (await runtime.get(live.execution.id)).status == "running"
        assert read == []
        for _ in range(2):
            assert (await runtime.get(past.execution.number)).status == "completed"
        assert read == [1, 1]
        await runtime.cancel(live.execution.number, "a test")
        await runtime.wait(live.execution.number, BOUND)
    async with open_runtime(Options(home=home, trigger="mcp")) as later:
        read.clear()
        assert (await later.get(1)).status == "completed"
        assert (await later.get("#2")).status == "cancelled"
        assert read == [1, 2]


async def test_another_process_s_change_is_seen_at_once(runtime: Runtime, run: Run, home: Home) -> None:
    started = await run("sleep", "300")
    assert (await runtime.get(started.execution.number)).cancel_requested_by is None
    async with open_runtime(Options(home=home, trigger="cli")) as other:
        await other.cancel(started.execution.number, "somebody else")
        assert (await runtime.get(started.execution.number)).cancel_requested_by == "somebody else"
    assert (await runtime.wait(started.execution.number, BOUND)).status == "cancelled"


async def test_several_readers_follow_one_live_log(runtime: Runtime, run: Run, tmp_path: Path) -> None:
    go = tmp_path / "go"
    started = await run("sh", "-c", f"seq 1 500; until [ -e {go} ]; do sleep 0.02; done; seq 501 1000")
    seen: list[list[int]] = [[], [], []]

    async def follow(into: list[int]) -> None:
        while len(into) < 1000:
            execution = await runtime.get(started.execution.number)
            page = await runtime.logs(execution, LogQuery(limit=400, after=len(into)))
            into += [int(entry.data) for entry in page.entries if isinstance(entry, Line)]
            if len(into) >= 500:
                go.touch()

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for into in seen:
                group.start_soon(follow, into)
    assert seen == [list(range(1, 1001))] * 3


@pytest.mark.requirement("S3-3")
async def test_a_log_reads_the_same_live_and_sealed(runtime: Runtime, run: Run, home: Home) -> None:
    started = await run("sh", "-c", "seq 1 30000; printf '\\377\\000no newline'")
    execution = await runtime.wait(started.execution.number, BOUND)
    query = LogQuery(limit=1000, before=30_002)
    live = await runtime.logs(execution, query)
    assert live.count == (30_001, True)
    assert await runtime.seal(execution)
    assert not os.path.exists(home.run(execution.id).path)
    sealed = await runtime.logs(await runtime.get(execution.number), query)
    assert (sealed.entries, sealed.count) == (live.entries, live.count)
    last = sealed.entries[-1]
    assert isinstance(last, Line)
    assert last.data == b"\xff\x00no newline"


async def test_a_process_that_lives_long_seals_and_tidies_by_itself(home: Home) -> None:
    async with open_runtime(Options(home=home, trigger="mcp", allow_command=True)) as short_lived:
        started = await short_lived.execute(StartRequest(workflow_id="command", params={"argv": ["seq", "100"]}))
        await short_lived.wait(started.execution.number, BOUND)
    async with open_runtime(Options(home=home, trigger="mcp", background=True)) as server:

        async def sealed() -> bool:
            return (await server.get(1)).log_lines is not None and not os.listdir(home.runs)

        await until(sealed)
        assert (await server.get(1)).log_lines == 100


async def test_the_code_of_live_executions_is_kept_and_other_code_removed(home: Home) -> None:
    old = Path(home.library, "0123456789abcdef")
    old.mkdir()
    library = Library(home)
    await anyio.to_thread.run_sync(library.launcher)
    async with open_runtime(Options(home=home, trigger="mcp", background=True)):
        assert os.listdir(home.library) == [library.name]


async def test_a_supervisor_needs_nothing_of_the_environment_it_was_started_from(home: Home) -> None:
    """Its code is a copy and its interpreter the base one: a virtual environment may go while it works."""
    library = Library(home)
    launcher = await anyio.to_thread.run_sync(library.launcher)
    assert launcher.library == f"{home.library}/{library.name}"
    assert not launcher.interpreter.startswith(sys.prefix) or sys.prefix == sys.base_prefix
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import outlast.supervisor.main, outlast.supervisor.execution\n"
        "print(sorted({m.__file__ for n, m in sys.modules.items() if n.startswith('outlast.') and m.__file__}))\n"
        "assert not {'dataclasses', 'asyncio', 'subprocess', 'pathlib'} & set(sys.modules), sorted(sys.modules)\n"
    )
    printed = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [launcher.interpreter, "-I", "-S", "-c", code, launcher.library],
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
    )
    assert printed.stderr == ""
    assert all(path.startswith(f"'{launcher.library}/") for path in printed.stdout.strip()[1:-1].split(", "))


async def test_a_runtime_that_is_closed_while_it_moves_a_log_moves_it_to_its_end(
    home: Home, runtime: Runtime, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await runtime.wait((await run("echo", "hello")).execution.number, BOUND)
    begun, go = threading.Event(), threading.Event()
    real = logbooks.seal

    def waiting(*given: Any, **more: Any) -> Sealed:
        begun.set()
        assert go.wait(BOUND)
        return real(*given, **more)

    monkeypatch.setattr(logbooks, "seal", waiting)
    async with anyio.create_task_group() as group:
        group.start_soon(runtime.seal, execution)
        await until(begun.is_set)
        group.cancel_scope.cancel()
        go.set()
    assert (await runtime.get(execution.number)).log_lines == 1
