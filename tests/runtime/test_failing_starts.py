"""A start that fails at any of its steps: the answer starts nothing, or names what it started (I4)."""

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager

import anyio.to_thread
import pytest

from outlast.kernel import faults
from outlast.kernel.errors import OutlastError, StoreError, StoreFull
from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.ids import new_id
from outlast.runtime import starting
from outlast.runtime.runtime import Runtime
from outlast.runtime.starting import StartRequest, occupied_directory
from outlast.storage.logs.sealer import take_lock


@contextmanager
def failing(point: str, number: int) -> Generator[None]:
    """Every passing of a point fails with this errno."""

    def refuse(name: str) -> None:
        if name == point:
            raise OSError(number, os.strerror(number))

    faults.listen(refuse)
    try:
        yield
    finally:
        faults.listen(None)


async def start(runtime: Runtime) -> str:
    return (await runtime.execute(StartRequest(workflow_id="command", params={"argv": ["true"]}))).execution.id


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreError)], ids=["full disk", "failing disk"]
)
@pytest.mark.parametrize("point", ["start.prepared", "store.locked", "store.written"])
async def test_what_fails_before_the_row_leaves_nothing(
    runtime: Runtime, home: Home, point: str, number: int, kind: type[OutlastError]
) -> None:
    with failing(point, number), pytest.raises(kind) as caught:
        await start(runtime)
    assert caught.value.handle_id is None
    assert caught.value.next is not None
    assert os.listdir(home.runs) == []
    assert (await runtime.wait(await start(runtime), 30)).state.status == "completed"


async def test_an_error_after_the_row_is_durable_names_the_execution_and_it_runs(runtime: Runtime) -> None:
    with failing("store.committed", errno.EIO), pytest.raises(StoreError) as caught:
        await start(runtime)
    assert caught.value.handle_id is not None
    assert (await runtime.wait(caught.value.handle_id, 30)).state.status == "completed"


@pytest.mark.parametrize("point", ["start.recorded", "start.noted"])
async def test_what_goes_wrong_once_it_exists_is_no_error_of_the_start(runtime: Runtime, point: str) -> None:
    with failing(point, errno.EIO):
        handle = await start(runtime)
    assert (await runtime.wait(handle, 30)).state.status == "completed"


@pytest.mark.parametrize("held", [True, False])
async def test_a_run_directory_that_never_got_its_row_goes_unless_somebody_is_making_it(
    runtime: Runtime, home: Home, held: bool
) -> None:
    run = home.run(new_id(0))
    lock = await anyio.to_thread.run_sync(occupied_directory, run)
    os.utime(run.path, (0, 0))  # or the clock was set meanwhile
    try:
        if not held:
            os.close(lock)
        await runtime.seal_all()
        assert os.path.exists(run.path) is held
    finally:
        if held:
            os.close(lock)


def test_a_run_directory_that_is_cleared_away_while_it_is_made_is_made_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = home.run(new_id(0))
    locks: list[int] = []

    def clear_first(run: RunDirectory) -> int | None:
        lock = take_lock(run)
        if not locks and lock is not None:
            shutil.rmtree(run.path)
            locks.append(lock)
        return lock

    monkeypatch.setattr(starting, "take_lock", clear_first)
    lock = occupied_directory(run)
    try:
        assert os.path.samestat(os.fstat(lock), os.stat(run.seal_lock))
        assert take_lock(run) is None
    finally:
        os.close(lock)
