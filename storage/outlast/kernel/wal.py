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
    """Of one connection: when its process looks at the log again."""

    def __init__(self) -> None:
        self._threshold = LIMIT

    def keep(self, connection: sqlite3.Connection, path: str) -> None:
        """Empty the log at `path` if it has grown too large. To be called after a commit, with the store lock held."""
        if os.stat(path).st_size < self._threshold:
            return
        with suppress(sqlite3.OperationalError):  # what was committed stands; the next write tells of a failing disk
            empty(connection, PATIENCE_MS)
        self._threshold = max(LIMIT, os.stat(path).st_size + STEP)
