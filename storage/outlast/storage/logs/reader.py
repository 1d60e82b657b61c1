"""Reading the log of one execution: the same answers while it is live, half sealed or sealed."""

import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from outlast.kernel import seals
from outlast.kernel.errors import InvalidInput
from outlast.kernel.executions import not_found
from outlast.kernel.home import RunDirectory
from outlast.kernel.permalinks import Lines
from outlast.kernel.retention import removed_log_at
from outlast.storage.logs.digest import Digest
from outlast.storage.logs.digesting import FEWEST_LINES, Digested, Remembered, load
from outlast.storage.logs.filters import LogFilter, Sieve, check_limit
from outlast.storage.logs.lines import Entry, Line
from outlast.storage.logs.masking import TOKENS_ONLY, Masker
from outlast.storage.logs.patterns import EveryLine, LinePattern
from outlast.storage.logs.positions import Position, decode_position
from outlast.storage.logs.scanning import scan, scan_events
from outlast.storage.logs.sealed import SealedLog
from outlast.storage.logs.search import LogSearch, Search
from outlast.storage.logs.spools import SpoolLog
from outlast.storage.logs.view import LogCount, View
from outlast.storage.logs.walks import SpoolFiles

MOST_CONTEXT = 100
ALL = LogFilter()

GLANCE = 16 << 20
"""Bytes of lines that a glance reads at most: some hundredths of a second."""

T = TypeVar("T")


class Glance(NamedTuple):
    """What is known of a log without reading all that came since the last look."""

    counted: LogCount
    last: Line | None
    """The newest line; None where there is none, or where the count has not caught up with it."""


class Found(NamedTuple):
    """The next lines that may be events, as far as bounded reading came."""

    lines: list[Line]
    """Ascending."""
    seen: int
    """Every line up to this number was looked at."""
    whole: bool
    """There is no line behind `seen` so far."""
    final: bool
    """There will be none."""


