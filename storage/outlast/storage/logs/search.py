"""The newest, or the next, lines that match a pattern."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from outlast.storage.logs.filters import MOST_BYTES, MOST_LINES, LogFilter, Sieve
from outlast.storage.logs.lines import Entry, LogGap, size_of
from outlast.storage.logs.patterns import EveryLine, LinePattern
from outlast.storage.logs.view import View, Window, runs

EVERYTHING = Sieve(LogFilter(), [])
AT_ONCE = 8
"""Neighbouring lines that are loaded at once to be shown; each may have 1 MiB."""


@dataclass(frozen=True, slots=True)
class LogSearch:
    entries: list[Entry]
    """The matching lines with their context, ascending."""
    matches: list[int]
    """The numbers of the matching lines, ascending."""
    searched_from: int
    searched_to: int
    """Between these numbers, both included, every match is in `matches`."""
    complete: bool
    """Everything that was asked for was searched: neither the limit nor the time ended the search."""
    gaps: list[LogGap]
    """Lines within what was searched that could not be looked at."""


@dataclass(frozen=True, slots=True)
class Search:
    """Looks through lines `low` to `high`, from the newest back or from the oldest on."""

    view: View
    pattern: LinePattern | EveryLine
    sieve: Sieve
    low: int
    high: int
    newest: bool
    limit: int
    """Matches."""
    context: int
    """Lines shown before and after each match, whatever the filter."""
    out_of_time: Callable[[], bool]

    def run(self) -> LogSearch:
        """At least one stretch is searched, however little time there is: whoever asks again gets further."""
        limit = min(self.limit, max(1, MOST_LINES // (2 * self.context + 1)))
        found: list[int] = []
        gaps: list[LogGap] = []
        low, high = self.low, self.high
        for stretch in self.view.backward(high) if self.newest else self.view.forward(low):
            if stretch.last < low or stretch.first > high:
                break
            if self.sieve.too_early(stretch) if self.newest else self.sieve.too_late(stretch):
                break
            hits = self._hits(self.view.windows(stretch, self.low, self.high, self.sieve), gaps)
            room = limit - len(found)
            if self.newest:
                kept = hits[-room:]
                found = kept + found
                low = kept[0] if len(kept) < len(hits) else max(self.low, stretch.first)
            else:
                kept = hits[:room]
                found += kept
                high = kept[-1] if len(kept) < len(hits) else min(self.high, stretch.last)
            if len(found) == limit or self.out_of_time():
                return self._result(found, gaps, low, high)
            low, high = self.low, self.high
        return self._result(found, gaps, self.low, self.high)

    def _hits(self, windows: Iterable[Window], gaps: list[LogGap]) -> list[int]:
        hits: list[int] = []
        for window in runs(windows):
            gaps += window.gaps()
            if not isinstance(window.source, LogGap):
                hits += (n for n in self.pattern.matches(window.source) if window.low <= n <= window.high)
        return hits

    def _result(self, found: list[int], gaps: list[LogGap], low: int, high: int) -> LogSearch:
        shown, entries = self._shown(found)
        if len(shown) < len(found):
            # As if these had been the limit.
            low, high = (shown[0], high) if self.newest else (low, shown[-1])
        return LogSearch(
            entries=entries,
            matches=shown,
            searched_from=low,
            searched_to=high,
            complete=(low, high) == (self.low, self.high),
            gaps=sorted((gap for gap in gaps if gap.last >= low and gap.first <= high), key=lambda gap: gap.first),
        )

    def _shown(self, found: list[int]) -> tuple[list[int], list[Entry]]:
        """The matches that fit into one answer, and they with what stands around them."""
        matches: list[list[int]] = []
        parts: list[list[Entry]] = []
        size = 0
        groups = self._groups(found)
        for begin, end, numbers in reversed(groups) if self.newest else groups:
            entries = self.view.oldest(begin, end, EVERYTHING, end - begin + 1)
            if size_of(entries) >= MOST_BYTES:
                # Lines so long that what stands around a match could take its place.
                entries = self.view.oldest(numbers[0], numbers[-1], EVERYTHING, end - begin + 1)
            matches.append(numbers)
            parts.append(entries)
            size += size_of(entries)
            if size >= MOST_BYTES:
                break
        order = -1 if self.newest else 1
        return [n for part in matches[::order] for n in part], [entry for part in parts[::order] for entry in part]

    def _groups(self, found: list[int]) -> list[tuple[int, int, list[int]]]:
        """Which lines to show, and the matches among them: neighbours together, as far as memory allows."""
        groups: list[tuple[int, int, list[int]]] = []
        for n in found:
            begin, end = max(1, n - self.context), min(self.view.count, n + self.context)
            if groups and begin <= groups[-1][1] + 1:
                first, last, numbers = groups[-1]
                if end - first < AT_ONCE or end == last:
                    groups[-1] = (first, end, [*numbers, n])
                    continue
                begin = last + 1
            groups.append((begin, end, [n]))
        return groups
