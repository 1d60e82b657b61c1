"""Which lines of a log a command prints, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from outlast.runtime.logbooks import EVERYTHING, LogQuery
from outlast.runtime.observer import Observer
from outlast.server.cli.session import Opened
from outlast.storage.logs.filters import MOST_LINES, LogFilter
from outlast.storage.logs.lines import LAST, Entry, Line, LogGap, Piece
from outlast.storage.logs.patterns import LinePattern
from outlast.storage.records import Execution

Entries = tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All lines, unless something else is said."""

    last: int | None = None
    """That many: the newest ones, or with `after` the first behind it."""
    after: int | None = None
    """Lines behind this number; 0 means from the beginning on."""
    before: int | None = None
    pattern: str | None = None
    wanted: LogFilter = EVERYTHING

    @property
    def dense(self) -> bool:
        """Whether every line between `after` and `before` is meant, so that numbers alone say which."""
        return self.pattern is None and self.wanted == EVERYTHING


def selected(observer: Opened[Observer], execution: Execution, selection: Selection) -> Iterator[Entries]:
    """The lines that are there now, ascending."""
    if selection.last is None or selection.after is not None:
        yield from oldest(observer, execution, selection)
    elif selection.dense:
        high = observer.call(observer.it.log_count, execution).lines
        if selection.before is not None:
            high = min(high, selection.before - 1)
        first = replace(selection, after=max(0, high - selection.last), before=high + 1, last=None)
        yield from oldest(observer, execution, first)
    else:
        yield from newest(observer, execution, selection, selection.last)


def oldest(observer: Opened[Observer], execution: Execution, selection: Selection) -> Iterator[Entries]:
    """From `after` on."""
    position, left = selection.after or 0, selection.last
    while left is None or left > 0:
        limit = MOST_LINES if left is None else min(left, MOST_LINES)
        query = LogQuery(limit=limit, after=position, pattern=selection.pattern, wanted=selection.wanted)
        page = observer.call(observer.it.logs, execution, query)
        entries = page.entries
        if page.search is not None:
            entries = tuple(sorted((*entries, *page.search.gaps), key=first_of))
        kept = tuple(e for e in entries if selection.before is None or first_of(e) < selection.before)
        if kept:
            yield kept
        if left is not None:
            left -= len(kept)
        if len(kept) < len(entries) or (page.search.complete if page.search else not entries):
            break
        position = page.search.searched_to if page.search else last_of(entries[-1])


def newest(observer: Opened[Observer], execution: Execution, selection: Selection, last: int) -> Iterator[Entries]:
    """The last ones in front of `before`, collected from the end."""
    pages: list[Entries] = []
    before, left = selection.before, last
    while left > 0:
        query = LogQuery(limit=min(left, MOST_LINES), before=before, pattern=selection.pattern, wanted=selection.wanted)
        page = observer.call(observer.it.logs, execution, query)
        pages.append(page.entries)
        left -= len(page.entries)
        if page.search.complete if page.search else not page.entries:
            break
        before = page.search.searched_from if page.search else first_of(page.entries[0])
    yield from reversed(pages)


def first_of(entry: Entry) -> int:
    return entry.first if isinstance(entry, LogGap) else entry.n


def last_of(entry: Entry) -> int:
    return entry.last if isinstance(entry, LogGap) else entry.n


class Matching:
    """Picks the lines that a pattern matches out of those that pass by."""

    def __init__(self, pattern: str | None) -> None:
        """Raises InvalidInput, naming the field `pattern`."""
        self._pattern = None if pattern is None else LinePattern(pattern)

    def of(self, entries: Entries) -> Entries:
        return tuple(entry for entry in entries if isinstance(entry, LogGap) or self._takes(entry))

    def _takes(self, line: Line) -> bool:
        if self._pattern is None:
            return True
        return bool(self._pattern.matches(Piece(line.n, 1, 0, line.at, LAST, line.data)))
