"""Asking about executions, and looking after those that are live: everything but starting new ones.

Apart from the runtime so that commands that only read do not import the definitions, which takes 100 ms.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio

from outlast.kernel import executions, recording, retention
from outlast.kernel.errors import Conflict
from outlast.kernel.executions import Cancelled
from outlast.kernel.record import Record
from outlast.kernel.recording import Recorded
from outlast.kernel.states import Parked
from outlast.kernel.status import ExecutionStatus
from outlast.runtime.awaiting import Arrivals
from outlast.runtime.digests import Digests
from outlast.runtime.library import Library
from outlast.runtime.live import Live
from outlast.runtime.logbooks import Logbooks, LogPage, LogQuery
from outlast.runtime.options import Options
from outlast.runtime.pruning import Pruner
from outlast.runtime.shielding import shielded
from outlast.runtime.supervisors import Supervisors
from outlast.runtime.tracking import Tracked, Tracker
from outlast.storage import history, reading
from outlast.storage.archives import open_archive
from outlast.storage.history import PAGE_SIZE, Filter, offset_of
from outlast.storage.logs.digesting import Digested
from outlast.storage.logs.reader import Glance
from outlast.storage.logs.store_search import StoreFound, StoreQuery
from outlast.storage.logs.view import LogCount
from outlast.storage.records import Details, Execution, Page, Summary
from outlast.storage.store import Store, open_store

LOOK_EVERY = 0.05
"""Seconds between two looks while somebody waits for an execution."""
LOOK_AFTER_EVERY = 1.0


class Observer:
    """Open it with `open_observer`. Handles are UUIDs or numbers; unknown ones raise NotFound."""

    def __init__(self, options: Options, store: Store, library: Library) -> None:
        self.options = options
        self.store = store
        self.library = library
        self._supervisors = Supervisors(store, options.home, library, options.clock)
        self._live = Live(store)
        self._logbooks = Logbooks(store, options.home)
        self._tracker = Tracker(self._logbooks)
        self.pruner = Pruner(store, options.home, self._logbooks, options.clock)
        self._arrivals = Arrivals(self._live, self._logbooks)
        self._digests = Digests(store, self._logbooks)

    async def get(self, handle: str | int) -> Execution:
        """An execution as it is now: from memory while it is live, from the store when it is over.

        A live one whose supervisor has died gets a new one first, so that the answer is the truth.
        """
        execution = await self._live.get(handle)
        if execution.settled is None and await self._supervisors.look_after(execution):
            execution = await self._live.get(execution.number)
        return execution

    async def details(self, execution: Execution) -> Details:
        """What only a full report shows."""
        return await self.store.read(lambda c: reading.details(c, execution.number))

    async def wait(self, handle: str | int, seconds: float) -> Execution:
        """The execution once it is over, at a gate or paused; or as it is when `seconds` have passed."""
        execution = await self.get(handle)
        deadline = anyio.current_time() + seconds
        look_after = anyio.current_time() + LOOK_AFTER_EVERY
        while not at_rest(execution):
            now = anyio.current_time()
            if now >= deadline:
                break
            await anyio.sleep(min(LOOK_EVERY, deadline - now))
            if now >= look_after:
                await self.reconcile()
                look_after = now + LOOK_AFTER_EVERY
            execution = await self._live.get(execution.number)
        return execution

    async def history(self, wanted: Filter, *, limit: int = 10, offset: int = 0, cursor: str | None = None) -> Page:
        """One page of executions, newest first, and how many there are in all.

        What is not over is looked after first, so that nothing is called running whose supervisor is dead.
        """
        await self.reconcile()
        return await self.store.read(lambda c: history.page(c, wanted, limit=limit, offset=offset, cursor=cursor))

    async def history_page(self, wanted: Filter, *, page: int = 1, page_size: int = PAGE_SIZE) -> Page:
        """A page by its number, from 1: of `Filter(user=…)` the history of a user, of `Filter(workflow_id=…)` that of
        a workflow. `page_size` is 1 to 500."""
        return await self.history(wanted, limit=page_size, offset=offset_of(page, page_size))

    async def record(self, told: Record) -> Recorded:
        """Record what another engine runs, once by its id. InvalidInput naming the field that cannot be."""
        home, clock = self.options.home, self.options.clock
        return await self.store.write(lambda c: recording.record(c, home, told, clock.now()))

    async def latest(self, workflow_id: str) -> Summary | None:
        """A workflow's latest execution, as the store has it."""
        page = await self.store.read(lambda c: history.page(c, Filter(workflow_id=workflow_id), limit=1))
        return page.executions[0] if page.executions else None

    async def newest_number(self) -> int:
        """The highest number that was given; 0 before the first execution."""
        return await self.store.read(executions.highest_number)

    async def outcomes(self, workflow_id: str) -> list[tuple[ExecutionStatus, int]]:
        """Status and duration (µs) of a workflow's latest settled executions, newest first."""
        return await self.store.read(lambda c: history.outcomes(c, workflow_id))

    async def logs(self, execution: Execution, query: LogQuery) -> LogPage:
        """Lines of an execution's log."""
        return await self._logbooks.page(execution, query)

    async def wait_for_line(self, number: int, after: int, seconds: float) -> Execution:
        """An execution once there is a line behind line `after` or it is over; or as it is when `seconds` have passed.

        Any number may wait for one execution: its log is looked at for all of them at once.
        """
        deadline = anyio.current_time() + seconds
        while True:
            left = deadline - anyio.current_time()
            look = await self._arrivals.wait(number, after, min(max(left, 0), LOOK_AFTER_EVERY))
            if look.over or look.counted.lines > after or left <= LOOK_AFTER_EVERY:
                return look.execution
            await self.reconcile()

    async def search_logs(
        self, query: StoreQuery, *, limit: int, seconds: float, cursor: str | None = None
    ) -> StoreFound:
        """Lines that match, in the logs of all executions, live ones too: the newest ones, up to `limit` of them and as
        far as the search comes in about `seconds`; `cursor` goes on where an earlier one ended."""
        await self.reconcile()
        return await self._logbooks.search(query, limit=limit, seconds=seconds, cursor=cursor)

    async def log_count(self, execution: Execution) -> LogCount:
        """How many lines an execution has printed, as far as they have arrived."""
        return await self._logbooks.count(execution)

    async def log_glance(self, execution: Execution) -> Glance:
        """How many lines are known of and what the newest says; bounded, however much was printed meanwhile."""
        return await self._logbooks.glance(execution)

    async def log_digest(self, execution: Execution, step: str | None = None, *, seconds: float) -> Digested:
        """What an execution's log, or one step of it, adds up to, after reading for at most about `seconds`."""
        return await self._digests.digest(execution, step, seconds)

    async def progress(self, execution: Execution, seconds: float) -> Tracked | None:
        """What an execution's program has told about its phases, read for at most about `seconds`; None where its
        workflow tells no events."""
        return await self._tracker.progress(execution, seconds)

    async def seal(self, execution: Execution) -> bool:
        """Move an execution's log into the store as far as it can be; whether all of it is there now."""
        if execution.recorded:
            return True
        return (await self._logbooks.seal(execution.number, execution.id)).finished

    async def seal_all(self) -> int:
        """Move the logs of all settled executions into the store, and what is due of live ones; how many are live."""
        return await self._logbooks.seal_all()

    async def keep_digests(self) -> int:
        """Take in what this process has sealed of long logs, so that their digests are at hand; how many those are."""
        return await self._digests.keep_up()

    async def cancel(self, handle: str | int, by: str) -> Cancelled:
        """Ask for an execution's end; may return before it. What is over stays as it is, without an error."""
        number = await self.store.read(lambda c: reading.number_of(c, handle))
        return await shielded(lambda: self._cancel(number, by))

    async def _cancel(self, number: int, by: str) -> Cancelled:
        cancelled = await self.store.write(lambda c: executions.cancel(c, number, by, self.options.clock.now()))
        if cancelled.requested:
            await self._supervisors.nudge(number)
        return cancelled

    async def delete(self, handle: str | int) -> str:
        """Delete a settled execution, or a record, with everything that belongs to it; its id. Conflict while it is
        live."""
        execution = await self.get(handle)
        if execution.settled is not None and not await self._all_in_store(execution):
            # Deleted now, its run directory would stay behind, secrets included, and a restore would bring it back.
            raise Conflict(
                f"#{execution.number} is over, but its log is still being moved into the store.",
                code="execution_is_sealing",
                next="try again in a moment",
                handle_id=execution.id,
            )
        return await self.store.write(lambda c: executions.delete(c, execution.number))

    async def pin(self, handle: str | int, by: str) -> bool:
        """Keep an execution whatever its age; False where it was pinned already."""
        number = await self.store.read(lambda c: reading.number_of(c, handle))
        return await self.store.write(lambda c: retention.pin(c, number, by, self.options.clock.now()))

    async def unpin(self, handle: str | int) -> bool:
        """Let an execution go with the others again; False where it was not pinned."""
        number = await self.store.read(lambda c: reading.number_of(c, handle))
        return await self.store.write(lambda c: retention.unpin(c, number))

    async def _all_in_store(self, execution: Execution) -> bool:
        sealed = execution.log_lines is not None or await self.seal(execution)
        return sealed and await self._logbooks.remove_files(execution.id)

    async def reconcile(self) -> int:
        """See to it that everything that is not over has a supervisor or a place in the queue; how many those are."""
        return await self._supervisors.reconcile()

    async def close(self) -> None:
        await self._logbooks.close()


def at_rest(execution: Execution) -> bool:
    """Whether nothing more happens by itself: over, at a gate, or paused."""
    return execution.settled is not None or isinstance(execution.state, Parked)


@asynccontextmanager
async def open_observer(options: Options) -> AsyncGenerator[Observer]:
    """An observer over a home, which is created if it is missing."""
    await anyio.to_thread.run_sync(options.home.create)
    async with open_store(options.home) as store:
        observer = Observer(options, store, Library(options.home))
        try:
            yield observer
        finally:
            with anyio.CancelScope(shield=True):
                await observer.close()


@asynccontextmanager
async def open_archived(options: Options, path: Path) -> AsyncGenerator[Observer]:
    """An observer over an archive, which is only read. InvalidInput where the file is none."""
    async with open_archive(path) as store:
        observer = Observer(replace(options, home=store.home, background=False), store, Library(store.home))
        try:
            yield observer
        finally:
            with anyio.CancelScope(shield=True):
                await observer.close()
