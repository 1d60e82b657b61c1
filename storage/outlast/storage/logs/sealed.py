"""The sealed part of a log, read from the store."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from outlast.kernel import digests, retention
from outlast.kernel.errors import StoreDamaged
from outlast.kernel.queries import load
from outlast.kernel.seals import Block
from outlast.storage.logs.blocks import decode
from outlast.storage.logs.levels import RULES
from outlast.storage.logs.lines import Piece
from outlast.storage.logs.stretches import LevelCounts, Stretch

SQL = load("logs")
FEWEST, MOST = 4, 256
"""Block rows fetched at once: few for a page, more and more for whoever goes on."""


class BlockHead(NamedTuple):
    id: int
    first: int
    lines: int
    first_at: int
    last_at: int

    @property
    def last(self) -> int:
        return self.first + self.lines - 1


class SealedLog:
    """Blocks by line number. Numbers without a block are shown as removed or as damage, never skipped."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._number = number

    def forward(self, first: int, last: int) -> Iterator[Stretch]:
        """The stretches that hold lines `first` to `last`, in order."""
        expected, held = first, None
        for head in self._heads_forward(first, last):
            # A block reaches at most to the next one, whatever its own row says.
            if held is not None and held.last >= expected:
                yield self._stretch(held, min(held.last, head.first - 1))
                expected = min(held.last, head.first - 1) + 1
            if head.first > expected:
                yield self._missing(expected, head.first - 1)
                expected = head.first
            held = head
        if held is not None and held.last >= expected:
            yield self._stretch(held, min(held.last, last))
            expected = held.last + 1
        if expected <= last:
            yield self._missing(expected, last)

    def backward(self, last: int) -> Iterator[Stretch]:
        """The stretches that hold lines `last` to 1, the newest first."""
        expected = last
        for head in self._heads_backward(last):
            if head.last < expected:
                yield self._missing(head.last + 1, expected)
                expected = head.last
            yield self._stretch(head, expected)
            expected = head.first - 1
        if expected >= 1:
            yield self._missing(1, expected)

    def with_events(self, first: int, last: int) -> Iterator[Stretch]:
        """Only the stretches that hold lines of the stream `event`, of those with lines `first` to `last`."""
        held = self._connection.execute(SQL["block_with_line"], (self._number, first)).fetchone()
        behind, size = (held[1] if held is not None else first) - 1, FEWEST
        while rows := self._connection.execute(SQL["blocks_with_events"], (self._number, behind, size)).fetchall():
            for head in map(BlockHead._make, rows):
                if head.first > last:
                    return
                if head.last >= first:
                    yield self._stretch(head, min(head.last, last))
            behind = rows[-1][1]
            size = min(size * 2, MOST)

    def _heads_forward(self, first: int, last: int) -> Iterator[BlockHead]:
        rows = self._connection.execute(SQL["block_with_line"], (self._number, first)).fetchall()
        size = FEWEST
        while True:
            yield from (BlockHead(*row) for row in rows)
            cursor = rows[-1][1] if rows else first
            asked = (self._number, cursor, last, size)
            rows = self._connection.execute(SQL["blocks_after"], asked).fetchall()
            if not rows:
                return
            size = min(size * 2, MOST)

    def _heads_backward(self, last: int) -> Iterator[BlockHead]:
        size = FEWEST
        while rows := self._connection.execute(SQL["blocks_before"], (self._number, last, size)).fetchall():
            yield from (BlockHead(*row) for row in rows)
            last = rows[-1][1] - 1
            size = min(size * 2, MOST)

    def _stretch(self, head: BlockHead, last: int) -> Stretch:
        said = Counted(self._connection, self._number, head.first)
        return Stretch(head.first, last, head.first_at, head.last_at, None, partial(self._load, head), said)

    def _missing(self, first: int, last: int) -> Stretch:
        """Where there is no block."""

        def nothing() -> list[Piece]:
            removed = retention.removed_log_at(self._connection, self._number)
            if removed is None:
                raise unreadable(first, last, "no block holds them")
            day = datetime.fromtimestamp(removed / 1_000_000, UTC)
            raise StoreDamaged(f"removed on {day:%Y-%m-%d} to save room; the execution itself was kept")

        # Its time is unknown: no filter may leave it out.
        return Stretch(first, last, 0, 1 << 62, None, nothing)

    def _load(self, head: BlockHead) -> list[Piece]:
        try:
            row = self._connection.execute(SQL["load_block"], (head.id,)).fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            raise unreadable(head.first, head.last, str(error)) from error
        if row is None:
            raise unreadable(head.first, head.last, "the block is gone")
        return decode(Block(*row))


class Counted:
    """How many errors and warnings a block has; looked up when it is first asked."""

    def __init__(self, connection: sqlite3.Connection, number: int, first_line: int) -> None:
        self._asked = connection, number, first_line
        self._known: tuple[LevelCounts | None] | None = None

    def __call__(self) -> LevelCounts | None:
        """None where nobody has counted them, or by other rules."""
        if self._known is None:
            found = digests.levels_of_block(*self._asked)
            usable = found is not None and found.format == RULES
            self._known = (LevelCounts(found.errors, found.warnings) if found is not None and usable else None,)
        return self._known[0]


def unreadable(first: int, last: int, why: str) -> StoreDamaged:
    return StoreDamaged(
        f"Lines {first} to {last} cannot be read from the database ({why}); other lines are not affected.",
        next="outlast db check, then outlast db restore",
    )
