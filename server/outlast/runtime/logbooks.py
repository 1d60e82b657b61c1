"""The logs of executions: read wherever they are, and moved into the store when there is time."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.from_thread

from outlast.kernel.database import Connection
from outlast.kernel.errors import InvalidInput, OutlastError
from outlast.kernel.files import read_regular
from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.locks import run_lock_held
from outlast.kernel.permalinks import Lines
from outlast.kernel.plan import decode_plan, decode_secrets
from outlast.runtime.shielding import shielded
from outlast.storage import reading
from outlast.storage.logs.filters import MOST_BYTES, LogFilter
from outlast.storage.logs.lines import Entry, size_of
from outlast.storage.logs.masking import TOKENS_ONLY, Masker
from outlast.storage.logs.reader import Glance, LogCount, LogReader
from outlast.storage.logs.sealer import Sealed, remove_run_directory, seal, take_lock
from outlast.storage.logs.search import LogSearch
from outlast.storage.logs.store_search import Place, StoreFound, StoreQuery, StoreSearch
from outlast.storage.records import Execution
from outlast.storage.remains import remains_of
from outlast.storage.store import Store

T = TypeVar("T")

KEPT_READERS = 32
"""Readers of live logs that are kept: each has an index of what it has read, so that the next look is short."""
LOG = logging.getLogger(__name__)
EXIT_PATIENCE = 2.0
"""Seconds that a supervisor has for exiting after it has settled its execution."""
EVERYTHING = LogFilter()
SLICE = 0.2
"""Seconds of a search over all logs after which others get in between, and it ends where nobody waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines somebody asks for; the last `limit` ones when nothing else is said. Long lines make fewer."""

    limit: int = 50
    after: int | None = None
    """Lines behind this number, ascending."""
    before: int | None = None
    """The last lines in front of this number."""
    within: Lines | None = None
    """Only these lines, ascending from the first on unless `before` is given."""
    pattern: str | None = None
    """An RE2 regular expression; only matching lines, with `context` lines around each."""
    context: int = 0
    wanted: LogFilter = EVERYTHING


@dataclass(frozen=True, slots=True)
class LogPage:
    entries: tuple[Entry, ...]
    """Ascending."""
    count: LogCount
    more: bool = False
    """It ends, where pages end, because it is full: for the number of its lines or for their size."""
    search: LogSearch | None = None
    """What was searched and which lines match, where there was a pattern or a level."""


class Logbooks:
    """One reader for each log that is being looked at."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home
        self._readers: dict[int, LogReader] = {}
        self._connection: Connection | None = None
        """What the readers read from."""
        self._sealed: dict[int, None] = {}
        """Executions of which blocks were sealed since somebody asked."""

    async def page(self, execution: Execution, query: LogQuery) -> LogPage:
        """The lines asked for. Raises InvalidInput naming the field."""
        if query.after is not None and query.before is not None:
            raise InvalidInput("after, before: give one of them.")
        looked_for = query.pattern is not None or query.wanted.level is not None
        if query.context and not looked_for:
            raise InvalidInput(
                "context: it is lines around matches, so it needs a pattern or a level.", next="give pattern too"
            )
        if looked_for:
            return await self._store.search(lambda c: self._search(c, execution, query))
        return await self._store.browse(lambda c: self._page(self._reader(c, execution), query))

    async def search(self, query: StoreQuery, *, limit: int, seconds: float, cursor: str | None = None) -> StoreFound:
        """Search the logs of all executions for up to `limit` matches, and for about `seconds` at most. Raises
        InvalidInput naming the field."""
        search = StoreSearch(query, self._new_reader, limit=limit, place=None if cursor is None else Place.of(cursor))
        deadline = time.monotonic() + seconds
        left = seconds
        while not search.ended:
            slice_ends = max(0.0, min(SLICE, left))
            await self._store.search(lambda c, until=slice_ends: search.go_on(c, until))
            if (left := deadline - time.monotonic()) <= 0:
                break
        return search.found()

    async def count(self, execution: Execution) -> LogCount:
        """How many lines there are, as far as they have arrived."""
        if execution.log_lines is not None:
            return LogCount(execution.log_lines, True)
        return await self._store.browse(lambda c: self._reader(c, execution).count())

    async def glance(self, execution: Execution) -> Glance:
        """How many lines are known of and what the newest says, without reading a long log for it."""
        return await self._store.browse(lambda c: self._reader(c, execution).glance())

    async def ask(self, execution: Execution, question: Callable[[LogReader], T]) -> T:
        """The answer of an execution's reader to something short; it runs on the thread that reads logs."""
        return await self._store.browse(lambda c: question(self._reader(c, execution)))

    async def seal(self, number: int, execution_id: str) -> Sealed:
        """Move what can be moved into the store; the run directory of a finished log is removed."""
        plan = await self._store.read(lambda c: reading.plan(c, number))
        run = self._home.run(execution_id)

        def work() -> Sealed:
            def write(rule: Callable[[Connection], T]) -> T:
                return anyio.from_thread.run(self._store.write, rule)

            def read(rule: Callable[[Connection], T]) -> T:
                return anyio.from_thread.run(self._store.read, rule)

            if not Path(run.path).is_dir():
                make_empty(run)
            decoded = decode_plan(plan)
            sealed = seal(number, run, decoded, write, read=read, masker=masker_of(run, decoded.mask_tokens))
            # The supervisor that has just settled it is about to exit and still has its own log there.
            if sealed.finished and free_within(run.run_lock, EXIT_PATIENCE):
                remove_run_directory(run)
            return sealed

        # Shielded: the thread goes on anyway, and a caller that is cancelled would leave it without an answer for ever.
        sealed = await shielded(lambda: anyio.to_thread.run_sync(work))
        if sealed.blocks:
            self._sealed[number] = None
        return sealed

    def take_sealed(self) -> list[int]:
        """The executions of which blocks were sealed since the last call."""
        numbers = list(self._sealed)
        self._sealed.clear()
        return numbers

    async def remove_files(self, execution_id: str) -> bool:
        """Remove what is left of a run directory whose log is in the store; False while its supervisor still exits."""
        run = self._home.run(execution_id)

        def work() -> bool:
            if not Path(run.path).exists():
                return True
            return free_within(run.run_lock, EXIT_PATIENCE) and remove_run_directory(run)

        return await anyio.to_thread.run_sync(work)

    async def seal_all(self) -> int:
        """Seal every settled execution's log that is not in the store yet, and full blocks of live ones; how many
        those are."""
        live = [(row.number, row.id) for row in await self._store.read(reading.live) if row.supervisor is not None]
        for number, execution_id in await self._store.read(reading.unsealed) + live:
            try:
                await self.seal(number, execution_id)
            except Exception as error:
                # One that cannot be sealed stays readable where it is, and keeps no other from it.
                unforeseen = not isinstance(error, OutlastError | OSError | ValueError)
                LOG.warning("#%d: its log cannot be sealed: %s", number, error, exc_info=unforeseen)
        await self._remove_finished()
        return len(live)

    async def _remove_finished(self) -> None:
        """Remove the run directories that a process left which died after sealing, or before there was a row."""
        names = await anyio.to_thread.run_sync(os.listdir, self._home.runs)
        remains = await self._store.read(lambda c: remains_of(c, self._home, names))
        for execution_id in remains.finished:
            run = self._home.run(execution_id)
            if not await anyio.to_thread.run_sync(run_lock_held, run.run_lock):
                await anyio.to_thread.run_sync(remove_run_directory, run)
        for execution_id in remains.abandoned:
            await self._remove_abandoned(execution_id)

    async def _remove_abandoned(self, execution_id: str) -> None:
        """Remove a run directory that never got its row, unless somebody holds it."""
        run = self._home.run(execution_id)
        if (lock := await anyio.to_thread.run_sync(take_lock, run)) is None:
            return  # whoever makes it holds this lock until there is a row
        try:
            known = await self._store.read(lambda c: reading.knows(c, execution_id))
            if not known and not await anyio.to_thread.run_sync(run_lock_held, run.run_lock):
                await anyio.to_thread.run_sync(remove_run_directory, run)
        finally:
            os.close(lock)

    async def close(self) -> None:
        await self._store.browse(lambda _: self._forget())

    def _forget(self) -> None:
        while self._readers:
            self._readers.popitem()[1].close()

    def _reader(self, connection: Connection, execution: Execution) -> LogReader:
        if connection is not self._connection:
            self._forget()  # another database was put in the place of the one that they have read
            self._connection = connection
        reader = self._readers.pop(execution.number, None)
        if reader is None:
            reader = self._new_reader(connection, execution)
            if len(self._readers) >= KEPT_READERS:
                self._readers.pop(next(iter(self._readers))).close()
        self._readers[execution.number] = reader
        return reader

    def _new_reader(self, connection: Connection, execution: Execution) -> LogReader:
        run = self._home.run(execution.id)
        steps = [step.id for step in execution.steps]
        masker = TOKENS_ONLY
        if execution.log_lines is None:  # else every line was masked when it was sealed
            masker = masker_of(run, masks_tokens(connection, execution.number))
        return LogReader(connection, execution.number, run, steps, masker)

    def _search(self, connection: Connection, execution: Execution, query: LogQuery) -> LogPage:
        reader = self._new_reader(connection, execution)
        lines = lines_of(query)
        try:
            found = reader.search(
                query.pattern,
                query.limit,
                query.context,
                after=query.after if lines is None else lines.first - 1,
                before=query.before if lines is None else lines.last + 1,
                wanted=query.wanted,
            )
            return LogPage(tuple(found.entries), reader.count(), search=found)
        finally:
            reader.close()

    def _page(self, reader: LogReader, query: LogQuery) -> LogPage:
        if (lines := lines_of(query)) is not None:
            entries = reader.within(lines, query.limit, query.wanted, newest=query.before is not None)
        elif query.after is not None:
            entries = reader.after(query.after, query.limit, query.wanted)
        elif query.before is not None:
            entries = reader.before(query.before, query.limit, query.wanted)
        else:
            entries = reader.last(query.limit, query.wanted)
        full = len(entries) == query.limit or size_of(entries) >= MOST_BYTES
        return LogPage(tuple(entries), reader.count(), full)


