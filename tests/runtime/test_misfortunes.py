"""What goes wrong on people's machines costs at most what it touches, and is told as it was."""

import json
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Never

import anyio
import pytest

from children import wrapper_of
from outlast.kernel import supervision
from outlast.kernel.checksums import crc
from outlast.kernel.clock import Clock, read
from outlast.kernel.errors import Conflict, NotFound, StartFailed, StoreDamaged, StoreUnreachable
from outlast.kernel.home import Home
from outlast.kernel.locks import RunLock, run_lock_held, run_lock_holder
from outlast.kernel.process import ProcessId, await_end, identify
from outlast.kernel.spawning import Ack, Launcher
from outlast.kernel.supervision import Seen
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, Started, open_runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.history import Filter
from outlast.storage.records import Execution
from stored import change
from waiting import BOUND, until

Run = Callable[..., Awaitable[Started]]
Text = Callable[[Execution], Awaitable[list[str]]]
CLOCK = Clock()


async def kill(process: ProcessId | None) -> None:
    assert process is not None
    process.signal(CLOCK.boot_id(), signal.SIGKILL)
    assert await anyio.to_thread.run_sync(await_end, process, CLOCK.boot_id(), BOUND)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (r"""printf '{"x": "\\ud800"}' > "$OUTLAST_OUTPUT" """, "not JSON"),
        ("""printf '{"x": NaN}' > "$OUTLAST_OUTPUT" """, "not JSON"),
        ("""mkfifo "$OUTLAST_OUTPUT" """, "not a file"),
        ("""mkdir "$OUTLAST_OUTPUT" """, "not a file"),
        ("""rm "${OUTLAST_EVENTS%events}out"; mkfifo "${OUTLAST_EVENTS%events}out" """, None),
    ],
)
async def test_whatever_a_child_leaves_it_is_settled(
    runtime: Runtime, run: Run, script: str, problem: str | None
) -> None:
    started = await run("sh", "-c", script)
    execution = await runtime.wait(started.execution.number, BOUND)
    assert execution.status == "completed"
    assert (await runtime.details(execution)).output is None
    events = await runtime.store.read(
        lambda c: [data for (data,) in c.execute("SELECT data FROM events WHERE kind = 'completed'")]
    )
    said = json.loads(events[0]).get("output_problem")
    assert said is None if problem is None else said.startswith(problem)


async def test_a_supervisor_that_did_its_work_leaves_no_complaint(runtime: Runtime, run: Run, home: Home) -> None:
    started = await run("true")
    execution = await runtime.wait(started.execution.number, BOUND)
    await until(lambda: not run_lock_held(home.run(execution.id).run_lock))
    assert Path(home.run(execution.id).supervisor_log).read_text() == ""


