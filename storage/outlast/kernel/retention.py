"""What may be removed, and removing it. Each function that writes is one rule inside one write transaction."""

import sqlite3
from collections.abc import Iterable
from enum import Enum

from outlast.kernel import executions
from outlast.kernel.checksums import is_sound
from outlast.kernel.queries import load

SQL = load("retention")

INCREMENTAL = 2
"""What `PRAGMA auto_vacuum` says of a database whose free pages can be given back."""


class Kept(Enum):
    """Why an execution may not be removed now; the words follow "it is"."""

    LIVE = "not over"
    PINNED = "pinned"
    NEEDED = "what a live execution retries or rolls back"
    DAMAGED = "damaged"
    UNSEALED = "over, but its log is not in the database yet"


def pin(connection: sqlite3.Connection, number: int, by: str, now: int) -> bool:
    """Keep an execution from being removed because of its age, number or size; False where it was pinned already.

    NotFound where there is none.
    """
    must_exist(connection, number)
    return bool(connection.execute(SQL["pin"], (number, now, by)).rowcount)


def unpin(connection: sqlite3.Connection, number: int) -> bool:
    """Let an execution go with the others again; False where it was not pinned. NotFound where there is none."""
    must_exist(connection, number)
    return bool(connection.execute(SQL["unpin"], (number,)).rowcount)


def must_exist(connection: sqlite3.Connection, number: int) -> None:
    if connection.execute(SQL["exists"], (number,)).fetchone() is None:
        raise executions.not_found(number)


def kept(connection: sqlite3.Connection, number: int) -> Kept | None:
    """Why an execution may not be removed now; None where it may, or is not there. Writes nothing."""
    row = connection.execute(SQL["kept"], (number,)).fetchone()
    if row is None:
        return None
    live, pinned, needed, unsealed = row
    if live:
        return Kept.LIVE
    if pinned:
        return Kept.PINNED
    if needed:
        return Kept.NEEDED
    if not is_sound(connection, number):
        return Kept.DAMAGED  # whether it is over, and since when, only its row says
    return Kept.UNSEALED if unsealed else None


def remove(connection: sqlite3.Connection, numbers: Iterable[int]) -> list[int]:
    """Delete executions with everything that is theirs alone; the numbers of those that went. What may not go, or is
    gone already, is passed over: it may have been pinned or retried since somebody looked."""
    gone: list[int] = []
    for number in may_go(connection, numbers):
        executions.delete(connection, number)
        gone.append(number)
    return gone


def remove_logs(connection: sqlite3.Connection, numbers: Iterable[int], now: int) -> list[int]:
    """Delete the logs of executions and note that they were removed; the executions stay. As `remove` passes over what
    may not go."""
    gone: list[int] = []
    for number in may_go(connection, numbers):
        for removing in ("remove_blocks", "remove_digest", "remove_levels"):
            connection.execute(SQL[removing], (number,))
        connection.execute(SQL["note_removed_log"], (number, now))
        gone.append(number)
    return gone


def may_go(connection: sqlite3.Connection, numbers: Iterable[int]) -> Iterable[int]:
    for number in numbers:
        there = connection.execute(SQL["exists"], (number,)).fetchone() is not None
        if there and kept(connection, number) is None:
            yield number


def removed_log_at(connection: sqlite3.Connection, number: int) -> int | None:
    """When an execution's log was removed, µs; None where it was not. Writes nothing."""
    row = connection.execute(SQL["removed_log"], (number,)).fetchone()
    return None if row is None else row[0]


def give_back(connection: sqlite3.Connection, pages: int, leave: int = 0) -> bool:
    """Take up to `pages` free pages off the end of the file, unless only `leave` are free; whether there are more to
    take. A database from before free pages could be given back keeps them for what is written next."""
    excess = free_pages(connection) - leave
    if excess <= 0 or connection.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
        return False
    for _ in range(min(pages, excess)):
        # One at a time: the sqlite3 module leaves this statement, which has no columns, after its first step.
        connection.execute("PRAGMA incremental_vacuum(1)")
    return excess > pages


def free_pages(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA freelist_count").fetchone()[0]