def lines_of(query: LogQuery) -> Lines | None:
    """What is left of the lines that a query is limited to, if it is, behind `after` or in front of `before`."""
    if query.within is None:
        return None
    first, last = query.within
    first = first if query.after is None else max(first, query.after + 1)
    return Lines(first, last if query.before is None else min(last, query.before - 1))


def free_within(run_lock: str, seconds: float) -> bool:
    """Whether a run lock is free, or becomes so soon. Blocks."""
    deadline = time.monotonic() + seconds
    while run_lock_held(run_lock):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.005)
    return True


def masker_of(run: RunDirectory, tokens: bool) -> Masker:
    """What takes out of lines what nobody may see. `tokens`: also what looks like a token."""
    secrets = secrets_of(run)
    return Masker(secrets, tokens=tokens) if secrets or not tokens else TOKENS_ONLY


def masks_tokens(connection: Connection, number: int) -> bool:
    """Whether an execution's lines hide what looks like a token; they do where nobody can tell."""
    try:
        return decode_plan(reading.plan(connection, number)).mask_tokens
    except (OutlastError, ValueError):
        return True


def secrets_of(run: RunDirectory) -> list[str]:
    """The values that readers mask, while there are any that are not masked already."""
    try:
        return decode_secrets(read_regular(run.secrets)).mask
    except (FileNotFoundError, ValueError, TypeError):  # not there, or nothing that a start has written
        return []


def make_empty(run: RunDirectory) -> None:
    """A run directory that somebody removed: sealing then finds an empty log and can finish."""
    Path(run.path).mkdir(mode=0o700)