class LogReader:
    """Keep one for as long as an execution is watched: what it read of the spools is indexed, not read again.

    For one thread at a time, the one that `connection` belongs to. Nothing is read before the first question.
    A question about an execution that is not in the store raises NotFound.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        number: int,
        run_directory: RunDirectory | None,
        steps: Iterable[str],
        masker: Masker = TOKENS_ONLY,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`run_directory`: None where there is none any more. `steps`: the ids of the plan's steps in order.
        `masker`: takes out what no line may show."""
        self._connection = connection
        self._number = number
        self._directory = run_directory
        self._steps = list(steps)
        self._masker = masker
        self._clock = clock
        self._spools: SpoolLog | None = None
        self._blocks = SealedLog(connection, number)
        self._digests: dict[str | None, Remembered] = {}
        """By step; None for the whole log."""

    def count(self) -> LogCount:
        return self._answer(lambda view: LogCount(view.count, view.final))

    def glance(self) -> Glance:
        """How many lines there are and what the newest one says, in bounded time: reads GLANCE bytes more than the
        questions before it did. Where that was not enough the count is short, not final, and there is no last line."""

        def look(view: View) -> Glance:
            newest = view.newest(1, view.count, Sieve(ALL, self._steps), 1) if view.whole else []
            last = next((entry for entry in newest if isinstance(entry, Line)), None)
            return Glance(LogCount(view.count, view.final), last)

        return self._answer(look, GLANCE)

    def last(self, limit: int, wanted: LogFilter = ALL) -> list[Entry]:
        """The newest `limit` lines, ascending."""
        check_limit(limit)
        sieve = Sieve(wanted, self._steps)
        return self._answer(lambda view: view.newest(1, view.count, sieve, limit))

    def after(self, n: int, limit: int, wanted: LogFilter = ALL) -> list[Entry]:
        """The first `limit` lines behind line `n`, ascending."""
        check_limit(limit)
        low = line_number("after", n) + 1
        sieve = Sieve(wanted, self._steps)
        return self._answer(lambda view: view.oldest(low, view.count, sieve, limit))

    def before(self, n: int, limit: int, wanted: LogFilter = ALL) -> list[Entry]:
        """The last `limit` lines in front of line `n`, ascending."""
        check_limit(limit)
        high = line_number("before", n) - 1
        sieve = Sieve(wanted, self._steps)
        return self._answer(lambda view: view.newest(1, min(high, view.count), sieve, limit))

    def within(self, lines: Lines, limit: int, wanted: LogFilter = ALL, *, newest: bool = False) -> list[Entry]:
        """The first `limit` of these lines, or the last ones, ascending."""
        check_limit(limit)
        sieve = Sieve(wanted, self._steps)
        low = line_number("lines", lines.first)

        def look(view: View) -> list[Entry]:
            find = view.newest if newest else view.oldest
            return find(low, min(lines.last, view.count), sieve, limit)

        return self._answer(look)

    def search(
        self,
        pattern: str | None,
        limit: int = 50,
        context: int = 0,
        *,
        after: int | None = None,
        before: int | None = None,
        wanted: LogFilter = ALL,
        seconds: float = 5.0,
    ) -> LogSearch:
        """The newest `limit` matching lines (before line `before`), or with `after` the first ones behind it. Without a
        pattern every line that is wanted matches.

        Stops when `seconds` are over and says how far it came. Where limit and context together would make more
        than 1,000 lines, fewer matches are returned. Raises InvalidInput naming the field.
        """
        check_limit(limit)
        if not 0 <= context <= MOST_CONTEXT:
            raise InvalidInput(f"context: {context} is not from 0 to {MOST_CONTEXT}.", next="ask for less context")
        compiled = EveryLine() if pattern is None else LinePattern(pattern)
        sieve = Sieve(wanted, self._steps)
        low = 1 if after is None else line_number("after", after) + 1
        end = self._clock() + seconds

        def look(view: View) -> LogSearch:
            high = view.count if before is None else min(view.count, line_number("before", before) - 1)
            return Search(
                view=view,
                pattern=compiled,
                sieve=sieve,
                low=low,
                high=high,
                newest=after is None,
                limit=limit,
                context=context,
                out_of_time=lambda: self._clock() >= end,
            ).run()

        return self._answer(look)

    def next_events(self, printed: LinePattern | None, after: int, limit: int, seconds: float) -> Found:
        """The lines behind line `after` that may be events: those of the stream `event`, and of the others those that
        `printed` matches. In bounded time: it reads at most GLANCE bytes that no question before it has read, or a
        tenth of that where no printed line is looked for, and once `limit` lines are found or `seconds` are over it
        looks no further."""
        end = self._clock() + seconds

        def enough(lines: int) -> bool:
            return lines >= limit or self._clock() >= end

        def look(view: View) -> Found:
            lines, seen = ([], view.count) if printed is None else scan(view, printed, after + 1, enough)
            told = scan_events(view, after + 1, seen, enough)
            both = {line.n: line for line in (*lines, *told.lines) if line.n <= told.seen}
            whole = view.whole and told.seen >= view.count
            return Found([both[n] for n in sorted(both)], told.seen, whole, view.final and whole)

        return self._answer(look, GLANCE // 10 if printed is None else GLANCE)

    def digest(self, step: str | None, seconds: float) -> Digested:
        """What the log, or one step of it, adds up to; in bounded time: whoever asks again gets further. As `glance` it
        reads at most GLANCE bytes of spools that no question before it has read."""
        sieve = Sieve(LogFilter(step=step), self._steps)
        end = self._clock() + seconds

        def look(view: View) -> Digested:
            found = self._remembered(step, view.sealed).look(view, sieve, lambda: self._clock() >= end)
            if view.spools is not None and view.spools.files.missing:
                self._digests.clear()  # what is said to be gone may be in blocks by now
            return found

        return self._answer(look, GLANCE)

    def _remembered(self, step: str | None, sealed: int) -> Remembered:
        known = self._digests.get(step)
        if known is not None and (known.sealed.lines > sealed or removed_log_at(self._connection, self._number)):
            known = None  # an older store was put back; or what was there is not there any more
        behind = sealed - (known.sealed.lines if known is not None else 0)
        if known is None or (step is None and behind >= FEWEST_LINES):
            digest = load(self._connection, self._number)[1] if step is None else Digest()
            if known is None or digest.lines > known.sealed.lines:
                known = Remembered(digest if digest.lines <= sealed else Digest())
        self._digests[step] = known
        return known

    def close(self) -> None:
        """Close the spools. Another question opens them again."""
        if self._spools is not None:
            self._spools.files.close()
            self._spools = None

    def _answer(self, ask: Callable[[View], T], most: int | None = None) -> T:
        """`most`: bytes of lines that may be read to get to know the log."""
        view = self._look(most)
        answer = ask(view)
        if view.spools is not None and view.spools.files.missing and self._seal().log_lines is not None:
            # Files were removed while we read: by now everything is in blocks.
            answer = ask(self._look(most))
        return answer

    def _look(self, most: int | None) -> View:
        # The store first: a settled execution's closing marks were written before it says so.
        seal = self._seal()
        if self._directory is None or seal.log_lines is not None:
            self.close()
            return View(self._blocks, seal.lines, None, seal.settled or seal.log_lines is not None)
        if self._spools is not None and (self._spools.first > seal.lines + 1 or self._spools.stale):
            self.close()  # an older store was put back: blocks that were there are not; or lines are gone
        if self._spools is None:
            position = Position() if not seal.position else decode_position(seal.lines, seal.position)
            try:
                files = SpoolFiles(self._directory, self._steps)
            except FileNotFoundError:
                # Nothing was printed yet, or everything is sealed by now and the files are gone.
                seal = self._seal()
                return View(self._blocks, seal.lines, None, seal.log_lines is not None)
            self._spools = SpoolLog(files, position, self._masker)
        whole = self._spools.extend(most)
        self._spools.forget(seal.lines)
        return View(self._blocks, seal.lines, self._spools, final=seal.settled and whole, whole=whole)

    def _seal(self) -> seals.Seal:
        seal = seals.look(self._connection, self._number)
        if seal is None:
            self.close()
            raise not_found(self._number)
        return seal


def line_number(field: str, n: int) -> int:
    if n < 0:
        raise InvalidInput(f"{field}: {n} is no line number.", next="line numbers begin with 1")
    return n
