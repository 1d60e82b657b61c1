"""Opening a home's database: made when it is missing, private, durable; refused in words when it cannot be."""

import os
import sqlite3
import stat
import time

import pytest

from outlast.kernel.database import Database
from outlast.kernel.errors import StoreBusy, StoreDamaged, StoreTooNew, StoreUnreachable
from outlast.kernel.home import Home
from outlast.kernel.ids import is_id
from outlast.kernel.migrating import SCHEMA_VERSION
from stored import Hands, hands_on, processes

AS_NOBODY = """
from outlast.kernel.database import Database
from outlast.kernel.errors import StoreUnreachable
import outlast.kernel.executions
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    database = Database(home)
    database.connect()
except StoreUnreachable as error:
    say(error.code)
    say(error.next)
"""
"""Root may write everywhere, so the process becomes somebody else."""


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.requirement("S3-4")
@pytest.mark.requirement("S1-11")
def test_a_missing_database_is_created_on_the_newest_schema_within_a_second(home: Home) -> None:
    assert not os.path.exists(home.database)
    before = time.process_time()
    with hands_on(home) as hands:
        assert time.process_time() - before < 1
        assert hands.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]
        assert hands.rows("PRAGMA journal_mode") == [("wal",)]
        assert hands.rows("PRAGMA synchronous") == [(2,)], "FULL"
        assert hands.rows("PRAGMA foreign_keys") == [(1,)]
        assert hands.rows("PRAGMA trusted_schema") == [(0,)]
        assert hands.rows("PRAGMA mmap_size") in ([(0,)], [])
        assert hands.rows("PRAGMA integrity_check") == [("ok",)]
        meta = dict(hands.connection.execute("SELECT key, value FROM meta"))
        assert meta.keys() == {"store_id", "max_running"}
        assert is_id(meta["store_id"])
    assert os.listdir(home.backups) == [], "there was nothing to keep"


def test_the_database_and_what_lies_beside_it_are_their_owners_alone(home: Home) -> None:
    before = os.umask(0)
    try:
        with hands_on(home) as hands:
            hands.create()
            files = [name for name in os.listdir(home.root) if os.path.isfile(f"{home.root}/{name}")]
            assert set(files) >= {"executions.db", "executions.db-wal", "executions.db-shm", "store.lock", "numbers"}
            assert {name: mode(f"{home.root}/{name}") for name in files} == dict.fromkeys(files, 0o600)
    finally:
        os.umask(before)


def test_opening_again_finds_what_was_written(home: Home) -> None:
    with hands_on(home) as hands:
        number = hands.run()
        (store_id,) = hands.rows("SELECT value FROM meta WHERE key = 'store_id'")
        row = hands.row(number)
    with hands_on(home) as hands:
        assert hands.row(number) == row
        assert hands.rows("SELECT value FROM meta WHERE key = 'store_id'") == [store_id]


def test_processes_that_create_it_at_once_get_the_same_database(home: Home) -> None:
    code = """
from stored import Hands
say("ready")
hear()
hands = Hands(home)
say(hands.rows("SELECT value FROM meta WHERE key = 'store_id'")[0][0])
say(hands.create().number)
hands.close()
"""
    with processes(code, 4) as openers:
        for process in openers:
            assert process.says() == "ready"
        for process in openers:
            process.hears()
        said = [process.ends() for process in openers]
    assert len({store_id for store_id, _ in said}) == 1
    assert sorted(int(number) for _, number in said) == [1, 2, 3, 4]


@pytest.mark.requirement("S3-4")
def test_a_newer_schema_is_refused(home: Home) -> None:
    with hands_on(home) as hands:
        number = hands.run()
        hands.write(lambda c: c.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}"))
    with pytest.raises(StoreTooNew, match="Restart your client; your executions keep running") as caught:
        Hands(home)
    assert caught.value.code == "outlast_was_upgraded"
    assert os.listdir(home.backups) == []
    with sqlite3.connect(home.database) as raw:
        assert raw.execute("SELECT number FROM executions").fetchall() == [(number,)]
        assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)
    raw.close()


def test_a_file_that_is_no_database_is_said_to_be_damaged_and_left_alone(home: Home) -> None:
    content = b"this is a letter, not a database\n" * 200
    with open(home.database, "wb") as file:
        file.write(content)
    with pytest.raises(StoreDamaged, match="not a database") as caught:
        Hands(home)
    assert "outlast db restore" in str(caught.value.next)
    with open(home.database, "rb") as file:
        assert file.read() == content


@pytest.mark.parametrize("emptied", [False, True], ids=["missing", "empty"])
def test_a_database_that_is_gone_while_its_wal_is_there_is_not_begun_anew(home: Home, emptied: bool) -> None:
    """SQLite would delete the WAL, and with it what was acknowledged last."""
    aside, wal = home.root + "/aside", home.database + "-wal"
    with processes("from stored import Hands\nHands(home).create()\nos._exit(0)") as (process,):
        process.ends()
    os.rename(home.database, aside)
    if emptied:
        os.close(os.open(home.database, os.O_CREAT | os.O_WRONLY))
    with open(wal, "rb") as file:
        before = file.read()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="what was written to it last lies in its -wal file") as caught:
            Hands(home)
        assert str(caught.value.next).startswith("put the file back where it was; or outlast db restore PATH")
    assert os.path.exists(home.database) == emptied
    with open(wal, "rb") as file:
        assert file.read() == before
    os.replace(aside, home.database)
    with hands_on(home) as hands:
        assert hands.statuses() == {1: "pending"}


def test_an_error_while_opening_frees_the_lock(home: Home) -> None:
    with open(home.database, "wb") as file:
        file.write(b"no database" * 100)
    database = Database(home, lock_timeout=5)
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            database.connect()
    os.unlink(home.database)
    database.close(database.connect())
    database.lock.close()


def test_a_missing_home_is_unreachable() -> None:
    with pytest.raises(StoreUnreachable, match="No such file"):
        Database(Home("/dev/shm/nowhere/to be found"))


@pytest.mark.parametrize("there", [False, True], ids=["no database yet", "a database"])
@pytest.mark.parametrize("what", ["home", "files"])
def test_a_home_that_cannot_be_written_is_unreachable(home: Home, there: bool, what: str) -> None:
    if there:
        with hands_on(home) as hands:
            hands.create()
    if what == "files":
        os.chmod(home.root, 0o755)
        for name in os.listdir(home.root):
            os.chmod(f"{home.root}/{name}", 0o444 if os.path.isfile(f"{home.root}/{name}") else 0o555)
    os.chmod(home.root, 0o500 if what == "home" else 0o555)
    try:
        with processes(AS_NOBODY) as (process,):
            assert process.ends() == ["store_unreachable", "make the directory and the database writable for you"]
    finally:
        os.chmod(home.root, 0o700)


def test_opening_and_closing_wait_for_the_store_lock(home: Home) -> None:
    with hands_on(home) as hands:
        impatient = Database(home, lock_timeout=0.05)
        with hands.database.lock.held(5), pytest.raises(StoreBusy):
            impatient.connect()
        connection = impatient.connect()
        with hands.database.lock.held(5), pytest.raises(StoreBusy):
            impatient.close(connection)
        # It was closed, only not in its turn: a connection that nobody knows any more would be worse.
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
        impatient.close(connection)
        impatient.lock.close()
