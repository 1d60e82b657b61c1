"""Connections to the store, and the one way to write to it.

Opening, writing, checkpointing and closing happen under the store lock; reading never takes it. SQLite before
3.51.3 can lose commits when two connections write and checkpoint at once, and opening or closing beside a
writer answers "database is locked".
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from outlast.kernel import faults, wal
from outlast.kernel.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreMoved,
    StoreUncertain,
    StoreUnreachable,
)
from outlast.kernel.home import Home, sync_directory
from outlast.kernel.locks import StoreLock
from outlast.kernel.migrating import SCHEMA_VERSION, migrate, schema_version, too_new

T = TypeVar("T")
Connection = sqlite3.Connection
"""What rules and queries get, for those who may not know SQLite."""

LOCK_TIMEOUT = 10.0
"""Seconds that a caller waits for the store lock."""

RESTORE = "outlast db restore PATH; backups are in `backups` in the home"

PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA trusted_schema = OFF;
PRAGMA secure_delete = FAST;
PRAGMA temp_store = MEMORY;
PRAGMA mmap_size = 0;
PRAGMA busy_timeout = 5000;
PRAGMA wal_autocheckpoint = 1000;
PRAGMA journal_size_limit = 67108864;
"""


class StoreConnection(sqlite3.Connection):
    """A connection that remembers which files it opened, and how large their WAL may be."""

    files: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    """Device and inode of the database and of its WAL."""
    wal: wal.Bound


