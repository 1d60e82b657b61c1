"""A write is one transaction, all of it durable or none of it there; what goes wrong is said and passes."""

import os
import shutil
import sqlite3

import pytest

from outlast.kernel.database import Connection, data_version
from outlast.kernel.errors import StoreBusy, StoreDamaged, StoreFull, StoreTooNew, StoreUnreachable
from outlast.kernel.home import Home
from outlast.kernel.migrating import SCHEMA_VERSION
from outlast.kernel.status import ExecutionStatus
from stored import Hands, hands_on, plan_of, processes


def test_a_rule_that_fails_half_way_has_changed_nothing(hands: Hands) -> None:
    hands.create()

    def half(connection: Connection) -> None:
        connection.execute("UPDATE executions SET priority = 7")
        raise KeyError("half way")

    with pytest.raises(KeyError):
        hands.write(half)
    assert not hands.connection.in_transaction
    assert hands.row(1)["priority"] == 0
    assert hands.create().number == 2


def test_what_breaks_the_schema_is_an_error_of_ours_and_changes_nothing(hands: Hands) -> None:
    hands.create()
    with pytest.raises(sqlite3.IntegrityError):
        hands.write(lambda c: c.execute("UPDATE executions SET status = 'gone'"))
    assert hands.statuses() == {1: "pending"}


def test_what_was_acknowledged_is_there_after_the_writer_is_killed(home: Home) -> None:
    code = """
from stored import Hands
hands = Hands(home)
while True:
    say(hands.create().number)
"""
    with processes(code) as (writer,):
        acknowledged = [int(writer.says()) for _ in range(20)]
        writer.process.kill()
        acknowledged += [int(line) for line in writer.process.communicate(timeout=30)[0].splitlines()]
    with hands_on(home) as hands:
        stored = sorted(hands.statuses())
        assert stored[: len(acknowledged)] == acknowledged
        assert len(stored) <= len(acknowledged) + 1
        assert hands.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.requirement("S3-4")
def test_an_old_writer_notices_the_newer_schema_in_the_middle_of_its_life(hands: Hands) -> None:
    number = hands.create().number
    with sqlite3.connect(hands.home.database) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(StoreTooNew):
        hands.create()
    assert not hands.connection.in_transaction
    assert hands.statuses() == {number: "pending"}
    assert hands.look(number).status is ExecutionStatus.PENDING


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_nothing_is_written_to_a_file_that_is_no_longer_the_database(hands: Hands, replaced: bool) -> None:
    number = hands.create().number
    database = hands.home.database
    aside = database + ".aside"
    os.rename(database, aside)
    if replaced:
        shutil.copy(aside, database)
    info, wal = os.stat(aside), os.path.getsize(database + "-wal")
    with pytest.raises(StoreUnreachable, match="no longer the file that was opened; nothing was written"):
        hands.create()
    assert os.stat(aside).st_mtime_ns == info.st_mtime_ns
    assert os.path.getsize(database + "-wal") == wal
    # The same file in its place again: nothing was lost, and nothing needs to be opened again.
    os.rename(aside, database)
    assert hands.create().number == number + 1
    assert hands.statuses() == {number: "pending", number + 1: "pending"}


def test_a_full_disk_is_said_nothing_is_acknowledged_and_it_passes(hands: Hands) -> None:
    hands.create()
    (pages,) = hands.connection.execute("PRAGMA page_count").fetchone()
    assert hands.rows(f"PRAGMA max_page_count = {pages + 4}") == [(pages + 4,)]
    acknowledged = [1]

    def fill() -> None:
        for _ in range(100):
            number = hands.create(plan_of(at=hands.tick(), params={"text": "x" * 2000})).number
            acknowledged.append(number)

    with pytest.raises(StoreFull) as caught:
        fill()
    assert caught.value.code == "store_full"
    assert caught.value.next == "free some disk space, then try again"
    assert sorted(hands.statuses()) == acknowledged
    assert hands.rows("SELECT count(*) FROM payloads") == [(len(acknowledged),)]
    assert hands.rows("SELECT count(*) FROM events") == [(len(acknowledged),)]
    with pytest.raises(StoreFull):
        hands.create(plan_of(at=hands.tick(), params={"text": "x" * 60_000}))
    hands.connection.execute("PRAGMA max_page_count = 1073741823")
    number = hands.create(plan_of(at=hands.tick(), params={"text": "x" * 60_000})).number
    assert sorted(hands.statuses()) == [*acknowledged, number]
    assert hands.rows("PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_may_not_grow_is_a_full_disk(home: Home) -> None:
    """The kernel says no in the middle of SQLite's write, not SQLite by itself."""
    code = """
import resource
from outlast.kernel.errors import StoreFull, StoreError
from stored import Hands
hands = Hands(home)
hands.create()
size = os.path.getsize(home.database + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 6000, resource.RLIM_INFINITY))
last = 1
try:
    while last < 100:
        last = hands.create().number
except StoreError as error:
    say(error.code)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
say(sorted(hands.statuses()) == list(range(1, last + 1)))
say(hands.create().number > last)
say(hands.rows("PRAGMA integrity_check"))
hands.close()
"""
    with processes(code) as (process,):
        said = process.ends()
    assert said[0] in ("store_full", "store_error")
    assert said[1:] == ["True", "True", "[('ok',)]"]


def test_a_full_disk_beside_the_database_is_a_full_store(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    hands.create()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StoreFull):
            hands.create()
    assert sorted(hands.statuses()) == [1]
    assert hands.create().number == 2


def test_a_wait_for_another_writer_has_an_end(home: Home) -> None:
    with hands_on(home) as one, hands_on(home, lock_timeout=0.05) as other:
        with one.database.lock.held(5), pytest.raises(StoreBusy, match=str(os.getpid())):
            other.create()
        assert other.create().number == 1


def test_readers_see_one_state_and_never_wait(home: Home) -> None:
    with hands_on(home) as writer, hands_on(home) as reader:
        writer.create()

        def twice(connection: Connection) -> tuple[int, int]:
            count = "SELECT count(*) FROM executions"
            (before,) = connection.execute(count).fetchone()
            writer.create()
            with writer.database.lock.held(5):
                (after,) = connection.execute(count).fetchone()
            return before, after

        assert reader.read(twice) == (1, 1)
        assert reader.rows("SELECT count(*) FROM executions") == [(2,)]


def test_a_reader_knows_when_anybody_else_has_written(home: Home) -> None:
    with hands_on(home) as writer, hands_on(home) as reader:
        seen = data_version(reader.connection)
        assert data_version(reader.connection) == seen
        writer.create()
        assert data_version(reader.connection) != seen
        seen = data_version(reader.connection)
        reader.read(lambda c: c.execute("SELECT count(*) FROM executions").fetchone())
        assert data_version(reader.connection) == seen


def test_a_broken_page_is_damage_in_words(home: Home) -> None:
    with hands_on(home) as hands:
        for _ in range(5):
            hands.create()
        (page,) = hands.connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'executions'").fetchone()
        (size,) = hands.connection.execute("PRAGMA page_size").fetchone()
    with open(home.database, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with hands_on(home) as hands:
        with pytest.raises(StoreDamaged, match="malformed"):
            hands.read(lambda c: c.execute("SELECT * FROM executions").fetchall())
        with pytest.raises(StoreDamaged):
            hands.create()
        assert not hands.connection.in_transaction
