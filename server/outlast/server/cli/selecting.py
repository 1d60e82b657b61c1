"""Which lines of a log a command prints, page by page."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from outlast.runtime.logbooks import EVERYTHING, LogPage, LogQuery
from outlast.runtime.observer import Observer
from outlast.server.cli.session import Opened
from outlast.storage.logs.filters import MOST_LINES, LogFilter
from outlast.storage.logs.levels import LEAST, PLAIN, level_of
from outlast.storage.logs.lines import LAST, Entry, Line, LogGap, Piece
from outlast.storage.logs.patterns import LinePattern
from outlast.storage.records import Execution

Entries = tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All lines, unless something else is said."""

    last: int | None = None
    """That many, or that many matches: the newest ones, or with `after` the first behind it."""
    after: int | None = None
    """Lines behind this number; 0 means from the beginning on."""
    before: int | None = None
    pattern: str | None = None
    context: int = 0
    """Lines around each match."""
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
    position, left, shown = selection.after or 0, selection.last, 0
    high = math.inf if selection.before is None else selection.before - 1
    while (left is None or left > 0) and position < high:
        page = observer.call(observer.it.logs, execution, query_of(selection, left, after=position))
        # What stands around a match may stand around the one of the page before, too.
        entries = tuple(e for e in entries_of(page, selection, high) if shown < last_of(e))
        if entries:
            yield entries
            shown = last_of(entries[-1])
        if left is not None:
            left -= len(entries) if page.search is None else sum(n <= high for n in page.search.matches)
        if page.search.complete if page.search else not page.entries:
            break
        position = page.search.searched_to if page.search else last_of(page.entries[-1])


def newest(observer: Opened[Observer], execution: Execution, selection: Selection, last: int) -> Iterator[Entries]:
    """The last ones in front of `before`, collected from the end."""
    pages: list[Entries] = []
    before, left, shown = selection.before, last, math.inf
    while left > 0:
        page = observer.call(observer.it.logs, execution, query_of(selection, left, before=before))
        entries = tuple(e for e in entries_of(page, selection, math.inf) if first_of(e) < shown)
        if entries:
            pages.append(entries)
            shown = first_of(entries[0])
        left -= len(entries) if page.search is None else len(page.search.matches)
        if page.search.complete if page.search else not page.entries:
            break
        before = page.search.searched_from if page.search else first_of(page.entries[0])
    yield from reversed(pages)


def query_of(
    selection: Selection, left: int | None, *, after: int | None = None, before: int | None = None
) -> LogQuery:
    """The question for the next page. `left`: how many lines or matches are still to come; None for all."""
    limit = MOST_LINES if left is None else min(left, MOST_LINES)
    return LogQuery(
        limit=limit,
        after=after,
        before=before,
        pattern=selection.pattern,
        context=selection.context,
        wanted=selection.wanted,
    )


def entries_of(page: LogPage, selection: Selection, high: float) -> Entries:
    """The lines of a page up to number `high`, and of a search what could not be searched."""
    if page.search is None:
        return tuple(e for e in page.entries if first_of(e) <= high)
    # What stands in front of the first match behind `high` is not meant either.
    last = max((n for n in page.search.matches if n <= high), default=0) + selection.context
    lines = [e for e in page.entries if isinstance(e, Line) and e.n <= min(last, high)]
    gaps = [gap for gap in page.search.gaps if gap.first <= high]
    hidden = [e for e in page.entries if isinstance(e, LogGap) and e.first <= min(last, high) and not covered(e, gaps)]
    return tuple(sorted((*lines, *gaps, *hidden), key=first_of))


def covered(gap: LogGap, by: list[LogGap]) -> bool:
    return any(other.first <= gap.first <= other.last for other in by)


def first_of(entry: Entry) -> int:
    return entry.first if isinstance(entry, LogGap) else entry.n


def last_of(entry: Entry) -> int:
    return entry.last if isinstance(entry, LogGap) else entry.n


class Matching:
    """Picks the lines that a pattern matches, and that have a level, out of those that pass by."""

    def __init__(self, pattern: str | None, level: str | None = None) -> None:
        """Raises InvalidInput, naming the field `pattern`."""
        self._least = PLAIN if level is None else LEAST[level]
        self._pattern = None if pattern is None else LinePattern(pattern)

    def of(self, entries: Entries) -> Entries:
        return tuple(entry for entry in entries if isinstance(entry, LogGap) or self._takes(entry))

    def _takes(self, line: Line) -> bool:
        if self._least != PLAIN and level_of(line.data) < self._least:
            return False
        if self._pattern is None:
            return True
        return bool(self._pattern.matches(Piece(line.n, 1, 0, line.at, LAST, line.data)))
