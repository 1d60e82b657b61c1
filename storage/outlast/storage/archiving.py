"""Writing executions into an archive: a file of their own with the schema of the store, which can be opened again."""

import errno
import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from itertools import zip_longest
from pathlib import Path

from outlast.kernel import faults, texts
from outlast.kernel.checksums import check_execution, is_sound
from outlast.kernel.database import translated
from outlast.kernel.errors import Conflict, InvalidInput, StoreDamaged, StoreFull
from outlast.kernel.home import sync_directory
from outlast.kernel.migrating import upgrade
from outlast.kernel.retention import removed_log_at
from outlast.storage.archives import open_read_only
from outlast.storage.parts import Numbers, Parts, Row, parts_of

ASIDE = ".tmp"
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)
"""What a file system without hard links says."""
PRAGMAS = (
    # Nothing of it has to survive before it has its name: then it is whole and durable.
    "journal_mode = MEMORY",
    "synchronous = OFF",
    "trusted_schema = OFF",
    # What was retried may be in another archive, or still in the store: the rows keep saying which it was.
    "foreign_keys = OFF",
)


class Archive:
    """An archive that is being made beside its place. Nobody sees it there before it is finished."""

    def __init__(self, path: Path, aside: Path, connection: sqlite3.Connection, *, appending: bool) -> None:
        self._path = path
        self._aside = aside
        self._connection = connection
        self._appending = appending
        self._parts: Parts = parts_of(connection)

    def add(self, source: sqlite3.Connection, number: int) -> None:
        """Copy an execution with everything that belongs to it, as one transaction. `source` must show one state.

        What the archive has under this number already, as after a prune that was killed, is replaced; unless it has
        the log, and `source` no more. Conflict `archive_differs` where that is another execution.
        """
        check_execution(source, number)
        if self._has_removed_log_of(source, number):
            return
        connection, own = self._connection, self._parts.own
        connection.execute("BEGIN")
        try:
            self._refuse_other(source, number)
            for part in reversed(own):
                connection.execute(part.delete(), (number,))
            for part in self._parts.shared:
                for row in source.execute(part.select(), (number,)):
                    there = connection.execute(part.find(), part.key_of(row)).fetchone()
                    if there is None:
                        connection.execute(part.insert(), row)
                    elif there != row:
                        raise self._differs(f"other {part.table}")
            numbers: Numbers = {}
            for part in own:
                new = numbers[part.table] = dict[object, object]()
                for row in source.execute(part.select(), (number,)):
                    inserted = connection.execute(part.insert(), part.renumbered(row, numbers))
                    if part.serial is not None:
                        new[part.serial_of(row)] = inserted.lastrowid
            # Not a table of rows, but made from them.
            texts.forget(connection, number)
            texts.index(connection, number)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
                raise StoreFull(
                    f"{self._path}: there is no room for the archive; nothing was removed.",
                    next="free some disk space, or choose another place",
                ) from error
            raise

    def check(self) -> None:
        """Close it, make it durable, and have SQLite read all of it. StoreDamaged where it is not what was written."""
        self._connection.close()
        fd = os.open(self._aside, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        self._connection = open_read_only(self._aside)
        (found,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise StoreDamaged(f"{self._aside}, just written, is damaged: {found}.", next="look at the disk, try again")

    def holds(self, source: sqlite3.Connection, number: int) -> bool:
        """Whether every row of an execution in `source` is here, byte by byte; numbers that only count rows apart."""
        return self._has_removed_log_of(source, number) or all(
            ours == theirs
            for ours, theirs in zip_longest(self._facts(self._connection, number), self._facts(source, number))
        )

    def _facts(self, connection: sqlite3.Connection, number: int) -> Generator[Row]:
        """Every row of an execution, each behind the name of its table. Rows that are only counted are numbered from 0,
        so that they compare."""
        ranks: Numbers = {}
        for part in (*self._parts.own, *self._parts.shared):
            mine = ranks[part.table] = dict[object, object]()
            for row in connection.execute(part.select(), (number,)):
                if part.serial is not None:
                    mine[part.serial_of(row)] = len(mine)
                yield (part.table, *part.renumbered(row, ranks))

    def finish(self) -> None:
        """Give it its name. InvalidInput where another file has got that meanwhile."""
        self._connection.close()
        faults.reach("archive.made")
        if self._appending:
            self._aside.rename(self._path)
        else:
            try:
                os.link(self._aside, self._path)  # never over another file
            except FileExistsError:
                raise InvalidInput(f"{self._path} has just been made by somebody else.", next="try again") from None
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                self._aside.rename(self._path)
            self._aside.unlink(missing_ok=True)
        sync_directory(str(self._path.parent))
        faults.reach("archive.placed")

    def close(self) -> None:
        self._connection.close()
        with suppress(FileNotFoundError):
            self._aside.unlink()

    def _has_removed_log_of(self, source: sqlite3.Connection, number: int) -> bool:
        """Whether the execution is here as a whole, log included, that `source` has removed since."""
        if removed_log_at(source, number) is None or removed_log_at(self._connection, number) is not None:
            return False
        self._refuse_other(source, number)
        return is_sound(self._connection, number) and self._id_of(self._connection, number) is not None

    @staticmethod
    def _id_of(connection: sqlite3.Connection, number: int) -> bytes | None:
        row = connection.execute("SELECT id FROM executions WHERE number = ?", (number,)).fetchone()
        return None if row is None else row[0]

    def _refuse_other(self, source: sqlite3.Connection, number: int) -> None:
        there = self._id_of(self._connection, number)
        if there is not None and there != self._id_of(source, number):
            raise self._differs(f"another #{number}")

    def _differs(self, what: str) -> Conflict:
        return differs(self._path, f"holds {what}, from before a restore")


@contextmanager
def making(path: Path, store_id: str, now: int) -> Generator[Archive]:
    """An archive that is made at `path`, or gets more where there is one of this store. What is there stays as it is
    until `finish`.

    InvalidInput where the file is none, or cannot be written; Conflict `archive_differs` where it is another store's.
    """
    with writable(path):
        remove_unfinished(path)
        aside = path.with_name(f"{path.name}.{os.getpid()}-{time.time_ns()}{ASIDE}")
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    appending = path.exists()
    connection = sqlite3.connect(aside, isolation_level=None, check_same_thread=False)
    archive = None
    try:
        if appending:
            with closing(open_read_only(path)) as old:
                if store_of(old) != store_id:
                    raise differs(path, "is an archive of another home")
                old.backup(connection)
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        upgrade(connection)
        if not appending:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'store_id'", (store_id,))
            connection.execute("INSERT INTO meta(key, value) VALUES ('archive', ?)", (str(now),))
        archive = Archive(path, aside, connection, appending=appending)
        with writable(path):
            yield archive
    finally:
        connection.close()
        if archive is not None:
            archive.close()
        aside.unlink(missing_ok=True)


def store_of(connection: sqlite3.Connection) -> str:
    return connection.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()[0]


def differs(path: Path, how: str) -> Conflict:
    return Conflict(f"{path} {how}.", code="archive_differs", next="choose another file")


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes left of this archive. The caller holds the lock of retention: nobody writes it."""
    for left in path.parent.glob(f"{glob_escaped(path.name)}.*{ASIDE}*"):
        left.unlink(missing_ok=True)


def glob_escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


@contextmanager
def writable(path: Path) -> Generator[None]:
    """A place where nothing can be written is the caller's mistake; a full or failing disk is not."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            with translated(str(path)):
                raise
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", next="choose another path") from error
