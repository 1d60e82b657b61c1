"""Opening and closing the store: nothing stays behind, whoever is cancelled and whatever is still to do."""

import asyncio

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from store_work import PATIENCE, Gate, connection_threads, create, descriptors, threads_have_ended

from outlast.kernel.database import Database
from outlast.kernel.errors import StoreBusy, StoreError, StoreUnreachable
from outlast.kernel.home import Home
from outlast.storage import reading
from outlast.storage.store import Store, open_store
from stored import hands_on, plan_of


@pytest.fixture(autouse=True)
async def no_threads_but_this_tests() -> None:
    """A thread lives for a moment after its connection is closed, also those of the tests before."""
    assert await threads_have_ended()


async def test_cancelled_while_opening_it_leaves_no_connection_and_no_thread(home: Home) -> None:
    with hands_on(home) as hands:
        own = descriptors(home.database + "-wal")
        store = Store(Database(home))
        with hands.database.lock.held(5):
            for _ in range(3):
                # Cancelled as an ending event loop does it: no shield of anyio's keeps that off.
                asked = asyncio.ensure_future(store.read(reading.live))
                while not connection_threads():
                    await anyio.lowlevel.checkpoint()
                asked.cancel()
                await asyncio.wait([asked])
                assert asked.cancelled()
        assert await threads_have_ended()
        assert descriptors(home.database + "-wal") == own
        assert await store.read(reading.live) == ()
        await store.close()
        assert descriptors(home.database + "-wal") == own


async def test_an_opening_that_outlives_its_event_loop_is_closed_all_the_same(home: Home) -> None:
    def open_in_vain() -> None:
        """As a command does that is interrupted while somebody else has the store."""

        async def ask() -> None:
            asked = asyncio.ensure_future(Store(Database(home)).read(reading.live))
            while not connection_threads():
                await anyio.lowlevel.checkpoint()
            asked.cancel()
            await asyncio.wait([asked])

        asyncio.run(ask())

    with hands_on(home) as hands:
        own = descriptors(home.database + "-wal")
        with hands.database.lock.held(5):
            await anyio.to_thread.run_sync(open_in_vain)
            assert len(connection_threads()) == 1
        assert await threads_have_ended()
        assert descriptors(home.database + "-wal") == own


async def test_a_failed_opening_that_outlives_its_event_loop_ends_without_a_word(home: Home) -> None:
    await anyio.Path(home.database).write_bytes(b"no database" * 100)

    def open_in_vain() -> None:
        with pytest.raises(StoreError):
            asyncio.run(Store(Database(home)).data_version())

    for _ in range(20):  # the thread's last answer and the loop's end race
        await anyio.to_thread.run_sync(open_in_vain)
    assert await threads_have_ended()


async def test_a_failed_opening_can_be_tried_again(home: Home) -> None:
    store = Store(Database(home))
    await anyio.Path(home.database).write_bytes(b"no database" * 100)
    for _ in range(2):
        with pytest.raises(StoreError):
            await store.read(reading.live)
    await anyio.Path(home.database).unlink()
    assert await store.read(reading.live) == ()
    await store.close()
    assert await threads_have_ended()


async def test_closing_waits_for_the_work_that_was_asked_for(home: Home) -> None:
    async with open_store(home) as store:
        gate = Gate(plan_of(), home)
        async with anyio.create_task_group() as group:
            group.start_soon(store.write, gate)
            await gate.entered()
            queued = [asyncio.ensure_future(create(store, plan_of())) for _ in range(5)]
            await anyio.lowlevel.checkpoint()
            group.start_soon(store.close)
            await anyio.lowlevel.checkpoint()
            gate.let_go()
            with anyio.fail_after(PATIENCE):
                assert sorted([(await each).number for each in queued]) == [2, 3, 4, 5, 6]
    assert await threads_have_ended()
    with hands_on(home) as hands:
        assert len(hands.statuses()) == 6


async def test_a_closed_store_says_so(home: Home) -> None:
    async with open_store(home) as store:
        await create(store, plan_of())
    for again in (lambda: create(store, plan_of()), lambda: store.read(reading.live), store.data_version):
        with pytest.raises(StoreUnreachable, match="closed"):
            await again()
    await store.close()
    assert await threads_have_ended()


async def test_a_busy_lock_keeps_no_thread_alive_when_the_store_is_closed(home: Home) -> None:
    store = Store(Database(home, lock_timeout=0.05))
    await create(store, plan_of())
    await store.read(reading.live)
    await store.scan(reading.live)
    own = descriptors(home.database + "-wal")
    with hands_on(home) as others:
        with others.database.lock.held(5), pytest.raises(StoreBusy):
            await store.close()
        assert await threads_have_ended()
        assert 0 < descriptors(home.database + "-wal") < own
        assert others.create().number == 2


async def test_cancelling_the_owner_closes_the_store(home: Home) -> None:
    with anyio.CancelScope() as scope:
        async with open_store(home) as store:
            await create(store, plan_of())
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert await threads_have_ended()
    assert descriptors(home.database + "-wal") == 0
