"""What can be mended in a database: indexes are made again from their tables, a write-ahead log is emptied."""

import re
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from outlast.kernel import backups, faults, texts, wal
from outlast.kernel.database import Database, StoreConnection, translated
from outlast.kernel.errors import StoreDamaged
from outlast.kernel.home import Home
from outlast.storage.maintenance import structure

OF_AN_INDEX = re.compile(
    r"(row|rowid|wrong # of entries)\b.* index \S+$"  # which one
    r"|\*\*\* in database |Tree \d+ "  # a page
    r"|text index: |malformed inverted index for FTS5 table "  # the words by which executions are found
)
"""Sentences of SQLite's check that are about an index, or about a page that may belong to one."""
TWICE = re.compile(r"non-unique entry in index \S+$")
"""Beside one of the others it may come of an entry too many; alone it says that the table itself has a key twice."""
CHECKPOINT_MS = 2000
"""That readers of an old state get to finish."""


class Emptied(NamedTuple):
    before: int
    """Bytes of the write-ahead log; so is `after`."""
    after: int


def may_be_of_an_index(problems: Sequence[str]) -> bool:
    """Whether rebuilding all indexes may mend all that SQLite's check has found."""
    others = [problem for problem in problems if not TWICE.match(problem)]
    return bool(others) and all(OF_AN_INDEX.match(problem) for problem in others)


def rebuild_indexes(home: Home) -> Path:
    """Make all indexes again from their tables, in one transaction that is only committed where nothing is wrong
    afterwards; where the backup is that was taken before. Holds the store lock meanwhile, so that writers wait.

    Raises StoreDamaged, with nothing changed, where the damage is not of indexes alone.
    """
    with connected(home) as (database, connection), database.lock.held(database.lock_timeout):
        copy = Path(backups.take(connection, home, "before-reindex"))
        database.write_held(connection, rebuilt)
        return copy


def rebuilt(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("REINDEX")
    except sqlite3.IntegrityError as error:  # a table has a key twice that an index allows once
        raise unmended(str(error)) from error
    # SQLite from 3.44 on looks into it by itself, and sees more than we do.
    if any(texts.problems(connection)) or any("FTS5" in said for said in structure(connection)):
        texts.rebuild(connection)
    faults.reach("mending.reindexed")
    if found := structure(connection, most=1) or tuple(texts.problems(connection)):
        raise unmended(found[0])


def unmended(why: str) -> StoreDamaged:
    return StoreDamaged(
        f"Rebuilding the indexes does not mend the database: {why}.",
        next="outlast db restore PATH; backups are in `backups` in the home",
    )


def empty_wal(home: Home) -> Emptied:
    """Move what the write-ahead log holds into the database and cut it, as far as nobody reads an old state of it."""
    path = Path(home.database + "-wal")
    with connected(home) as (database, connection), database.lock.held(database.lock_timeout):
        before = path.stat().st_size
        wal.empty(connection, CHECKPOINT_MS)
        return Emptied(before, path.stat().st_size)


@contextmanager
def connected(home: Home) -> Generator[tuple[Database, StoreConnection]]:
    """A connection for one piece of work."""
    database = Database(home)
    try:
        connection = database.connect()
        try:
            with translated(home.database):
                yield database, connection
        finally:
            database.close(connection)
    finally:
        database.lock.close()