class Database:
    """A home's database file and the lock in front of it. Holds no connection."""

    def __init__(self, home: Home, *, lock_timeout: float | None = LOCK_TIMEOUT) -> None:
        """Raises StoreUnreachable where the home is missing or not writable."""
        self.home = home
        with translated(home.database):
            self.lock = StoreLock(home.store_lock)
        self.lock_timeout = lock_timeout

    def connect(self, *, cache_kib: int = 2048) -> StoreConnection:
        """A connection on the current schema; a missing database is created, an older one migrated.

        Raises StoreTooNew for a newer schema, StoreUnreachable, StoreDamaged, StoreBusy.
        """
        with translated(self.home.database), self.lock.held(self.lock_timeout):
            fresh = size(self.home.database) == 0
            if fresh:
                self._begin()
            connection = sqlite3.connect(
                self.home.database, isolation_level=None, check_same_thread=False, factory=StoreConnection
            )
            try:
                connection.text_factory = lenient
                if fresh:
                    # Only an empty database can take it: freed pages can then be given back in small steps.
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                for pragma in PRAGMAS.strip().splitlines():
                    connection.execute(pragma)
                connection.execute(f"PRAGMA cache_size = -{cache_kib}")
                migrate(connection, self.home)
                # Reading makes SQLite open the WAL, which then stays the same file while this connection is open.
                schema_version(connection)
                connection.files = self._there()
                connection.wal = wal.Bound(size(self.home.database + "-wal"))
            except BaseException:
                connection.close()
                raise
            return connection

    def read(self, connection: StoreConnection, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run all statements of a query against the same state of the database, and never of a file moved away."""
        with translated(self.home.database):
            self.check_file(connection)
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                # After some errors (I/O) SQLite has ended the transaction by itself; after others (a damaged page)
                # it refuses to commit even what has only read.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def close(self, connection: sqlite3.Connection) -> None:
        """Close under the store lock; StoreBusy where it was not free in time, and then without it all the same."""
        try:
            with self.lock.held(self.lock_timeout):
                connection.close()
        finally:
            connection.close()  # twice is once

    def write(self, connection: StoreConnection, rule: Callable[[sqlite3.Connection], T]) -> T:
        """Run one write rule as one transaction: all of it is durable on return, or none of it happened."""
        with translated(self.home.database), self.lock.held(self.lock_timeout):
            return self.write_held(connection, rule)

    def write_held(self, connection: StoreConnection, rule: Callable[[sqlite3.Connection], T]) -> T:
        """`write` for a caller who holds the store lock."""
        faults.reach("store.locked")
        self.check_file(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if schema_version(connection) > SCHEMA_VERSION:
                raise too_new()
            result = rule(connection)
            faults.reach("store.written")
            commit(connection)
        except BaseException:
            # After some errors (disk full, I/O) SQLite has rolled back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        faults.reach("store.committed")
        connection.wal.keep(connection, self.home.database + "-wal")
        return result

    def _begin(self) -> None:
        """Make a new database, unless a WAL says that there was one: SQLite would delete that, and what was
        acknowledged last with it."""
        if size(self.home.database + "-wal") > 0:
            raise StoreDamaged(
                f"{self.home.database} is missing or empty, and what was written to it last lies in its -wal file.",
                next=f"put the file back where it was; or {RESTORE}",
            )
        create_private(self.home.database)
        sync_directory(self.home.root)  # no WAL may outlast a power cut that takes its database's name

    def check_file(self, connection: StoreConnection) -> None:
        """Raise StoreMoved where the database or its WAL was deleted or replaced since it was opened."""
        if self.moved(connection):
            raise StoreMoved(
                f"{self.home.database} is no longer the file that was opened; nothing was written to it.",
                next=f"put the file back where it was; or end what has it open (`outlast ps`), then {RESTORE}",
            )

    def moved(self, connection: StoreConnection) -> bool:
        """Whether the database or its WAL was deleted or replaced since this connection opened them."""
        return self._there() != connection.files

    def replaced(self, connection: StoreConnection) -> bool:
        """Whether another database stands in the place of the one that this connection has open, WAL included: SQLite
        would take what lies in the old one's WAL for a part of the new one."""
        database, wal = self._there()
        return database not in (connection.files[0], (0, 0)) and wal != connection.files[1]

    def away(self, connection: StoreConnection) -> bool:
        """Whether the database that this connection has open is no longer there, and no other one to go on with. It may
        be put back."""
        return self._there()[0] != connection.files[0] and not self.replaced(connection)

    def _there(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The database and its WAL as they are there now."""
        return identity(self.home.database), identity(self.home.database + "-wal")


def commit(connection: sqlite3.Connection) -> None:
    """Commit. What cannot be made durable is not only rolled back, it cannot come back either.

    A commit whose last step fails (an fsync, say) has left all of itself in the WAL. SQLite has forgotten it, but who
    opens the database after a crash would find it there and believe it.
    """
    try:
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if not connection.in_transaction:
            try:
                overwrite_end(connection)
            except sqlite3.OperationalError as again:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                    raise error from None  # the frame that would have committed is not there
                raise StoreUncertain(
                    f"The disk fails ({again}); after a crash what was to be written may be there or not.",
                    next=FAILING[1],
                ) from error
        raise


def overwrite_end(connection: sqlite3.Connection) -> None:
    """Put a transaction that changes nothing at the end of the WAL. What lay there is void: checksums are a chain."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA user_version = {schema_version(connection)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def data_version(connection: sqlite3.Connection) -> int:
    """A number that changes whenever another connection commits, or another file is read; costs microseconds."""
    version = connection.execute("PRAGMA data_version").fetchone()[0]
    # Each connection counts for itself: two files could be at the same number.
    inode = connection.files[0][1] if isinstance(connection, StoreConnection) else 0
    return inode << 32 | version


def size(path: str) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def create_private(path: str) -> None:
    """Make a missing database an empty file that nobody else may read; SQLite gives its WAL the same rights.

    One that exists is not opened: closing a descriptor of it would drop the locks that SQLite holds on it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def lenient(text: bytes) -> str:
    """Text of the database. Damaged bytes must reach the checksum that tells, not end the query that met them."""
    return text.decode("utf-8", "replace")


def identity(path: str | int) -> tuple[int, int]:
    """Device and inode of a path or a descriptor, zeros where there is no such file."""
    try:
        info = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return info.st_dev, info.st_ino


@contextmanager
def translated(path: str) -> Generator[None]:
    """Errors of SQLite and of the files beside the database in the words of kernel.errors."""
    try:
        yield
    except OSError as error:
        if error.errno not in OS_KINDS:
            raise
        kind, following = OS_KINDS[error.errno]
        raise kind(f"{path}: {error}.", next=following) from error
    except sqlite3.Error as error:
        # The low byte is the primary code: https://sqlite.org/rescode.html#extrc
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind, following = KINDS.get(code, (StoreError, "outlast db check"))
        if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.IntegrityError | sqlite3.ProgrammingError
        ):
            raise kind(f"{path}: {error}.", next=following) from error
        raise


FULL = (StoreFull, "free some disk space, then try again")
UNREACHABLE = (StoreUnreachable, "make the directory and the database writable for you")
FAILING = (StoreError, "look at the disk (dmesg, df), then try again")
KINDS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "try again"),
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: (StoreDamaged, RESTORE),
    sqlite3.SQLITE_NOTADB: (StoreDamaged, RESTORE),
    sqlite3.SQLITE_IOERR: FAILING,
    sqlite3.SQLITE_READONLY: UNREACHABLE,
    sqlite3.SQLITE_CANTOPEN: UNREACHABLE,
    sqlite3.SQLITE_PERM: UNREACHABLE,
}
OS_KINDS: dict[int | None, tuple[type[StoreError], str]] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EIO: FAILING,
    errno.EACCES: UNREACHABLE,
    errno.EPERM: UNREACHABLE,
    errno.EROFS: UNREACHABLE,
    errno.ENOENT: UNREACHABLE,
    errno.ENOTDIR: UNREACHABLE,
}
