"""Looking at a database for a doctor: nothing is created, migrated, adopted or mended."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from outlast.kernel import claims, texts
from outlast.kernel.backups import quoted
from outlast.kernel.claims import RETRY_AFTER
from outlast.kernel.database import Database, lenient, translated
from outlast.kernel.home import Home
from outlast.kernel.locks import run_lock_held
from outlast.kernel.migrating import SCHEMA_VERSION, schema_version
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus
from outlast.storage import reading
from outlast.storage.maintenance import structure
from outlast.storage.records import Ended, LiveRow
from outlast.storage.remains import Remains, orphaned, remains_of

SQL = load("maintenance")
SQLITE_VERSION = sqlite3.sqlite_version
NOTHING = Remains([], [], [])
LOCK_SECONDS = 3.0
"""That the store lock may take, to open and again to close."""


def full_text() -> bool:
    """Whether this Python's SQLite has FTS5."""
    with closing(sqlite3.connect(":memory:")) as connection:
        return texts.has_fts5(connection)


class Examined(NamedTuple):
    schema: int
    size: int
    """Bytes of the database; so is `wal`, of its write-ahead log."""
    wal: int
    problems: tuple[str, ...]
    """What SQLite finds wrong."""
    complete: bool
    """False where the time was up before all of it was checked."""
    executions: int
    live: int
    unsupervised: tuple[int, ...]
    """Numbers of those that should have a supervisor and have none."""
    overlooked: tuple[int, ...] = ()
    """Numbers of those in the queue that nobody has started though a slot is free."""
    unsealed: tuple[int, ...] = ()
    """Numbers of those that are over, whose lines are still in their run directories."""
    remains: Remains = NOTHING
    libraries: frozenset[str] | None = None
    """The copies of supervisors' code that live executions need; None where that is not known."""
    ended: Mapping[str, Ended] = MappingProxyType({})
    """Of the executions that were asked about those that are over, supervisor included, by id."""


def examine(home: Home, *, seconds: float, now: int, asked: Iterable[str] = ()) -> Examined:
    """Look at the database of a home, which must be there. `now` in µs since the epoch. `asked`: ids of executions
    of which it should be told whether they are over.

    Raises the StoreErrors of kernel.errors. Only the sizes and the schema are told of a database with another schema
    than this code's, and what is left of executions only of a sound one: one that is damaged may not find all rows.
    """
    database = Database(home, lock_timeout=LOCK_SECONDS)
    path = Path(home.database)
    # Before it is opened: closing it last empties the WAL.
    size, wal = size_of(path), size_of(path.with_name(path.name + "-wal"))
    try:
        connection = opened(database)
        try:
            with translated(home.database):
                return looked(connection, home, size, wal, seconds, now, tuple(asked))
        finally:
            database.close(connection)
    finally:
        database.lock.close()


def opened(database: Database) -> sqlite3.Connection:
    """A connection that can write nothing; there is a database, and it stays on its schema."""
    path = database.home.database
    with translated(path), database.lock.held(database.lock_timeout):
        # One that may only read does not empty a WAL by closing it last; but it leaves one behind where none was.
        mode = "ro" if Path(path + "-wal").exists() else "rw"
        connection = sqlite3.connect(f"file:{quoted(path)}?mode={mode}", uri=True, isolation_level=None)
        try:
            connection.text_factory = lenient
            connection.execute("PRAGMA query_only = ON")
            schema_version(connection)  # only now SQLite opens the files, which has to happen under the lock
        except BaseException:
            connection.close()
            raise
        return connection


def looked(
    connection: sqlite3.Connection, home: Home, size: int, wal: int, seconds: float, now: int, asked: tuple[str, ...]
) -> Examined:
    schema = schema_version(connection)
    if schema != SCHEMA_VERSION:
        return Examined(schema, size, wal, (), False, 0, 0, ())
    problems, complete = checked(connection, seconds)
    if problems:
        return Examined(schema, size, wal, problems, complete, 0, 0, ())
    executions = connection.execute(SQL["count"]).fetchone()[0]
    rows = reading.live(connection)
    suspects = unsupervised(rows, home, now)
    queue = claims.next_in_queue(connection)
    # One that has just ended was live when its row was read. What is said twice stands.
    again = unsupervised(reading.live(connection), home, now) if suspects else ()
    lost = tuple(row.number for row in suspects if row in again)
    still = claims.next_in_queue(connection) if queue else ()
    return Examined(
        schema,
        size,
        wal,
        problems,
        complete,
        executions,
        len(rows),
        lost,
        tuple(claim.number for claim in queue if claim in still),
        unsealed(connection, home),
        unattended(connection, home),
        frozenset(reading.libraries_in_use(connection)),
        ended(connection, home, asked),
    )


def everything(connection: sqlite3.Connection) -> tuple[str, ...]:
    """What is wrong with tables, indexes, and the words by which executions are found."""
    return structure(connection, most=10) or tuple(texts.problems(connection))


def checked(
    connection: sqlite3.Connection,
    seconds: float,
    look: Callable[[sqlite3.Connection], tuple[str, ...]] = everything,
) -> tuple[tuple[str, ...], bool]:
    """What a check finds within some seconds, and whether it came to its end."""
    # Not a progress handler: before 3.42 SQLite calls none while it checks the pages of all tables, which is one step.
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        return look(connection), True
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        return (), False
    finally:
        timer.cancel()
        timer.join()


def unsealed(connection: sqlite3.Connection, home: Home) -> tuple[int, ...]:
    """Those that are over and not sealed, apart from those whose supervisor is about to end."""
    return tuple(
        number
        for number, execution_id in reading.unsealed(connection)
        if not run_lock_held(home.run(execution_id).run_lock)
    )


def ended(connection: sqlite3.Connection, home: Home, asked: Iterable[str]) -> dict[str, Ended]:
    """Of the ids that are asked about those that are over, apart from those whose supervisor is about to end."""
    found = reading.ended(connection, asked)
    return {each: end for each, end in found.items() if not run_lock_held(home.run(each).run_lock)}


def unattended(connection: sqlite3.Connection, home: Home) -> Remains:
    """What is left in run directories that nobody is at work in."""
    try:
        names = [path.name for path in Path(home.runs).iterdir()]
    except FileNotFoundError:
        return NOTHING
    remains = remains_of(connection, home, names)
    return Remains(*([each for each in ids if not run_lock_held(home.run(each).run_lock)] for ids in remains))


def unsupervised(rows: Sequence[LiveRow], home: Home, now: int) -> tuple[LiveRow, ...]:
    """The rows that have lost their supervisor. One that was claimed a moment ago may be starting."""
    return tuple(
        row
        for row in rows
        if (row.status is not ExecutionStatus.PENDING or starting_failed(row, now)) and orphaned(row, home)
    )


def starting_failed(row: LiveRow, now: int) -> bool:
    return row.claimed_at is not None and abs(now - row.claimed_at) > RETRY_AFTER


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
