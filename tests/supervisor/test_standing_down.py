"""A supervisor that may not write any more goes; its child stays and is followed by the next one."""

import fcntl
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import anyio
import pytest

from children import wrapper_of
from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.process import await_end
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, open_runtime
from outlast.runtime.starting import StartRequest
from waiting import BOUND, until

CLOCK = Clock()


@pytest.fixture
async def runtime(home: Home) -> AsyncIterator[Runtime]:
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
        yield runtime


def set_version(home: Home, version: int) -> int:
    """Make the database look as if another version had migrated it; what it was."""
    connection = sqlite3.connect(home.database, timeout=BOUND)
    (before,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    return before


async def test_an_older_supervisor_leaves_a_migrated_store_alone(runtime: Runtime, home: Home, tmp_path: Path) -> None:
    go = tmp_path / "go"
    params = {"argv": ["sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done; exit 8"]}
    execution = (await runtime.execute(StartRequest(workflow_id="command", params=params))).execution
    supervisor = execution.supervisor
    assert supervisor is not None
    before = await anyio.to_thread.run_sync(set_version, home, 9999)
    go.touch()
    assert await anyio.to_thread.run_sync(await_end, supervisor, CLOCK.boot_id(), BOUND)
    await anyio.to_thread.run_sync(set_version, home, before)
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code) == ("failed", 8)


async def test_a_supervisor_outlasts_a_store_that_is_held_by_somebody_else(runtime: Runtime, tmp_path: Path) -> None:
    """Marks and the child go on; what it has to say waits for the lock."""
    ready = tmp_path / "ready"
    go = tmp_path / "go"
    params = {"argv": ["sh", "-c", f"echo > {ready}; until [ -e {go} ]; do sleep 0.02; done; seq 1 100; exit 2"]}
    execution = (await runtime.execute(StartRequest(workflow_id="command", params=params))).execution
    await until(ready.exists)
    exitcode = Path(runtime.options.home.run(execution.id).attempt("run", 1).exitcode)
    with runtime.store.lock_idle():
        held = await anyio.to_thread.run_sync(hold_store_lock, runtime.options.home)
    go.touch()
    await until(exitcode.exists)
    assert (await runtime.get(execution.number)).status == "running"
    held.close()
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert state.exit_code == 2
    assert (await runtime.log_count(await runtime.get(execution.number))).lines == 100


def hold_store_lock(home: Home) -> BinaryIO:
    file = Path(home.store_lock).open("r+b")  # noqa: SIM115 (the caller closes it, which releases the lock)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


async def test_a_verdict_left_behind_is_the_verdict(runtime: Runtime, home: Home) -> None:
    """The supervisor was cancelling when it died with the tree gone: the next one says the same."""
    params = {"argv": ["sleep", "300"]}
    execution = (await runtime.execute(StartRequest(workflow_id="command", params=params))).execution
    run = home.run(execution.id)
    assert execution.supervisor is not None
    execution.supervisor.signal(CLOCK.boot_id(), signal.SIGSTOP)
    Path(run.outcome).write_text(
        '{"status": "cancelled", "reason": "cancelled by a test", "exit_code": 143, "signal": 15, "signal_certain": 0}'
    )
    leader = (await wrapper_of(home, execution)).pid
    execution.supervisor.signal(CLOCK.boot_id(), signal.SIGKILL)
    assert await anyio.to_thread.run_sync(await_end, execution.supervisor, CLOCK.boot_id(), BOUND)
    os.killpg(leader, signal.SIGKILL)
    state = (await runtime.wait(execution.number, BOUND)).settled
    assert state is not None
    assert (state.status, state.exit_code, state.reason) == ("cancelled", 143, "cancelled by a test")
