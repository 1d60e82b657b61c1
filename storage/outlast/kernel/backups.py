"""Copies of the database: taken while it is in use, kept in rotation, copied back into it."""

import os
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager

from outlast.kernel import faults
from outlast.kernel.errors import InvalidInput
from outlast.kernel.home import Home, sync_directory

KEPT = 5
"""How many backups of each kind stay by default."""


def take(connection: sqlite3.Connection, home: Home, kind: str, *, kept: int = KEPT) -> str:
    """Copy the database into the backups directory; the path of the copy. The caller holds the store lock.

    Older backups of the same kind are removed, so that `kept` remain.
    """
    os.makedirs(home.backups, mode=0o700, exist_ok=True)
    remove_unfinished(home)
    # One reading of the clock: names must sort by age also around the turn of a second.
    now = time.time_ns() // 1000
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 1_000_000))
    path = f"{home.backups}/{kind}-{stamp}-{now % 1_000_000:06d}.db"
    copy(connection, path)
    # The new one is not among those that may go, whatever the clock says of its age.
    others = [name for name in listed(home, kind) if f"{home.backups}/{name}" != path]
    for name in others[: max(0, len(others) + 1 - kept)]:
        os.unlink(f"{home.backups}/{name}")
    return path


def set_aside(home: Home) -> str:
    """Move a database that cannot be opened out of the way, with its WAL; where it is now. The next opening makes a
    new one. The caller holds the store lock."""
    os.makedirs(home.backups, mode=0o700, exist_ok=True)
    path = f"{home.backups}/damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.db"
    for suffix in ("-shm", "-wal", ""):
        try:
            os.rename(home.database + suffix, path + suffix)
        except FileNotFoundError:
            continue
    sync_directory(home.root)
    return path


def copy(connection: sqlite3.Connection, path: str) -> None:
    """Copy a database to a new file, whole and durable before it gets its name."""
    # A name of its own: what a killed process left under its name is in nobody's way.
    aside = f"{path}.{os.getpid()}-{time.time_ns()}.tmp"
    fd = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        target = sqlite3.connect(aside, isolation_level=None)
        try:
            connection.backup(target)
            # One file, with no WAL beside it: it can be moved and opened anywhere.
            target.execute("PRAGMA journal_mode = DELETE")
        finally:
            target.close()
        os.fsync(fd)
        faults.reach("backup.copied")
        os.rename(aside, path)
    except BaseException:
        os.unlink(aside)
        raise
    finally:
        os.close(fd)
    sync_directory(os.path.dirname(path) or ".")


@contextmanager
def workshop(home: Home, copy: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """A copy of a backup to work on, with the rules that a database of ours has; removed afterwards."""
    os.makedirs(home.backups, mode=0o700, exist_ok=True)
    path = f"{home.backups}/restoring-{os.getpid()}.tmp"
    os.close(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_CLOEXEC, 0o600))
    made = sqlite3.connect(path, isolation_level=None)
    try:
        copy.backup(made)
        # Nothing of it has to survive: its content does, once it is in the database.
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "foreign_keys = ON", "trusted_schema = OFF"):
            made.execute(f"PRAGMA {pragma}")
        yield made
    finally:
        made.close()
        os.unlink(path)


def remove_unfinished(home: Home) -> None:
    """Remove the copies that killed processes left half made in the backups directory. The caller holds the store
    lock: nobody is making one."""
    for name in os.listdir(home.backups):
        if name.endswith((".tmp", ".tmp-journal", ".tmp-wal", ".tmp-shm")):
            path = f"{home.backups}/{name}"
            if os.path.isfile(path):
                os.unlink(path)


def listed(home: Home, kind: str) -> list[str]:
    """File names of one kind, oldest first."""
    try:
        names = os.listdir(home.backups)
    except FileNotFoundError:
        return []
    return sorted(n for n in names if n.startswith(kind + "-") and n.endswith(".db"))


def open_copy(path: str) -> sqlite3.Connection:
    """Open a backup for reading and check it. Raises InvalidInput where it is none."""
    if not os.path.isfile(path):
        raise InvalidInput(f"{path} is not a file.", next="outlast db backup")
    connection = sqlite3.connect(f"file:{quoted(path)}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        # Other programs' databases have tables called executions too; ours have had a schema version from the start.
        tables = connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('executions', 'payloads')"
            " AND (SELECT user_version FROM pragma_user_version) > 0"
        ).fetchone()[0]
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InvalidInput(f"{path} is not a backup of an Outlast database: {error}.") from error
    if tables != 2:
        connection.close()
        raise InvalidInput(f"{path} is not a backup of an Outlast database.", next="outlast db backup")
    if found != "ok":
        connection.close()
        raise InvalidInput(f"{path} is damaged: {found}.", next="restore another backup")
    if is_archive(connection):
        connection.close()
        raise InvalidInput(
            f"{path} is an archive: it holds what was removed, and nothing else.", next="outlast history --archive PATH"
        )
    return connection


def is_archive(connection: sqlite3.Connection) -> bool:
    """Whether a database is an archive: executions that were removed from a store."""
    known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone()
    return known is not None and connection.execute("SELECT 1 FROM meta WHERE key = 'archive'").fetchone() is not None


def quoted(path: str) -> str:
    """A path as it stands in an SQLite URI."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
