"""The words by which executions are found: an FTS5 index beside their rows, kept by the rules that change them."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from outlast.kernel.checksums import is_sound, params_are_sound
from outlast.kernel.errors import StoreError
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus

SQL = load("texts")
Text = tuple[str | None, str | None, str | None, str | None]
TOLD = 5
"""Numbers of executions that a sentence names."""


def index(connection: sqlite3.Connection, number: int) -> None:
    """Take in a new execution, when all its rows are there."""
    found = text(connection, number)
    if found is not None:
        connection.execute(SQL["insert"], (number, *found))


def settled(connection: sqlite3.Connection, number: int, status: ExecutionStatus) -> None:
    """Take in why an execution is over. That one completed is no reason to look for it."""
    found = None if status is ExecutionStatus.COMPLETED else text(connection, number)
    if found is not None:
        connection.execute(SQL["update"], (found[-1], number))


def forget(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(SQL["delete"], (number,))


def text(connection: sqlite3.Connection, number: int) -> Text | None:
    """What an execution's rows say: workflow, parameters, labels, reason. None where there is no such execution."""
    return connection.execute(SQL["text"], (number,)).fetchone()


def wrong(connection: sqlite3.Connection) -> list[int]:
    """Numbers of executions whose texts are not what their rows say, and of texts without an execution. Not of those
    whose rows are damaged: there the texts may say what was written."""
    # One statement goes on all the while, so that interrupting it ends this.
    numbers = (number for (number,) in connection.execute(SQL["numbers"]))
    found = [n for n in numbers if connection.execute(SQL["stored"], (n,)).fetchone() != text(connection, n)]
    found = [number for number in found if is_sound(connection, number) and params_are_sound(connection, number)]
    return found + [number for (number,) in connection.execute(SQL["strange"])]


def rebuild(connection: sqlite3.Connection) -> None:
    """Make the index again: from the texts, after these were made again where they are not what the rows say."""
    connection.execute(SQL["rebuild"])  # first: changing a text looks into the index
    for number in wrong(connection):
        forget(connection, number)
        index(connection, number)


def problems(connection: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with the index, as sentences that begin with `text index: `. Only temporary tables are written."""
    numbers = wrong(connection)
    if numbers:
        told = ", ".join(f"#{number}" for number in numbers[:TOLD])
        more = f" and {len(numbers) - TOLD} more" if len(numbers) > TOLD else ""
        yield f"text index: {told}{more} would be found by other words than their own"
    elif not fits(connection):
        yield "text index: it does not fit its texts"


def fits(connection: sqlite3.Connection) -> bool:
    """Whether the index is the one that its texts make. (FTS5's own check is a write, which a reader cannot do.)"""
    try:
        with temporary(connection):
            return connection.execute(DIFFERENCE).fetchone() is None
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return False


COLUMNS = "workflow, params, labels, reason"
TEMPORARY = (
    "CREATE VIRTUAL TABLE temp.again USING fts5("
    f"{COLUMNS}, content='', columnsize=0, "
    """tokenize="unicode61 remove_diacritics 2 categories 'L* N* M* Co So'")""",
    f"INSERT INTO temp.again(rowid, {COLUMNS}) SELECT rowid, {COLUMNS} FROM main.execution_texts",
    "CREATE VIRTUAL TABLE temp.words_again USING fts5vocab('temp', 'again', 'row')",
    "CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'execution_texts', 'row')",
)
DIFFERENCE = """
SELECT 1 FROM (SELECT * FROM temp.words EXCEPT SELECT * FROM temp.words_again)
UNION ALL
SELECT 1 FROM (SELECT * FROM temp.words_again EXCEPT SELECT * FROM temp.words)
LIMIT 1
"""


@contextmanager
def temporary(connection: sqlite3.Connection) -> Generator[None]:
    """The words of the index, and those of one that is made anew from the same texts, as temporary tables."""
    (query_only,) = connection.execute("PRAGMA query_only").fetchone()
    connection.execute("PRAGMA query_only = OFF")
    try:
        for statement in TEMPORARY:
            connection.execute(statement)
        yield
    finally:
        for table in ("words", "words_again", "again"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
        connection.execute(f"PRAGMA query_only = {query_only:d}")


def require_fts5(connection: sqlite3.Connection) -> None:
    """Raise StoreError where this SQLite cannot keep such an index."""
    if not has_fts5(connection):
        raise StoreError(
            f"SQLite {sqlite3.sqlite_version} of this Python was built without FTS5, which Outlast needs.",
            next="use a Python whose SQLite has FTS5; python.org, uv and all large distributions have such ones",
        )


def has_fts5(connection: sqlite3.Connection) -> bool:
    return connection.execute(SQL["fts5"]).fetchone() is not None
