"""Checksums of rows. A flipped bit inside a value passes SQLite's own integrity check; it must not pass for a fact."""

import sqlite3
import zlib

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.queries import load

SQL = load("checksums")

Value = None | int | float | str | bytes


def crc(*values: Value) -> int:
    """CRC-32 over values and their types."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def stamp(connection: sqlite3.Connection, number: int) -> None:
    """Renew an execution row's checksum; every rule that changes the row ends with it."""
    facts = connection.execute(SQL["facts"], (number,)).fetchone()
    if facts is not None:
        connection.execute(SQL["stamp"], (crc(*facts[1:]), number))


def check_execution(connection: sqlite3.Connection, number: int) -> None:
    """Raise StoreDamaged where an execution's row is not what was written."""
    facts = connection.execute(SQL["facts"], (number,)).fetchone()
    if facts is not None and crc(*facts[1:]) != facts[0]:
        raise damaged(number, "its row")


def damaged(number: int, what: str) -> StoreDamaged:
    return StoreDamaged(
        f"#{number}: {what} in the database is damaged (checksum mismatch); other executions are not affected.",
        next="outlast db check, then outlast db restore",
        handle_id=str(number),
    )
