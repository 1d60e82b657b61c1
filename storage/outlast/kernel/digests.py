"""Writing what sealed logs add up to. Each function is one rule inside one write transaction, or only looks."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from outlast.kernel.checksums import crc
from outlast.kernel.queries import load

SQL = load("digests")


class StoredDigest(NamedTuple):
    """A row of log_digests."""

    format: int
    lines: int
    """Of the log, taken in so far; all of them are sealed."""
    data: bytes
    crc: int


class BlockLevels(NamedTuple):
    """How many lines of a block are errors or warnings."""

    first_line: int
    format: int
    errors: int
    warnings: int


def look(connection: sqlite3.Connection, number: int) -> StoredDigest | None:
    """An execution's digest; None where there is none, or where it is damaged."""
    row = connection.execute(SQL["digest"], (number,)).fetchone()
    stored = None if row is None else StoredDigest(*row)
    return stored if stored is not None and stored.crc == checksum(number, stored) else None


def stored(number: int, format: int, lines: int, data: bytes) -> StoredDigest:
    """A row with its checksum."""
    row = StoredDigest(format, lines, data, 0)
    return row._replace(crc=checksum(number, row))


def checksum(number: int, row: StoredDigest) -> int:
    return crc(number, row.format, row.lines, row.data)


def keep(
    connection: sqlite3.Connection,
    number: int,
    seen: StoredDigest | None,
    digest: StoredDigest,
    blocks: Sequence[BlockLevels],
) -> bool:
    """Put `digest` in the place of the one seen, with what was counted in the blocks that it newly takes in.

    False, and nothing written, where it is no longer the one seen, where the log was removed, or where the execution is
    gone or has fewer sealed lines (a backup was put back): then what was counted may be of another log.
    """
    sealed = connection.execute(SQL["sealed_lines"], (number,)).fetchone()
    if look(connection, number) != seen or sealed is None or sealed[0] < digest.lines:
        return False
    connection.execute(SQL["keep_digest"], (number, *digest))
    connection.executemany(SQL["keep_levels"], ((number, *block, crc(number, *block)) for block in blocks))
    return True


def levels_of_block(connection: sqlite3.Connection, number: int, first_line: int) -> BlockLevels | None:
    """What was counted in the block that begins with a line; None where that is not known, or damaged."""
    row = connection.execute(SQL["levels_of_block"], (number, first_line)).fetchone()
    if row is None:
        return None
    block = BlockLevels(first_line, *row[:3])
    return block if crc(number, *block) == row[3] else None
