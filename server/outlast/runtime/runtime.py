"""The runtime: what tools and commands call. It owns no execution; it starts, follows and asks."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from outlast.kernel import executions
from outlast.kernel.errors import InvalidInput, OutlastError
from outlast.runtime.caretaking import Caretaker
from outlast.runtime.cataloguing import Workflows
from outlast.runtime.library import Library
from outlast.runtime.observer import Observer
from outlast.runtime.options import Options
from outlast.runtime.starting import Starter, StartRequest
from outlast.storage import reading
from outlast.storage.records import Execution
from outlast.storage.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Started:
    execution: Execution
    already_existed: bool
    """The idempotency key was used before, for the same request."""


class Runtime(Observer):
    """Open it with `open_runtime`."""

    def __init__(self, options: Options, store: Store, library: Library, store_id: str) -> None:
        super().__init__(options, store, library)
        self.workflows = Workflows(options)
        self._starter = Starter(options, store, store_id, library, self.workflows, self._supervisors)
        self.caretaker = Caretaker(self)

    async def execute(self, request: StartRequest) -> Started:
        """Start a workflow. Returns when its child runs, or when it is known why not, or when it is queued.

        Raises InvalidInput, NotFound, NotAllowed, Conflict or a StoreError; then nothing was started, unless the
        error has a handle: that execution exists.
        """
        created = await self._starter.start(request)
        self.caretaker.wake()
        try:
            return Started(await self._live.get(created.number), created.already_existed)
        except OutlastError as error:
            error.handle_id = created.id  # it was started, whatever the store says now
            raise

    async def get(self, handle: str | int) -> Execution:
        execution = await super().get(handle)
        if execution.settled is None:
            self.caretaker.wake()
        return execution


@asynccontextmanager
async def open_runtime(options: Options) -> AsyncGenerator[Runtime]:
    """A runtime over a home, which is created if it is missing."""
    await anyio.to_thread.run_sync(options.home.create)
    async with open_store(options.home) as store:
        if options.max_running is not None:
            limit = options.max_running
            if limit < 1:
                raise InvalidInput(f"max_running: {limit} would let nothing ever start; it must be 1 or more.")
            if await store.read(reading.max_running) != limit:
                await store.write(lambda c: executions.set_max_running(c, limit))
        library = Library(options.home)
        runtime = Runtime(options, store, library, await store.read(reading.store_id))
        try:
            if options.background:
                used = await store.read(reading.libraries_in_use)
                await anyio.to_thread.run_sync(library.remove_others, used)
                async with runtime.caretaker.working():
                    yield runtime
            else:
                yield runtime
        finally:
            with anyio.CancelScope(shield=True):
                await runtime.close()
