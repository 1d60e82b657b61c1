"""The write-ahead log is kept from growing without end.

SQLite begins it anew only in a moment in which nobody reads. Where reads overlap, as those of twenty servers do, that
moment never comes by itself: https://sqlite.org/wal.html#avoiding_excessively_large_wal_files
"""

import os
import sqlite3
from contextlib import suppress

LIMIT = 64 * 1024 * 1024
"""Bytes above which whoever has written empties it."""
STEP = 16 * 1024 * 1024
"""Bytes that it grows by before that is tried again, where somebody still reads an old state of the database."""
PATIENCE_MS = 250
"""How long readers of an old state are waited for. Those who begin to read meanwhile read the newest."""


def empty(connection: sqlite3.Connection, patience_ms: int) -> bool:
    """Move all of it into the database and cut it; False where somebody still reads an old state. The caller holds
    the store lock and is in no transaction."""
    patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {patience_ms:d}")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience:d}")
    return not busy


class Bound:
    """Of one connection: above which size its process tries to empty the log."""

    def __init__(self, size: int) -> None:
        """`size`: bytes of the log when the connection was opened. Where that is too large somebody else has tried to
        empty it: a process that lives for a moment need not wait for the same reader."""
        self._threshold = LIMIT if size < LIMIT else size + STEP

    def keep(self, connection: sqlite3.Connection, path: str) -> None:
        """Empty the log at `path` if it has grown too large. To be called after a commit, with the store lock held."""
        with suppress(sqlite3.Error, OSError):  # what was committed stands; the next write tells of a failing disk
            size = os.stat(path).st_size
            if size <= LIMIT:  # SQLite itself cuts it to just that (journal_size_limit)
                self._threshold = LIMIT
            elif size >= self._threshold:
                self._threshold = size + STEP
                if empty(connection, PATIENCE_MS):
                    self._threshold = LIMIT
