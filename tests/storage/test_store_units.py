"""The store's units of work: whole or not at all, whoever stops waiting; nobody waits for what is not theirs."""

import asyncio
import random
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from store_work import PATIENCE, Gate, create, open_transaction

from outlast.kernel import executions
from outlast.kernel.database import Connection
from outlast.kernel.errors import StoreError
from outlast.kernel.home import Home
from outlast.kernel.plan import Plan
from outlast.storage import history, reading
from outlast.storage.maintenance import check
from outlast.storage.store import Store, open_store
from stored import Hands, hands_on, plan_of, processes


@pytest.mark.requirement("S1-11")
async def test_what_was_written_is_read_back_by_this_store_and_the_next(home: Home) -> None:
    async with open_store(home) as store:
        created = await create(store, plan_of())
        before = await store.read(lambda c: reading.execution(c, created.number))
        assert before.id == created.id
    async with open_store(home) as store:
        assert await store.read(lambda c: reading.execution(c, created.number)) == before


async def test_who_stops_waiting_cuts_nothing_in_half(store: Store, home: Home) -> None:
    gate = Gate(plan_of(), home)
    async with anyio.create_task_group() as group:
        group.start_soon(store.write, gate)
        await gate.entered()
        group.cancel_scope.cancel()
    gate.let_go()
    assert not await open_transaction(store)
    assert (await store.read(lambda c: reading.execution(c, 1))).number == 1
    assert (await create(store, plan_of())).number == 2


async def test_a_unit_whose_caller_left_before_its_turn_is_a_whole_too(store: Store, home: Home) -> None:
    gate = Gate(plan_of(), home)
    first = asyncio.ensure_future(store.write(gate))
    await gate.entered()
    second = asyncio.ensure_future(create(store, plan_of()))
    third = asyncio.ensure_future(create(store, plan_of()))
    await anyio.lowlevel.checkpoint()
    second.cancel()
    await asyncio.wait([second])
    gate.let_go()
    with anyio.fail_after(PATIENCE):
        assert (await first).number == 1
        assert (await third).number == 3
    assert second.cancelled()
    assert (await check(store)).problems == ()
    assert not await open_transaction(store)


@pytest.mark.requirement("S1-11")
async def test_cancelling_at_any_moment_leaves_no_half_and_no_open_transaction(store: Store, home: Home) -> None:
    chance = random.Random(11)
    acknowledged: list[int] = []

    async def work(plan: Plan) -> None:
        acknowledged.append((await create(store, plan)).number)
        await store.read(lambda c: history.page(c, history.Filter()))
        await store.write(lambda c: executions.cancel(c, acknowledged[-1], "ada", plan.created_at + 1))

    for round_ in range(100):
        async with anyio.create_task_group() as group:
            for each in range(3):
                group.start_soon(work, plan_of(idempotency_key=f"{round_}/{each}"))
            await anyio.sleep(chance.uniform(0, 0.008))  # not for anything: any moment will do
            group.cancel_scope.cancel()
        # Asked on the same thread: what was cancelled is done by then.
        assert not await open_transaction(store)
    assert (await check(store)).problems == ()

    def look(connection: Connection) -> tuple[set[int], int, int]:
        numbers = {number for (number,) in connection.execute("SELECT number FROM executions")}
        (payloads,) = connection.execute("SELECT count(*) FROM payloads").fetchone()
        (created,) = connection.execute("SELECT count(*) FROM events WHERE kind = 'created'").fetchone()
        return numbers, payloads, created

    numbers, payloads, created = await store.read(look)
    assert set(acknowledged) <= numbers
    assert len(numbers) == payloads == created
    assert 0 < len(acknowledged) < 300, "some were cancelled before, some after"
    assert (await create(store, plan_of())).number == max(numbers) + 1


