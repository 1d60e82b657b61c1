"""The schema is all migrations applied in order; each is one file and one transaction."""

import os
import sqlite3

from outlast.kernel import backups, faults, texts
from outlast.kernel.errors import StoreTooNew
from outlast.kernel.home import Home
from outlast.kernel.ids import new_id

DIRECTORY = os.path.join(os.path.dirname(__file__), "migrations")
FILES = sorted(name for name in os.listdir(DIRECTORY) if name.endswith(".sql"))
SCHEMA_VERSION = len(FILES)
"""What this code reads and writes: the number of its last migration."""


def schema_version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def too_new() -> StoreTooNew:
    return StoreTooNew(
        "The database was written by a newer Outlast. Restart your client; your executions keep running.",
        next="restart the client or install the newer Outlast",
    )


def migrate(connection: sqlite3.Connection, home: Home, *, files: list[str] = FILES) -> None:
    """Bring a database up to date. The caller holds the store lock.

    An online backup is taken before the first migration of an existing database. A migration that fails leaves
    the database as it was and raises sqlite3.Error. Raises StoreTooNew where the database is newer than this code,
    StoreError where SQLite has no FTS5.
    """
    version = schema_version(connection)
    if version > len(files):
        raise too_new()
    texts.require_fts5(connection)
    if version == len(files):
        return
    if version > 0:
        backups.take(connection, home, f"before-{len(files):04d}")
    upgrade(connection, files=files)


def upgrade(connection: sqlite3.Connection, *, files: list[str] = FILES) -> None:
    """Apply the migrations that a database lacks, an empty one all of them. Nothing is kept of what it was."""
    version = schema_version(connection)
    for number, name in enumerate(files[version:], start=version + 1):
        with open(os.path.join(DIRECTORY, name), encoding="utf-8") as file:
            apply(connection, number, file.read())


def apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};")
        if number == 1:
            connection.execute(
                "INSERT INTO meta(key, value) VALUES ('store_id', ?), ('max_running', '8')", (new_id(0),)
            )
        faults.reach("migration.applied")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
