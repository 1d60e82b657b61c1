"""The runtime: what tools, commands and inspectors call. It owns no execution; it starts, follows and asks."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from outlast.kernel import executions
from outlast.kernel.executions import Cancelled
from outlast.kernel.home import Home
from outlast.kernel.states import Parked
from outlast.kernel.status import ExecutionStatus
from outlast.runtime import library
from outlast.runtime.cataloguing import Workflows
from outlast.runtime.live import Live
from outlast.runtime.logbooks import Logbooks, LogPage, LogQuery
from outlast.runtime.options import Options
from outlast.runtime.shielding import shielded
from outlast.runtime.starting import Starter, StartRequest
from outlast.runtime.supervisors import Supervisors
from outlast.storage import history, reading
from outlast.storage.history import Filter
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Details, Execution, Page
from outlast.storage.store import Store, open_store

LOOK_EVERY = 0.05
"""Seconds between two looks while somebody waits for an execution."""
LOOK_AFTER_EVERY = 1.0
PROBE_EVERY = 5.0
"""Seconds between two looks of a long-lived process at everything that is live."""


@dataclass(frozen=True, slots=True)
class Started:
    execution: Execution
    already_existed: bool
    """The idempotency key was used before, for the same request."""


class Runtime:
    """Open it with `open_runtime`. Handles are UUIDs or numbers; unknown ones raise NotFound."""

    def __init__(
        self, options: Options, store: Store, workflows: Workflows, starter: Starter, supervisors: Supervisors
    ) -> None:
        self.options = options
        self.store = store
        self.workflows = workflows
        self._starter = starter
        self._supervisors = supervisors
        self._live = Live(store)
        self._logbooks = Logbooks(store, options.home)
        self._news = anyio.Event()

    async def execute(self, request: StartRequest) -> Started:
        """Start a workflow. Returns when its child runs, or when it is known why not, or when it is queued.

        Raises InvalidInput, NotFound, NotAllowed, Conflict or a StoreError; then nothing was started.
        """
        created = await self._starter.start(request)
        self._news.set()
        return Started(await self._live.get(created.number), created.already_existed)

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
        """One page of executions, newest first, and how many there are in all."""
        return await self.store.read(lambda c: history.page(c, wanted, limit=limit, offset=offset, cursor=cursor))

    async def outcomes(self, workflow_id: str) -> list[tuple[ExecutionStatus, int]]:
        """Status and duration (µs) of a workflow's latest settled executions, newest first."""
        return await self.store.read(lambda c: history.outcomes(c, workflow_id))

    async def logs(self, execution: Execution, query: LogQuery) -> LogPage:
        """Lines of an execution's log."""
        return await self._logbooks.page(execution, query)

    async def log_count(self, execution: Execution) -> LogCount:
        """How many lines an execution has printed, as far as they have arrived."""
        return await self._logbooks.count(execution)

    async def seal(self, execution: Execution) -> bool:
        """Move an execution's log into the store as far as it can be; whether all of it is there now."""
        return (await self._logbooks.seal(execution.number, execution.id)).finished

    async def seal_all(self) -> None:
        """Move the logs of all settled executions into the store."""
        await self._logbooks.seal_all()

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
        """Delete a settled execution with everything that belongs to it; its id. Conflict while it is live."""
        execution = await self.get(handle)
        if execution.settled is not None and execution.log_lines is None:
            await self.seal(execution)
        return await self.store.write(lambda c: executions.delete(c, execution.number))

    async def reconcile(self) -> int:
        """See to it that everything that is not over has a supervisor or a place in the queue; how many those are."""
        return await self._supervisors.reconcile()

    async def look_after_everything(self) -> None:
        """A long-lived process's duty: reconcile and seal while anything runs, sleep while nothing does."""
        while True:
            self._news = anyio.Event()
            live = await self.reconcile()
            await self.seal_all()
            if live:
                await anyio.sleep(PROBE_EVERY)
            else:
                await self._news.wait()

    async def close(self) -> None:
        await self._logbooks.close()


def at_rest(execution: Execution) -> bool:
    """Whether nothing more happens by itself: over, at a gate, or paused."""
    return execution.settled is not None or isinstance(execution.state, Parked)


@asynccontextmanager
async def open_runtime(options: Options) -> AsyncGenerator[Runtime]:
    """A runtime over a home, which is created if it is missing."""
    home: Home = options.home
    await anyio.to_thread.run_sync(home.create)
    async with open_store(home) as store:
        if options.max_running is not None:
            limit = options.max_running
            await store.write(lambda c: executions.set_max_running(c, limit))
        name, launcher = await anyio.to_thread.run_sync(library.install, home)
        supervisors = Supervisors(store, home, launcher, options.clock)
        store_id = await store.read(reading.store_id)
        if options.background:
            used = await store.read(reading.libraries_in_use) | {name}
            await anyio.to_thread.run_sync(library.remove_unused, home, used)
        workflows = Workflows(options)
        starter = Starter(options, store, store_id, (name, launcher), workflows, supervisors)
        runtime = Runtime(options, store, workflows, starter, supervisors)
        try:
            if options.background:
                async with looked_after(runtime):
                    yield runtime
            else:
                yield runtime
        finally:
            with anyio.CancelScope(shield=True):
                await runtime.close()


@asynccontextmanager
async def looked_after(runtime: Runtime) -> AsyncGenerator[None]:
    """Keep looking after everything meanwhile. An error of the caller's comes out as it is, in no group."""
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(runtime.look_after_everything)
        try:
            yield
        except Exception as error:  # noqa: BLE001 (raised again below, out of the task group)
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
