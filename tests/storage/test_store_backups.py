"""The database copied while it is in use, and checked for what cannot be seen."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from store_work import create

from outlast.kernel import backups, executions
from outlast.kernel.database import Connection, Database, StoreConnection
from outlast.kernel.errors import InvalidInput, NotFound, OutlastError, StoreUnreachable
from outlast.kernel.home import Home
from outlast.storage import maintenance, reading
from outlast.storage.history import Filter, page
from outlast.storage.maintenance import backup, check, examine, restore
from outlast.storage.store import Store, open_store
from stored import Hands, plan_of, processes


@contextmanager
def opened(path: str | Path) -> Generator[Connection]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        yield connection


def numbers_in(path: str | Path) -> list[int]:
    with opened(path) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM executions ORDER BY 1")]


@pytest.mark.requirement("S3-14")
async def test_a_backup_taken_while_others_write_is_whole_and_holds_all_that_was_acknowledged(
    home: Home, store: Store
) -> None:
    code = """
from stored import Hands, plan_of
hands = Hands(home)
say("ready")
hear()
while True:
    hands.now += os.getpid()
    say(hands.run(plan=plan_of(at=hands.tick(), params={"text": "x" * 3000})))
"""
    with processes(code, 2) as writers:
        for process in writers:
            assert process.says() == "ready"
        for process in writers:
            process.hears()
        for _ in range(4):
            acknowledged = [int(process.says()) for process in writers]
            path = await backup(store, None)

            def look(path: Path = path) -> tuple[tuple[str, ...], list[int]]:
                with opened(path) as connection:
                    return examine(connection).problems, numbers_in(path)

            problems, numbers = await anyio.to_thread.run_sync(look)
            assert problems == ()
            assert set(acknowledged) <= set(numbers)
            assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.requirement("S3-18")
async def test_of_the_backups_the_newest_stay(store: Store, home: Home) -> None:
    made = [await backup(store, None, kept=3) for _ in range(5)]
    assert await anyio.to_thread.run_sync(backups.listed, home, "manual") == [path.name for path in made[2:]]
    assert made[-1].parent == Path(home.backups)
    made.append(await backup(store, None))
    assert len(backups.listed(home, "manual")) == 4
    for _ in range(backups.KEPT):
        await backup(store, None)
    assert len(backups.listed(home, "manual")) == backups.KEPT
    assert sorted(os.listdir(home.backups)) == backups.listed(home, "manual"), "nothing half-made is left"


async def test_a_backup_is_one_private_file_at_the_place_that_was_asked_for(store: Store, home: Home) -> None:
    place = Path(home.root) / "mine %20?#.db"
    assert await backup(store, place) == place
    assert place.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in Path(home.root).glob("mine*")) == [place.name]
    with pytest.raises(InvalidInput, match="exists already"):
        await backup(store, place)
    with pytest.raises(InvalidInput, match="no such folder does not exist"):
        await backup(store, Path(home.root) / "no such folder" / "x.db")
    assert (await restore(store, place)).executions == 0


async def test_a_backup_without_room_leaves_no_half(store: Store, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutlastError) as caught:
            await backup(store, None)
    assert caught.value.code == "store_full"
    assert os.listdir(home.backups) == []
    assert (await backup(store, None)).exists()


async def test_a_killed_backup_is_in_nobody_s_way(store: Store, home: Home) -> None:
    code = """
from outlast.kernel import backups, faults
from stored import Hands
faults.listen(lambda name: name == "backup.copied" and os.kill(os.getpid(), 9))
hands = Hands(home)
place = hear()
if place:
    backups.copy(hands.connection, place)
else:
    backups.take(hands.connection, home, "manual")
"""
    place = f"{home.root}/copy.db"
    with processes(code, 2) as killed:
        for process, where in zip(killed, (place, ""), strict=True):
            process.hears(where)
            assert process.says() == ""
    assert [name.endswith(".tmp") for name in os.listdir(home.backups)] == [True]
    assert (await backup(store, Path(place))).exists()
    made = await backup(store, None)
    assert os.listdir(home.backups) == [made.name]


@pytest.mark.requirement("S3-14")
async def test_the_check_of_a_sound_database_says_nothing_and_what_it_looked_at(store: Store) -> None:
    plan = plan_of(params={"rows": 1})
    await store.write(lambda c: executions.create(c, store.home, plan, plan.created_at))
    assert await check(store) == maintenance.Report((), sqlite3.sqlite_version, 1)


@pytest.mark.requirement("S3-14")
async def test_a_flipped_bit_is_reported_and_costs_one_execution_alone(store: Store) -> None:
    for number in (1, 2):
        plan = plan_of(params={"rows": number})
        await store.write(lambda c, plan=plan: executions.create(c, store.home, plan, plan.created_at))

    def flip(database: Database, connection: StoreConnection) -> None:
        connection.execute("UPDATE executions SET priority = 1 WHERE number = 1")
        connection.execute("UPDATE params SET value = '9' WHERE execution = 1")
        connection.execute("UPDATE payloads SET output = '{}' WHERE execution = 1")

    await store.maintain(flip)
    assert (await check(store)).problems == (
        "#1: its row in the database is damaged (checksum mismatch); other executions are not affected.",
        "#1: parameter 'rows' is damaged (checksum mismatch)",
        "#1: its payload is damaged (checksum mismatch)",
    )
    with pytest.raises(OutlastError) as caught:
        await store.read(lambda c: reading.execution(c, 1))
    assert caught.value.code == "store_damaged"
    listed = await store.read(lambda c: page(c, Filter()))
    assert ([summary.number for summary in listed.executions], listed.damaged, listed.total) == ([2], (1,), 2)
    with pytest.raises(NotFound):
        await store.read(lambda c: reading.execution(c, 3))


def test_missing_rows_are_reported(hands: Hands) -> None:
    number = hands.run()
    with closing(sqlite3.connect(hands.home.database, isolation_level=None)) as raw:
        raw.execute("DELETE FROM payloads")
        raw.execute("DELETE FROM users")
    problems = hands.read(examine).problems
    assert f"#{number}: its payload is missing" in problems
    assert any(f"row {number} of executions refers to a missing row of users" in problem for problem in problems)


@pytest.mark.requirement("S3-14")
async def test_a_store_that_is_open_goes_on_with_the_database_put_in_its_damaged_one_s_place(
    home: Home, store: Store
) -> None:
    kept = await create(store, plan_of())
    path = await backup(store, None)
    lost = await create(store, plan_of(at=kept.number + 1_700_000_001_000_000))
    version = await store.data_version()
    await anyio.to_thread.run_sync(maintenance.set_aside, home, path)
    with pytest.raises(StoreUnreachable, match="no longer the file"):
        await store.read(lambda c: reading.number_of(c, kept.number))
    async with open_store(home) as other:
        await restore(other, path)
    assert await store.read(lambda c: reading.number_of(c, kept.number)) == kept.number
    with pytest.raises(NotFound):
        await store.read(lambda c: reading.number_of(c, lost.number))
    assert await store.data_version() != version
    assert (await create(store, plan_of(at=1_700_000_002_000_000))).number == lost.number + 1
