"""Going through a log from a line on and picking lines; many hits cost little more than few."""

from collections.abc import Callable
from typing import NamedTuple

from outlast.storage.logs.filters import LogFilter, Sieve
from outlast.storage.logs.lines import Line, Piece
from outlast.storage.logs.patterns import LinePattern
from outlast.storage.logs.view import View

EVERYTHING = Sieve(LogFilter(), [])
EVENTS = Sieve(LogFilter(stream="event"), [])


class Scanned(NamedTuple):
    lines: list[Line]
    """Those that match, ascending."""
    seen: int
    """Every line up to this number was looked at."""


def scan(view: View, pattern: LinePattern, low: int, enough: Callable[[int], bool]) -> Scanned:
    """The matching lines from number `low` on. After each stretch `enough` is asked with how many were found."""
    lines: list[Line] = []
    seen = low - 1
    for stretch in view.forward(low):
        for window in view.windows(stretch, low, view.count, EVERYTHING):
            if isinstance(window.source, Piece) and (hits := set(pattern.matches(window.source))):
                lines += (entry for entry in window.entries() if isinstance(entry, Line) and entry.n in hits)
        seen = max(seen, stretch.last)
        if enough(len(lines)):
            break
    return Scanned(lines, seen)


def scan_events(view: View, low: int, high: int, enough: Callable[[int], bool]) -> Scanned:
    """The lines of the stream `event` numbered `low` to `high`. Blocks and spools without any are not read."""
    lines: list[Line] = []
    for stretch in view.with_events(low):
        if stretch.first > high:
            break
        for window in view.windows(stretch, low, high, EVENTS):
            lines += (entry for entry in window.entries() if isinstance(entry, Line))
        if enough(len(lines)):
            return Scanned(lines, min(max(low - 1, stretch.last), high))
    return Scanned(lines, max(low - 1, high))
