"""Writing sealed log blocks. Each function is one rule inside one write transaction.

An execution's seal says how many lines are sealed and where to go on. It moves only by comparing: of two sealers
that saw the same seal one wins, and blocks and seal change together, so no line is sealed twice or left out.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from outlast.kernel.checksums import stamped
from outlast.kernel.queries import load

SQL = load("logs")


class Block(NamedTuple):
    """Up to 64 KiB of lines, compressed; a row of log_blocks."""

    first_line: int
    lines: int
    first_at: int
    last_at: int
    """µs since the epoch."""
    raw_bytes: int
    codec: str
    segments: bytes
    data: bytes
    crc: int
    events: int = 0
    """Lines of the stream `event`."""
    masked: int = 0
    """Places in them where a secret stood."""


COLUMNS = Block._fields.index("masked")
"""How many fields of a block are columns of its row; what was masked is counted for the whole log."""


class Seal(NamedTuple):
    """How far an execution's log is sealed."""

    lines: int
    position: str | None
    """Where to go on; None at the very beginning."""
    settled: bool
    """The execution has its terminal status: every closing mark was written before that."""
    log_lines: int | None
    """Lines of the whole log, known once everything is sealed."""


def look(connection: sqlite3.Connection, number: int) -> Seal | None:
    """The seal of an execution; None where there is no such execution. Writes nothing."""
    row = connection.execute(SQL["seal"], (number,)).fetchone()
    return None if row is None else Seal(row[0], row[1], bool(row[2]), row[3])


def append(
    connection: sqlite3.Connection, number: int, seen: Seal, blocks: Sequence[Block], position: str
) -> Seal | None:
    """Store the blocks that follow `seen` and move the seal behind them, to `position`.

    None, and nothing written, where the seal is no longer the one seen or the log is finished.
    """
    expected = seen.lines + 1
    for block in blocks:
        if block.first_line != expected:
            raise ValueError(f"block begins with line {block.first_line} instead of {expected}")
        expected += block.lines
    moved = seen._replace(lines=expected - 1, position=position)
    if not _move(connection, number, seen, moved, late_bytes=0, masked=sum(block.masked for block in blocks)):
        return None
    connection.executemany(SQL["insert_block"], ((number, *block[:COLUMNS]) for block in blocks))
    return moved


def finish(connection: sqlite3.Connection, number: int, seen: Seal, late_bytes: int) -> bool:
    """Say that a settled execution's log is sealed completely: from now on only the store is read.

    `late_bytes`: written after the attempts were over, not kept. False, and nothing written, where the seal is no
    longer the one seen, the log is finished already or the execution is not settled.
    """
    moved = seen._replace(position=seen.position or "")
    if not seen.settled or not _move(connection, number, seen, moved, late_bytes, masked=0):
        return False
    with stamped(connection, number):
        connection.execute(SQL["finish"], (seen.lines, number))
    return True


def _move(connection: sqlite3.Connection, number: int, seen: Seal, moved: Seal, late_bytes: int, masked: int) -> bool:
    """Compare and swap: the seal becomes `moved` where it still is `seen`."""
    now = look(connection, number)
    if now is None or now.log_lines is not None or (now.lines, now.position) != (seen.lines, seen.position):
        return False
    connection.execute(SQL["move_seal"], (number, moved.lines, moved.position, late_bytes, masked))
    return True
