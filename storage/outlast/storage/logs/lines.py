"""One line, one piece of a log, one gap in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from outlast.kernel.marks import Spool
from outlast.storage.logs.masking import Masker

WHOLE, LAST, CUT, GAP, GONE, LOST = 0, 1, 2, 3, 4, 5
"""What a piece holds: lines with their newlines · one last line without newline · the beginning of a line that
goes on in the next number of its spool · lines that were dropped · lines whose file was emptied or removed · bytes
that a power cut took from the end of a spool, which stand for one line."""
REASONS = {
    GAP: "dropped: the log was over its size limit",
    GONE: "gone: something emptied or removed the log file, as > /dev/stderr does (>> /dev/stderr does not)",
    LOST: "lost: the power went before they were on the disk",
}


@dataclass(frozen=True, slots=True)
class Line:
    n: int
    """From 1 over the whole execution."""
    at: int
    """µs since the epoch: when it arrived, within one tick of the marks."""
    spool: Spool
    data: bytes
    """Exactly what was written, without the newline; secrets masked."""
    cut: bool = False
    """The line goes on in the next number of its spool."""
    ended: bool = True
    """Its newline was printed; not so for a last line that ends with the output, nor for a cut one."""


@dataclass(frozen=True, slots=True)
class LogGap:
    """Lines `first` to `last` have numbers but cannot be shown."""

    first: int
    last: int
    reason: str


Entry: TypeAlias = Line | LogGap


class Piece(NamedTuple):
    """Consecutive lines of one spool that arrived with one mark."""

    first: int
    lines: int
    spool: int
    """Packed; see kernel.marks.Spool."""
    at: int
    kind: int
    data: bytes
    lost: int = 0
    """How many bytes a LOST one stands for."""

    @property
    def last(self) -> int:
        return self.first + self.lines - 1

    @property
    def hidden(self) -> bool:
        """Its lines have numbers and no bytes."""
        return self.kind in REASONS

    def entries(self, low: int, high: int) -> list[Entry]:
        """The lines numbered `low` to `high`, as far as they are in this piece; those without bytes as one gap."""
        low, high = max(low, self.first), min(high, self.last)
        if low > high:
            return []
        if self.hidden:
            count = f"{self.lost:,} bytes were " if self.kind == LOST else ""
            return [LogGap(low, high, count + REASONS[self.kind])]
        spool = Spool.unpack(self.spool)
        if self.kind != WHOLE:
            return [Line(self.first, self.at, spool, self.data, self.kind == CUT, ended=False)]
        texts = self.data.split(b"\n")[low - self.first : high - self.first + 1]
        return [Line(n, self.at, spool, text) for n, text in enumerate(texts, low)]

    def part(self, low: int, high: int) -> "Piece":
        """Lines `low` to `high` of it, which it must hold."""
        if (low, high) == (self.first, self.last):
            return self
        if self.kind != WHOLE:
            return self._replace(first=low, lines=high - low + 1)
        texts = self.data.split(b"\n")[low - self.first : high - self.first + 1]
        return self._replace(first=low, lines=high - low + 1, data=b"\n".join(texts) + b"\n")

    def masked(self, masker: Masker) -> "Piece":
        """The same piece without what no line may show."""
        data, hits = masker.mask(self.data)
        return self._replace(data=data) if hits else self


def size_of(entries: Iterable[Entry]) -> int:
    """Bytes of the lines."""
    return sum(len(entry.data) for entry in entries if isinstance(entry, Line))


def joined_gaps(entries: Iterable[Entry]) -> list[Entry]:
    """The entries with neighbouring gaps of one reason as one."""
    result: list[Entry] = []
    for entry in entries:
        before = result[-1] if result else None
        if (
            isinstance(entry, LogGap)
            and isinstance(before, LogGap)
            and (before.last + 1, before.reason) == (entry.first, entry.reason)
        ):
            result[-1] = LogGap(before.first, entry.last, entry.reason)
        else:
            result.append(entry)
    return result
