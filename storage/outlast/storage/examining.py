"""Looking at a database for a doctor: nothing is created, migrated, adopted or mended."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from outlast.kernel.backups import quoted
from outlast.kernel.claims import RETRY_AFTER
from outlast.kernel.database import Database, translated
from outlast.kernel.home import Home
from outlast.kernel.migrating import SCHEMA_VERSION, schema_version
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus
from outlast.storage import reading
from outlast.storage.records import LiveRow
from outlast.storage.remains import orphaned

SQL = load("maintenance")
SQLITE_VERSION = sqlite3.sqlite_version
LOCK_SECONDS = 3.0
"""That the store lock may take, to open and again to close."""


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


def examine(home: Home, *, seconds: float, now: int) -> Examined:
    """Look at the database of a home, which must be there. `now` in µs since the epoch.

    Raises the StoreErrors of kernel.errors. Only the sizes and the schema are told of a database with another schema
    than this code's.
    """
    database = Database(home, lock_timeout=LOCK_SECONDS)
    path = Path(home.database)
    # Before it is opened: closing it last empties the WAL.
    size, wal = size_of(path), size_of(path.with_name(path.name + "-wal"))
    try:
        connection = opened(database)
        try:
            with translated(home.database):
                return looked(connection, home, size, wal, seconds, now)
        finally:
            database.close(connection)
    finally:
        database.lock.close()


def opened(database: Database) -> sqlite3.Connection:
    """A connection that can write nothing; there is a database, and it stays on its schema."""
    path = database.home.database
    with translated(path), database.lock.held(database.lock_timeout):
        connection = sqlite3.connect(f"file:{quoted(path)}?mode=rw", uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA query_only = ON")
            schema_version(connection)  # only now SQLite opens the files, which has to happen under the lock
        except BaseException:
            connection.close()
            raise
        return connection


def looked(connection: sqlite3.Connection, home: Home, size: int, wal: int, seconds: float, now: int) -> Examined:
    schema = schema_version(connection)
    if schema != SCHEMA_VERSION:
        return Examined(schema, size, wal, (), False, 0, 0, ())
    problems, complete = checked(connection, seconds)
    executions = connection.execute(SQL["count"]).fetchone()[0]
    rows = reading.live(connection)
    suspects = unsupervised(rows, home, now)
    # One that has just ended was live when its row was read. What is said twice stands.
    again = unsupervised(reading.live(connection), home, now) if suspects else ()
    lost = tuple(row.number for row in suspects if row in again)
    return Examined(schema, size, wal, problems, complete, executions, len(rows), lost)


def checked(connection: sqlite3.Connection, seconds: float) -> tuple[tuple[str, ...], bool]:
    """What SQLite's quick check finds within some seconds, and whether it came to its end."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        found = [text for (text,) in connection.execute("PRAGMA quick_check(10)")]
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        return (), False
    finally:
        connection.set_progress_handler(None, 0)
    return tuple(text for text in found if text != "ok"), True


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
