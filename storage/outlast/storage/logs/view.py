"""One look at a log: sealed blocks, then the rest of the spools, as one sequence that does not move."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.marks import is_event
from outlast.storage.logs.filters import MOST_BYTES, Sieve
from outlast.storage.logs.folding import folded
from outlast.storage.logs.levels import levels
from outlast.storage.logs.lines import WHOLE, Entry, LogGap, Piece, size_of
from outlast.storage.logs.sealed import SealedLog
from outlast.storage.logs.spools import SpoolLog
from outlast.storage.logs.stretches import Stretch


class LogCount(NamedTuple):
    lines: int
    final: bool
    """The execution is over and every line is counted."""


class Window(NamedTuple):
    """What of a piece, or of lines that cannot be loaded, belongs into an answer."""

    low: int
    high: int
    source: Piece | LogGap

    @property
    def size(self) -> int:
        """Entries: a gap is one, however many lines it stands for."""
        return 1 if isinstance(self.source, LogGap) or self.source.hidden else self.high - self.low + 1

    def content(self) -> Piece | LogGap:
        """The source without what does not belong to it."""
        if isinstance(self.source, LogGap):
            return LogGap(self.low, self.high, self.source.reason)
        return self.source.part(self.low, self.high)

    def entries(self) -> list[Entry]:
        if isinstance(self.source, LogGap):
            return [LogGap(self.low, self.high, self.source.reason)]
        return self.source.entries(self.low, self.high)

    def gaps(self) -> list[LogGap]:
        """What of it cannot be looked at."""
        hidden = isinstance(self.source, LogGap) or self.source.hidden
        return [entry for entry in self.entries() if isinstance(entry, LogGap)] if hidden else []

    def first(self, count: int) -> "Window":
        return self if self.size <= count else self._replace(high=self.low + count - 1)

    def last(self, count: int) -> "Window":
        return self if self.size <= count else self._replace(low=self.high - count + 1)


@dataclass(slots=True)
class View:
    blocks: SealedLog
    sealed: int
    """Lines in blocks. They win over files."""
    spools: SpoolLog | None
    final: bool
    """No line will be added."""
    whole: bool = True
    """Every line that has a number so far is in it."""
    _loaded: tuple[int, list[Piece]] = (0, [])

    @property
    def count(self) -> int:
        return self.sealed if self.spools is None else max(self.sealed, self.spools.count)

    def forward(self, first: int) -> Iterator[Stretch]:
        """The stretches from line `first` on."""
        if first <= self.sealed:
            yield from self.blocks.forward(first, self.sealed)
        if self.spools is not None:
            for stretch in self.spools.forward(max(first, self.sealed + 1)):
                if stretch.last > self.sealed:
                    yield stretch._replace(first=max(stretch.first, self.sealed + 1))

    def with_events(self, first: int) -> Iterator[Stretch]:
        """Of the stretches from line `first` on those that hold lines of the stream `event`."""
        if first <= self.sealed:
            yield from self.blocks.with_events(first, self.sealed)
        if self.spools is not None:
            for stretch in self.spools.forward(max(first, self.sealed + 1)):
                if stretch.last > self.sealed and any(map(is_event, stretch.spools or ())):
                    yield stretch._replace(first=max(stretch.first, self.sealed + 1))

    def backward(self, last: int) -> Iterator[Stretch]:
        """The stretches from line `last` back to line 1."""
        if self.spools is not None and last > self.sealed:
            for stretch in self.spools.backward(last):
                if stretch.last <= self.sealed:
                    break
                yield stretch._replace(first=max(stretch.first, self.sealed + 1))
        if last := min(last, self.sealed):
            yield from self.blocks.backward(last)

    def windows(self, stretch: Stretch, low: int, high: int, sieve: Sieve, *, newest: bool = False) -> Iterator[Window]:
        """What of a stretch lies within `low` to `high` and passes. Damage passes: nobody knows what it hides."""
        low, high = max(low, stretch.first), min(high, stretch.last)
        if low > high or not sieve.may_take(stretch):
            return
        try:
            pieces = self._load(stretch)
        except StoreDamaged as error:
            yield Window(low, high, LogGap(low, high, error.message))
            return
        for piece in reversed(pieces) if newest else pieces:
            if piece.last >= low and piece.first <= high and sieve.takes(piece.spool, piece.at):
                window = Window(max(low, piece.first), min(high, piece.last), piece)
                if sieve.level is None or piece.hidden:
                    yield window
                else:
                    said = telling(piece.part(window.low, window.high), sieve.level)
                    yield from reversed(said) if newest else said

    def _load(self, stretch: Stretch) -> list[Piece]:
        """The last stretch loaded is remembered: neighbouring matches ask for the same one again."""
        first, pieces = self._loaded
        if first != stretch.first:
            pieces = stretch.load()
            self._loaded = (stretch.first, pieces)
        return pieces

    def oldest(self, low: int, high: int, sieve: Sieve, limit: int) -> list[Entry]:
        """The first `limit` entries within `low` to `high` that pass; fewer where they reach MOST_BYTES."""
        entries: list[Entry] = []
        size = 0
        for stretch in self.forward(low):
            if stretch.first > high or sieve.too_late(stretch):
                break
            for window in self.windows(stretch, low, high, sieve):
                part = window.first(limit - len(entries)).entries()
                entries += part
                size += size_of(part)
                if len(entries) == limit or size >= MOST_BYTES:
                    return entries
        return entries

    def newest(self, low: int, high: int, sieve: Sieve, limit: int) -> list[Entry]:
        """The last `limit` entries within `low` to `high` that pass, ascending; fewer where they reach MOST_BYTES."""
        parts: list[list[Entry]] = []
        size = 0
        for stretch in self.backward(high):
            if limit == 0 or size >= MOST_BYTES or stretch.last < low or sieve.too_early(stretch):
                break
            for window in self.windows(stretch, low, high, sieve, newest=True):
                parts.append(window.last(limit).entries())
                limit -= len(parts[-1])
                size += size_of(parts[-1])
                if limit == 0 or size >= MOST_BYTES:
                    break
        return [entry for part in reversed(parts) for entry in part]


def telling(piece: Piece, level: int) -> list[Window]:
    """The lines of a piece that have the level, neighbours together."""
    found: list[list[int]] = []
    for said in levels(folded(piece.data)):
        if said.level < level:
            continue
        if found and found[-1][-1] + 1 == said.line:
            found[-1].append(said.line)
        else:
            found.append([said.line])
    if piece.kind != WHOLE:
        return [Window(piece.first, piece.last, piece) for _ in found]
    texts = piece.data.split(b"\n") if found else []
    windows: list[Window] = []
    for begin, end in ((run[0], run[-1] + 1) for run in found):
        low, data = piece.first + begin, b"\n".join(texts[begin:end]) + b"\n"
        part = piece._replace(first=low, lines=end - begin, data=data)
        windows.append(Window(low, part.last, part))
    return windows


def runs(windows: Iterable[Window]) -> list[Window]:
    """Windows with neighbouring whole lines joined: searching few long pieces is faster than many short ones.

    Of a joined piece only numbers and text are true; it may come from several spools and marks.
    """
    groups: list[list[Window]] = []
    for window in windows:
        if groups and _adjoin(groups[-1][-1].source, window.source):
            groups[-1].append(window)
        else:
            groups.append([window])
    return [group[0] if len(group) == 1 else _joined(group) for group in groups]


def _adjoin(before: Piece | LogGap, after: Piece | LogGap) -> bool:
    return (
        isinstance(before, Piece)
        and isinstance(after, Piece)
        and before.kind == after.kind == WHOLE
        and before.last + 1 == after.first
    )


def _joined(group: list[Window]) -> Window:
    pieces = [window.source for window in group if isinstance(window.source, Piece)]
    lines, data = sum(piece.lines for piece in pieces), b"".join(piece.data for piece in pieces)
    return Window(group[0].low, group[-1].high, pieces[0]._replace(lines=lines, data=data))
