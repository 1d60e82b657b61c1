"""Checksums of rows. A flipped bit inside a value passes SQLite's own integrity check; it must not pass for a fact."""

import sqlite3
import zlib
from collections.abc import Generator
from contextlib import contextmanager

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.queries import load

SQL = load("checksums")

Value = None | int | float | str | bytes


def crc(*values: Value) -> int:
    """CRC-32 over values and their types."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def stamp(connection: sqlite3.Connection, number: int) -> None:
    """Give a new execution row its checksum; rules that change one do it inside `stamped`."""
    facts = connection.execute(SQL["facts"], (number,)).fetchone()
    if facts is not None:
        connection.execute(SQL["stamp"], (crc(*facts[1:]), number))


@contextmanager
def stamped(connection: sqlite3.Connection, number: int) -> Generator[None]:
    """Change an execution row inside: its checksum follows. One that did not match before stays wrong, so that no
    write makes damage pass for a fact."""
    sound = is_sound(connection, number)
    yield
    if sound:
        stamp(connection, number)


def is_sound(connection: sqlite3.Connection, number: int) -> bool:
    """Whether an execution's row is what was written. One that is not there has nothing wrong."""
    facts = connection.execute(SQL["facts"], (number,)).fetchone()
    return facts is None or crc(*facts[1:]) == facts[0]


def params_are_sound(connection: sqlite3.Connection, number: int) -> bool:
    """Whether the parameters of an execution that there are are what was written."""
    return all(crc(number, *values) == checksum for *values, checksum in connection.execute(SQL["params"], (number,)))


def check_execution(connection: sqlite3.Connection, number: int) -> None:
    """Raise StoreDamaged where an execution's row is not what was written."""
    if not is_sound(connection, number):
        raise damaged(number, "its row")


def damaged(number: int, what: str) -> StoreDamaged:
    return StoreDamaged(
        f"#{number}: {what} in the database is damaged (checksum mismatch); other executions are not affected.",
        next="outlast db check, then outlast db restore",
        handle_id=str(number),
    )
