"""The part of a log that lies in spools: counted once, then any page of it is near at hand."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from outlast.storage.logs.lines import Entry, Piece
from outlast.storage.logs.masking import TOKENS_ONLY, Masker
from outlast.storage.logs.positions import Position
from outlast.storage.logs.stretches import Stretch
from outlast.storage.logs.walks import SpoolFiles, Walk

STRETCH = 1 << 16
"""Bytes of lines after which a checkpoint is taken."""
STRETCH_MARKS = 64
"""Marks after which one is taken too: going through many small marks again takes longer than reading their bytes."""


MARK_COST = 1024
"""Bytes that could be read in the time that a mark takes, whatever came with it."""


class Checkpoint(NamedTuple):
    position: Position
    spools: frozenset[int]
    """Where the lines from here to the next checkpoint come from."""


class SpoolLog:
    """An index over marks and spools from a position on. It holds a checkpoint for every 64 KiB, and no line."""

    def __init__(self, files: SpoolFiles, position: Position, masker: Masker = TOKENS_ONLY) -> None:
        self.files = files
        self._masker = masker
        self._walk = Walk(files, position)
        self._emptied = files.emptied.count
        self._index: list[Checkpoint] = []
        self._begin: Position = position
        """Where the stretch that still grows begins."""
        self._spools: set[int] = set()
        self._bytes = 0

    @property
    def count(self) -> int:
        """Lines so far, from the beginning of the execution."""
        return self._walk.lines

    @property
    def closed(self) -> frozenset[int]:
        """The packed spools whose attempts are over."""
        return self._walk.closed

    @property
    def stale(self) -> bool:
        """A spool was emptied since: what is known about its lines is not true any more."""
        self.files.emptied.look()
        return self.files.emptied.count != self._emptied

    @property
    def first(self) -> int:
        """The lowest line number that is at hand here."""
        return (self._index[0].position if self._index else self._begin).lines + 1

    def extend(self, most: int | None = None) -> bool:
        """Take in the marks that were appended since the last call; or only as much as takes the time of `most` bytes
        of lines. Whether it was all."""
        walk, taken = self._walk, 0
        while most is None or taken < most:
            if self._bytes >= STRETCH or walk.marks - self._begin.marks >= STRETCH_MARKS * 32:
                self._checkpoint()
            piece = walk.next(STRETCH, marks=STRETCH_MARKS)
            if piece is not None:
                self._bytes += len(piece.data)
                self._spools.add(piece.spool)
                taken += len(piece.data) + MARK_COST
            elif walk.exhausted:
                return True
            else:
                taken += STRETCH_MARKS * MARK_COST
        return False

    def _checkpoint(self) -> None:
        if self._walk.lines > self._begin.lines:
            spools = frozenset(self._spools)
            if self._index and self._index[-1].spools == spools:
                spools = self._index[-1].spools  # one object for all that are alike
            self._index.append(Checkpoint(self._begin, spools))
        self._begin = self._walk.position()
        self._spools.clear()
        self._bytes = 0

    def forget(self, sealed: int) -> None:
        """Let go of what is known about lines up to `sealed`: blocks show them now."""
        if sealed >= self._begin.lines:
            self._index.clear()
        else:
            known = bisect_right(self._index, sealed, key=lambda checkpoint: checkpoint.position.lines)
            del self._index[: max(0, known - 1)]

    def forward(self, first: int) -> Iterator[Stretch]:
        """The stretches from line `first` on."""
        for i in range(self._find(first), len(self._index) + 1):
            if (stretch := self._stretch(i)) is not None:
                yield stretch

    def backward(self, last: int) -> Iterator[Stretch]:
        """The stretches from line `last` back."""
        for i in range(self._find(last), -1, -1):
            if (stretch := self._stretch(i)) is not None:
                yield stretch

    def read(self, first: int, limit: int) -> list[Entry]:
        """Up to `limit` lines from number `first` on."""
        last = min(first + limit - 1, self.count)
        entries: list[Entry] = []
        for stretch in self.forward(first):
            if stretch.first > last:
                break
            for piece in stretch.load():
                entries += piece.entries(first, min(last, stretch.last))
        return entries

    def _find(self, n: int) -> int:
        """The index of the stretch that holds line `n`, or of the nearest."""
        if n > self._begin.lines:
            return len(self._index)
        return max(0, bisect_left(self._index, n, key=lambda checkpoint: checkpoint.position.lines) - 1)

    def _stretch(self, i: int) -> Stretch | None:
        if i < len(self._index):
            begin, spools = self._index[i]
            end = self._index[i + 1].position if i + 1 < len(self._index) else self._begin
            last, last_at = end.lines, end.at
        else:
            begin, spools = self._begin, frozenset(self._spools)
            last, last_at = self._walk.lines, self._walk.at
        if last == begin.lines:
            return None
        return Stretch(begin.lines + 1, last, begin.at, last_at, spools, partial(self._load, begin, last))

    def _load(self, begin: Position, last: int) -> list[Piece]:
        walk = Walk(self.files, begin)
        pieces: list[Piece] = []
        while walk.lines < last and (piece := walk.next(STRETCH)) is not None:
            pieces.append(piece.masked(self._masker))
        return pieces