async def test_one_that_cannot_be_helped_keeps_no_other_from_it(
    runtime: Runtime, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await runtime.get((await run("sleep", "300")).execution.number)
    second = await runtime.get((await run("sleep", "300")).execution.number)
    for execution in (first, second):
        await kill(execution.supervisor)
    start = Launcher.start

    def failing(launcher: Launcher, directory: object, timeout: float = 20) -> object:
        if str(getattr(directory, "path", "")).endswith(first.id):
            raise StartFailed("no more processes")
        return start(launcher, directory, timeout)  # type: ignore[arg-type]  # a run directory

    monkeypatch.setattr(Launcher, "start", failing)
    assert await runtime.reconcile() == 2
    adopted = await runtime.store.read(lambda c: supervision.look(c, second.id))
    assert isinstance(adopted, Seen)
    assert adopted.epoch == 2
    monkeypatch.undo()
    for execution in (first, second):
        await runtime.cancel(execution.number, "a test")
        assert (await runtime.wait(execution.number, BOUND)).status == "cancelled"


async def test_a_start_that_cannot_be_is_a_reply_with_a_handle(
    runtime: Runtime, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise StartFailed("no more processes")

    monkeypatch.setattr(Launcher, "start", failing)
    started = await run("true")
    assert started.execution.status == "pending"
    monkeypatch.undo()
    assert (await runtime.wait(started.execution.number, BOUND)).status == "completed"


async def test_a_listing_calls_nothing_running_whose_supervisor_is_dead(runtime: Runtime, run: Run, home: Home) -> None:
    execution = await runtime.get((await run("sh", "-c", "sleep 0.1; exit 4")).execution.number)
    wrapper = await wrapper_of(home, execution)
    await kill(execution.supervisor)
    assert await anyio.to_thread.run_sync(await_end, wrapper, CLOCK.boot_id(), BOUND)
    page = await runtime.history(Filter())
    assert [(row.status, row.exit_code) for row in page.executions] == [("failed", 4)]


async def test_an_idle_server_takes_up_what_another_process_left(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.runtime.caretaking.PROBE_EVERY", 0.05)
    async with (
        open_runtime(Options(home=home, trigger="mcp", background=True)),
        open_runtime(Options(home=home, trigger="cli", allow_command=True)) as other,
    ):
        params = {"argv": ["sh", "-c", "sleep 0.1; exit 4"]}
        execution = (await other.execute(StartRequest(workflow_id="command", params=params))).execution
        await kill(execution.supervisor)

        async def settled() -> bool:
            row = await other.store.read(lambda c: supervision.look(c, execution.id))
            return row is not None and row.status.terminal

        await until(settled)


async def test_a_store_that_fails_while_nothing_is_live_does_not_end_a_server(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlast.runtime.caretaking.PROBE_EVERY", 0.01)
    async with open_runtime(Options(home=home, trigger="mcp", background=True)) as runtime:
        asked = 0

        async def fail() -> int:
            nonlocal asked
            asked += 1
            raise StoreUnreachable("gone for a moment")

        monkeypatch.setattr(runtime.store, "data_version", fail)
        await until(lambda: asked > 5)
        monkeypatch.undo()
        assert (await runtime.history(Filter())).total == 0


@pytest.mark.parametrize("failing", ["note_number", "live_row", "get"])
async def test_what_was_started_is_never_answered_with_an_error_that_hides_it(
    runtime: Runtime, run: Run, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """An agent that is told "failed" starts it again."""

    def fail(*_args: object) -> Never:
        raise StoreUnreachable("gone for a moment")

    def no_space(*_args: object) -> Never:
        raise OSError(28, "No space left on device")

    if failing == "note_number":
        monkeypatch.setattr(Path, "write_text", no_space)
    elif failing == "live_row":
        monkeypatch.setattr(Launcher, "start", lambda *_args: Ack("silent"))
        monkeypatch.setattr("outlast.runtime.supervisors.reading.live_row", fail)
    else:
        monkeypatch.setattr("outlast.runtime.live.reading.execution", fail)
    handle: str | int | None
    try:
        handle = (await run("true")).execution.number
    except StoreUnreachable as error:
        handle = error.handle_id
    monkeypatch.undo()
    assert handle is not None
    assert isinstance(handle, str) is (failing == "get")
    assert (await runtime.wait(handle, BOUND)).status == "completed"


async def test_a_bad_row_does_not_end_a_server(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.runtime.caretaking.PROBE_EVERY", 0.05)
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as other:
        bad = await other.execute(StartRequest(workflow_id="command", params={"argv": ["true"]}))
        await other.wait(bad.execution.number, BOUND)
        await other.store.write(lambda c: c.execute("UPDATE payloads SET plan = x'ff'"))
    async with open_runtime(Options(home=home, trigger="mcp", background=True, allow_command=True)) as server:
        good = await server.execute(StartRequest(workflow_id="command", params={"argv": ["true"]}))

        async def sealed() -> bool:
            return (await server.get(good.execution.number)).log_lines is not None

        await until(sealed)


async def test_lost_claims_to_know_no_signal(runtime: Runtime, run: Run, home: Home) -> None:
    execution = await runtime.get((await run("sleep", "300")).execution.number)
    wrapper = await wrapper_of(home, execution)
    wrapper.signal(CLOCK.boot_id(), signal.SIGKILL)
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.signal, state.signal_certain) == ("lost", None, None)


async def test_an_exit_code_that_the_disk_did_not_take_is_known_from_the_wrapper(runtime: Runtime, run: Run) -> None:
    # A directory in its place: the wrapper cannot write the file, as on a full disk.
    started = await run("sh", "-c", """mkdir "${OUTLAST_EVENTS%events}exitcode"; exit 7""")
    state = (await runtime.wait(started.execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code) == ("failed", 7)


async def test_a_cancel_is_remembered_over_any_number_of_takeovers(
    runtime: Runtime, run: Run, home: Home, tmp_path: Path
) -> None:
    """The child ended for a cancel; the supervisors that asked for it died before they could say so."""
    ready = tmp_path / "ready"
    started = await run("sh", "-c", f"trap 'exit 3' TERM; echo > {ready}; while :; do sleep 0.02; done")
    execution = await runtime.get(started.execution.number)
    await until(ready.exists)
    supervisor = execution.supervisor
    assert supervisor is not None
    supervisor.signal(CLOCK.boot_id(), signal.SIGSTOP)
    now = CLOCK.now()
    await runtime.store.write(
        lambda c: change(
            c,
            execution.number,
            f"cancel_requested_at = {now}, cancel_requested_by = 'a test', stopping_at = {now}",
        )
    )
    await kill(supervisor)
    wrapper = await wrapper_of(home, execution)
    os.killpg(wrapper.pid, signal.SIGTERM)
    await until(Path(home.run(execution.id).attempt("run", 1).exitcode).read_text)
    # Two that took over and died at once: only the epoch tells of them.
    for _ in range(2):
        seen = await runtime.store.read(lambda c: supervision.look(c, execution.id))
        assert isinstance(seen, Seen)
        me = identify(os.getpid(), CLOCK)
        assert me is not None
        await runtime.store.write(lambda c, s=seen, m=me: supervision.adopt(c, s, m, read(CLOCK)))
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code) == ("cancelled", 3)


async def test_a_plan_that_cannot_be_read_is_said_and_nothing_is_left_running(
    runtime: Runtime, run: Run, home: Home
) -> None:
    execution = await runtime.get((await run("sleep", "300")).execution.number)
    wrapper = await wrapper_of(home, execution)
    await kill(execution.supervisor)
    plan = Path(home.run(execution.id).plan).read_bytes().replace(b'"format":1', b'"format":99')
    whole = crc(plan, None, None)
    await runtime.store.write(lambda c: c.execute("UPDATE payloads SET plan = ?, crc = ?", (plan, whole)))
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.reason) == ("lost", "its plan cannot be read by this version of Outlast")
    assert not wrapper.alive(CLOCK.boot_id())


async def test_a_start_that_a_power_cut_forgot_is_not_repeated(
    runtime: Runtime, run: Run, home: Home, tmp_path: Path
) -> None:
    """The row that says an attempt was made is durable; the files that say it started may not have been."""
    execution = await runtime.get((await run("sh", "-c", f"echo x >> {tmp_path}/done; sleep 300")).execution.number)
    await until((tmp_path / "done").exists)
    wrapper = await wrapper_of(home, execution)
    await kill(execution.supervisor)
    os.killpg(wrapper.pid, signal.SIGKILL)
    Path(home.run(execution.id).attempt("run", 1).started).unlink()
    await runtime.store.write(lambda c: c.execute("UPDATE attempts SET pid_boot = 'the boot before'"))
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.reason) == ("lost", "host restarted")
    assert (tmp_path / "done").read_text() == "x\n"


async def test_a_damaged_plan_is_never_run_and_its_copy_mends_it(
    runtime: Runtime, run: Run, home: Home, tmp_path: Path
) -> None:
    """A flipped bit in the database must not change what runs, nor be made good by the next checksum."""
    go = tmp_path / "go"
    waiting = await run("sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done; exit 5")
    execution = await runtime.get(waiting.execution.number)
    await kill(execution.supervisor)
    sound = Path(home.run(execution.id).plan).read_bytes()
    damaged = sound.replace(b"exit 5", b"exit 6")
    await runtime.store.write(lambda c: c.execute("UPDATE payloads SET plan = ?", (damaged,)))
    await runtime.reconcile()
    go.touch()
    settled = await runtime.wait(execution.number, BOUND)
    assert settled.settled is not None
    assert settled.settled.exit_code == 5
    assert (await runtime.details(settled)).plan == sound


async def test_a_plan_damaged_with_its_copy_runs_nothing_and_stays_damaged(
    runtime: Runtime, run: Run, home: Home
) -> None:
    execution = await runtime.get((await run("sleep", "300")).execution.number)
    await kill(execution.supervisor)
    await runtime.store.write(lambda c: c.execute("UPDATE payloads SET plan = CAST('{}' AS BLOB)"))
    Path(home.run(execution.id).plan).write_bytes(b"{}")
    settled = await runtime.wait(execution.number, BOUND)
    assert settled.status == "lost"
    with pytest.raises(StoreDamaged):
        await runtime.details(settled)


async def test_an_empty_start_is_no_verdict_while_somebody_carries_the_marker(
    runtime: Runtime, run: Run, home: Home, tmp_path: Path
) -> None:
    """The wrapper has made the file and is held up before it writes its pid: it is not dead."""
    go = tmp_path / "go"
    execution = await runtime.get((await run("sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done")).execution.number)
    await kill(execution.supervisor)
    await wrapper_of(home, execution)
    started = Path(home.run(execution.id).attempt("run", 1).started)
    content = started.read_text()
    started.write_text("")
    os.utime(started, (0, 0))
    assert await runtime.reconcile() == 1
    execution = await runtime.get(execution.number)
    assert execution.status == "running"
    started.write_text(content)
    go.touch()
    assert (await runtime.wait(execution.number, BOUND)).status == "completed"


@pytest.mark.parametrize("handle", ["1" * 5000, "٣", "#", "", "0", "-1", "#1#", "x" * 36, "not-a-uuid"])
async def test_a_handle_that_is_none_is_not_found(runtime: Runtime, handle: str) -> None:
    with pytest.raises(NotFound):
        await runtime.get(handle)


async def test_a_lost_directory_is_lost_also_for_the_second_supervisor(
    runtime: Runtime, run: Run, home: Home, tmp_path: Path
) -> None:
    """The first one that found the directory gone died before it could say so: nothing may start then either."""
    starts = tmp_path / "starts"
    execution = await runtime.get((await run("sh", "-c", f"echo >> {starts}")).execution.number)
    wrapper = await wrapper_of(home, execution)
    assert execution.supervisor is not None
    execution.supervisor.signal(CLOCK.boot_id(), signal.SIGSTOP)
    assert await anyio.to_thread.run_sync(await_end, wrapper, CLOCK.boot_id(), BOUND)
    await kill(execution.supervisor)
    if (await runtime.store.read(lambda c: supervision.look(c, execution.id)) or execution).status != "running":
        pytest.skip("it was faster than the signal")
    Path(home.run(execution.id).path).rename(tmp_path / "moved")
    Path(home.run(execution.id).path).mkdir()
    launcher = await anyio.to_thread.run_sync(runtime.library.launcher)
    await anyio.to_thread.run_sync(launcher.spawn, home.run(execution.id), None)
    await until(lambda: Path(home.run(execution.id).outcome).exists())
    await kill(run_lock_holder(home.run(execution.id).run_lock))
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.reason) == ("lost", "its run directory is gone")
    assert starts.read_text() == "\n"


async def test_a_deleted_execution_leaves_no_files_that_a_restore_could_bring_back(
    runtime: Runtime, run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlast.runtime.logbooks.EXIT_PATIENCE", 0.0)
    execution = await runtime.wait((await run("true")).execution.number, BOUND)
    directory = Path(home.run(execution.id).path)
    await until(lambda: not run_lock_held(home.run(execution.id).run_lock))
    lock = RunLock.acquire(home.run(execution.id).run_lock)
    assert lock is not None
    assert await runtime.seal(execution)
    assert directory.exists(), "its supervisor still exits"
    with pytest.raises(Conflict, match="still being moved"):
        await runtime.delete(execution.number)
    lock.release()
    assert await runtime.delete(execution.number) == execution.id
    assert not directory.exists()


@pytest.mark.parametrize(
    "replace",
    ['mkfifo "$OUTLAST_EVENTS"', 'ln -s /etc/passwd "$OUTLAST_EVENTS"', 'mkdir "$OUTLAST_EVENTS"'],
    ids=["fifo", "link", "directory"],
)
async def test_a_child_that_replaces_a_spool_harms_no_log(
    runtime: Runtime, run: Run, tmp_path: Path, text_of: Text, replace: str
) -> None:
    go, replaced = tmp_path / "go", tmp_path / "replaced"
    wait = f"until [ -e {go} ]; do sleep 0.02; done"
    script = f'echo x >> "$OUTLAST_EVENTS"; echo one; {wait}; rm "$OUTLAST_EVENTS"; {replace}; touch {replaced}'
    started = await run("sh", "-c", f"{script}; rm {go}; {wait}; echo two")
    number = started.execution.number
    other = await run("echo", "other")

    async def printed(count: int) -> bool:
        return (await runtime.log_count(await runtime.get(number))).lines == count

    with anyio.fail_after(BOUND):
        await until(lambda: printed(2))
        go.touch()
        await until(replaced.exists)
        assert await text_of(await runtime.get(number)) in (["x", "one"], ["one", "x"], ["one"])
        await kill((await runtime.get(number)).supervisor)
        assert (await runtime.get(number)).status == "running"
        assert await text_of(await runtime.wait(other.execution.number, BOUND)) == ["other"]
        await until(lambda: not go.exists())
        go.touch()
        execution = await runtime.wait(number, BOUND)
        assert execution.status == "completed"
        assert await runtime.seal(execution)
        assert await text_of(await runtime.get(number)) == ["one", "two"]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A file, and a process that has nothing to do with any execution and holds it open for writing."""
    path = tmp_path / "held"
    with path.open("w") as file, subprocess.Popen(["sleep", "300"], stdout=file) as bystander:
        yield path, bystander
        bystander.kill()


async def test_a_link_in_the_place_of_a_spool_leads_no_cancel_to_others(
    runtime: Runtime, run: Run, tmp_path: Path, held: tuple[Path, subprocess.Popen[bytes]]
) -> None:
    path, bystander = held
    ready = tmp_path / "ready"
    started = await run("sh", "-c", f'ln -sf {path} "$OUTLAST_EVENTS"; touch {ready}; sleep 300')
    await until(ready.exists)
    await runtime.cancel(started.execution.number, "a test")
    assert (await runtime.wait(started.execution.number, BOUND)).status == "cancelled"
    assert bystander.poll() is None