async def test_an_error_in_a_rule_reaches_its_caller_and_nobody_else(store: Store) -> None:
    def wrong(connection: Connection) -> None:
        executions.create(connection, store.home, plan_of(), 1)
        connection.execute("SELECT nowhere")

    with pytest.raises(StoreError, match="no such column: nowhere"):
        await store.write(wrong)
    with pytest.raises(ZeroDivisionError):
        await store.read(lambda c: 1 // 0)
    assert not await open_transaction(store)
    assert await store.read(reading.live) == ()
    assert (await create(store, plan_of())).number in (1, 2)


async def test_nobody_waits_for_a_long_scan(store: Store) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def scan(connection: Connection) -> int:
        before = len(reading.live(connection))
        entered.set()
        assert go_on.wait(PATIENCE)
        assert len(reading.live(connection)) == before, "a scan sees one state"
        return before

    async with anyio.create_task_group() as group:
        group.start_soon(store.scan, scan)
        assert await anyio.to_thread.run_sync(entered.wait, PATIENCE)
        with anyio.fail_after(PATIENCE):
            seen = await store.data_version()
            assert (await create(store, plan_of())).number == 1
            assert len(await store.read(reading.live)) == 1
            assert await store.browse(lambda c: reading.execution(c, 1).number) == 1
            assert await store.data_version() != seen
        go_on.set()


async def test_reads_do_not_wait_for_whoever_writes(store: Store, home: Home) -> None:
    gate = Gate(plan_of(), home)
    assert await store.read(reading.live) == ()
    async with anyio.create_task_group() as group:
        group.start_soon(store.write, gate)
        await gate.entered()
        with anyio.fail_after(PATIENCE):
            assert await store.read(reading.live) == ()
            await store.data_version()
        gate.let_go()
    assert len(await store.read(reading.live)) == 1


async def test_the_data_version_tells_of_every_commit_whoever_made_it(store: Store, home: Home) -> None:
    with hands_on(home) as others:
        seen = [await store.data_version()]
        assert await store.data_version() == seen[-1]
        await create(store, plan_of())
        seen.append(await store.data_version())
        others.create()
        seen.append(await store.data_version())
        await store.read(reading.live)
        await store.scan(reading.live)
        assert await store.data_version() == seen[-1]
        assert len(set(seen)) == 3


async def test_idle_holds_the_writes_of_this_process_back(home: Home) -> None:
    with hands_on(home) as others:
        async with open_store(home) as store:
            await create(store, plan_of())
            with store.lock_idle():
                waiting = asyncio.ensure_future(create(store, plan_of()))
                assert others.create().number == 2
                assert len(await store.read(reading.live)) == 2
                assert not waiting.done()
            with anyio.fail_after(PATIENCE):
                assert (await waiting).number == 3


@pytest.mark.requirement("X2")
def test_twenty_processes_that_open_write_read_and_close_hear_of_no_locked_database(home: Home) -> None:
    code = """
import anyio
from outlast.kernel import executions
from outlast.storage import reading
from outlast.storage.store import open_store
from stored import plan_of

async def main():
    for _ in range(5):
        async with open_store(home) as store:
            plan = plan_of()
            created = await store.write(lambda c: executions.create(c, home, plan, plan.created_at))
            await store.read(lambda c: reading.execution(c, created.number))
            await store.write(lambda c: executions.cancel(c, created.number, "ada", plan.created_at))
            await store.scan(reading.unsealed)
            say(created.number)

say("ready")
hear()
anyio.run(main)
"""
    with processes(code, 20) as users:
        for process in users:
            assert process.says() == "ready"
        for process in users:
            process.hears()
        numbers = [int(line) for process in users for line in process.ends()]
    assert sorted(numbers) == list(range(1, 101))
    with hands_on(home) as hands:
        assert sorted(hands.statuses()) == sorted(numbers)
        assert hands.rows("PRAGMA integrity_check") == [("ok",)]
        assert hands.rows("SELECT count(*) FROM events WHERE kind = 'created'") == [(100,)]


def test_the_wal_stays_bounded(hands: Hands) -> None:
    largest = 0
    for _ in range(200):
        hands.create()
        largest = max(largest, Path(hands.home.database + "-wal").stat().st_size)
    # A checkpoint every 1000 pages of 4 KiB, and one transaction more.
    assert largest < 1100 * 4200
