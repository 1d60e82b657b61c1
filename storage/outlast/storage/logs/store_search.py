"""Looking for lines in the logs of all executions: the newest execution first, in each one the newest lines first."""

import re
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from outlast.kernel.errors import InvalidInput, NotFound, StoreDamaged
from outlast.kernel.marks import STREAM_NAMES
from outlast.storage import history, reading
from outlast.storage.history import Filter
from outlast.storage.logs.filters import MOST_BYTES, LogFilter, check_limit
from outlast.storage.logs.lines import size_of
from outlast.storage.logs.patterns import LinePattern
from outlast.storage.logs.reader import LogReader
from outlast.storage.logs.search import LogSearch
from outlast.storage.records import Execution

AT_ONCE = 64
"""Numbers of executions fetched at once."""
EVERY_LINE = LogFilter()
EVERY_EXECUTION = Filter()
CURSOR = re.compile(r"k([0-9]{1,18})(?::([0-9]{1,18}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreQuery:
    """What is looked for, and where."""

    pattern: str
    """An RE2 regular expression."""
    context: int = 0
    """Lines around each match."""
    executions: Filter = EVERY_EXECUTION
    """In which executions."""
    wanted: LogFilter = EVERY_LINE
    """Which of their lines. A step that an execution does not have is no mistake: it has no such lines."""


class Place(NamedTuple):
    """How far a search has come."""

    number: int
    """Executions with this number and above are searched; with `before` this one only down to that line."""
    before: int | None = None

    def __str__(self) -> str:
        """As a cursor."""
        return f"k{self.number}" if self.before is None else f"k{self.number}:{self.before}"

    @staticmethod
    def of(cursor: str) -> "Place":
        """Raises InvalidInput for a text that is no cursor."""
        match = CURSOR.fullmatch(cursor)
        if match is None:
            raise InvalidInput(
                f"cursor: {cursor[:40]!r} is not one; pass next_cursor of an earlier search.",
                next="search again without a cursor",
            )
        return Place(int(match[1]), None if match[2] is None else int(match[2]))


class Searched(NamedTuple):
    """A part of one execution's log that was looked at, and what stands in it."""

    execution: Execution
    found: LogSearch
    nth: int
    """Which one of the executions it is that were searched, from 1."""


class Unread(NamedTuple):
    """An execution that cannot be searched."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class StoreFound:
    parts: tuple[Searched, ...]
    """Those with matches, or with lines that could not be looked at; in the order in which they were searched. A long
    log may come in several parts."""
    unread: tuple[Unread, ...]
    executions: int
    """How many were searched, the last one perhaps not to its end."""
    newest: int | None
    oldest: int | None
    """Their highest and their lowest number."""
    removed: int
    """How many of them have no log any more: it was removed to save room."""
    place: Place | None
    """Where to go on; None when everything was searched."""
    stopped: Literal["limit", "size", "time"] | None = None
    """What ended the search before everything was searched."""

    @property
    def matches(self) -> int:
        return sum(len(part.found.matches) for part in self.parts)

    @property
    def gone_or_damaged(self) -> int:
        """How many lines in what was searched could not be looked at."""
        return sum(gap.last - gap.first + 1 for part in self.parts for gap in part.found.gaps)


class StoreSearch:
    """A search that is done in slices, so that whoever asked can give it up, and others get in between.

    It holds what it has found, at most about MOST_BYTES of lines, and the numbers of the next executions.
    """

    def __init__(
        self,
        query: StoreQuery,
        reader: Callable[[sqlite3.Connection, Execution], LogReader],
        *,
        limit: int,
        place: Place | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reader` makes one for an execution's log; it is closed after use. `limit`: matches, 1 to 1,000.

        Raises InvalidInput naming the field.
        """
        LinePattern(query.pattern)
        stream = query.wanted.stream
        if stream is not None and stream not in STREAM_NAMES:
            raise InvalidInput(f"stream: there is no stream {stream!r}.", next=f"one of {', '.join(STREAM_NAMES)}")
        # What was over before the first line that is wanted has none, nor has what was created after the last.
        self._executions = replace(query.executions, printed=True, lasting=query.wanted.since, until=query.wanted.until)
        self._query = query
        self._reader = reader
        self._left = check_limit(limit)
        self._place = place
        self._clock = clock
        self._next: deque[int] = deque()
        self._parts: list[Searched] = []
        self._unread: list[Unread] = []
        self._bytes = 0
        self._numbers: tuple[int, int] | None = None
        self._count = self._removed = 0
        self._over = False

    @property
    def ended(self) -> bool:
        """Everything was searched, or there is as much as one answer holds."""
        return self._over or self._left <= 0 or self._bytes >= MOST_BYTES

    def go_on(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Search for about so long: at least one stretch of a log, so that whoever asks again gets further."""
        end = self._clock() + seconds
        while not self.ended:
            number, before = self._following(connection)
            if number is None:
                self._over = True
                return
            self._look(connection, number, before, end)
            if self._clock() >= end:
                return

    def found(self) -> StoreFound:
        newest, oldest = self._numbers or (None, None)
        return StoreFound(
            tuple(self._parts),
            tuple(self._unread),
            self._count,
            newest,
            oldest,
            self._removed,
            None if self._over else self._place,
            self._stopped(),
        )

    def _stopped(self) -> Literal["limit", "size", "time"] | None:
        if self._over:
            return None
        if self._left <= 0:
            return "limit"
        return "size" if self._bytes >= MOST_BYTES else "time"

    def _following(self, connection: sqlite3.Connection) -> tuple[int | None, int | None]:
        """The execution to look at now, and in front of which of its lines."""
        if self._place is not None and self._place.before is not None:
            return self._place
        if not self._next:
            below = None if self._place is None else self._place.number
            self._next.extend(history.numbers(connection, self._executions, below=below, limit=AT_ONCE))
        return (self._next.popleft() if self._next else None), None

    def _look(self, connection: sqlite3.Connection, number: int, before: int | None, end: float) -> None:
        try:
            # A row is looked at before what belongs to it: it may be damaged, and says so.
            execution = reading.execution(connection, number)
            if self._query.wanted.step not in (None, *(step.id for step in execution.steps)):
                self._passed(number)
                return
            if execution.log_removed_at is not None:
                self._removed += 1
                self._passed(number)
                return
            reader = self._reader(connection, execution)
            try:
                found = reader.search(
                    self._query.pattern,
                    self._left,
                    self._query.context,
                    before=before,
                    wanted=self._query.wanted,
                    seconds=max(0.0, end - self._clock()),
                )
            finally:
                reader.close()
        except NotFound:
            self._place = Place(number)  # deleted meanwhile
            return
        except StoreDamaged as error:
            self._unread.append(Unread(number, error.message))
            self._passed(number)
            return
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            self._unread.append(Unread(number, f"#{number}: {error}"))
            self._passed(number)
            return
        self._passed(number, None if found.complete else found.searched_from)
        if found.matches or found.gaps:
            self._parts.append(Searched(execution, found, self._count))
            self._left -= len(found.matches)
            self._bytes += size_of(found.entries)

    def _passed(self, number: int, before: int | None = None) -> None:
        newest, oldest = self._numbers or (number, number + 1)
        if number < oldest:
            self._count += 1
            self._numbers = newest, number
        self._place = Place(number, before)
