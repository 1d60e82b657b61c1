"""The newest, or the next, lines that match a pattern."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from outlast.storage.logs.filters import MOST_LINES, LogFilter, Sieve
from outlast.storage.logs.lines import Entry, LogGap
from outlast.storage.logs.patterns import LinePattern
from outlast.storage.logs.view import View, Window, runs

EVERYTHING = Sieve(LogFilter(), [])


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
    pattern: LinePattern
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
        return LogSearch(
            entries=self._shown(found),
            matches=found,
            searched_from=low,
            searched_to=high,
            complete=(low, high) == (self.low, self.high),
            gaps=sorted((gap for gap in gaps if gap.last >= low and gap.first <= high), key=lambda gap: gap.first),
        )

    def _shown(self, found: list[int]) -> list[Entry]:
        ranges: list[tuple[int, int]] = []
        for n in found:
            begin, end = max(1, n - self.context), min(self.view.count, n + self.context)
            if ranges and begin <= ranges[-1][1] + 1:
                begin = ranges.pop()[0]
            ranges.append((begin, end))
        return [entry for begin, end in ranges for entry in self.view.oldest(begin, end, EVERYTHING, end - begin + 1)]
