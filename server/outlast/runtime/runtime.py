"""The runtime: what tools and commands call. It owns no execution; it starts, follows and asks."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from outlast.kernel import executions
from outlast.kernel.errors import InvalidInput, OutlastError
from outlast.runtime.cataloguing import Workflows
from outlast.runtime.library import Library
from outlast.runtime.observer import Observer
from outlast.runtime.options import Options
from outlast.runtime.starting import Starter, StartRequest
from outlast.storage import reading
from outlast.storage.records import Execution
from outlast.storage.store import Store, open_store

LOG = logging.getLogger(__name__)
PROBE_EVERY = 5.0
"""Seconds between two looks of a long-lived process at everything that is live."""


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
        self._news = anyio.Event()

    async def execute(self, request: StartRequest) -> Started:
        """Start a workflow. Returns when its child runs, or when it is known why not, or when it is queued.

        Raises InvalidInput, NotFound, NotAllowed, Conflict or a StoreError; then nothing was started.
        """
        created = await self._starter.start(request)
        self._news.set()
        return Started(await self._live.get(created.number), created.already_existed)

    async def get(self, handle: str | int) -> Execution:
        execution = await super().get(handle)
        if execution.settled is None:
            self._news.set()
        return execution

    async def look_after_everything(self) -> None:
        """A long-lived process's duty: reconcile and seal while anything runs, sleep while nothing does."""
        while True:
            self._news = anyio.Event()
            try:
                live = await self.reconcile()
                await self.seal_all()
                version = await self.store.data_version()
            except Exception as error:
                LOG.warning("looking after executions: %s", error, exc_info=not isinstance(error, OutlastError))
                live, version = 1, -1
            if live:
                await anyio.sleep(PROBE_EVERY)
            else:
                await self._wait_for_news(version)

    async def _wait_for_news(self, version: int) -> None:
        """Until this process has something live, or another one has written to the store."""
        while not self._news.is_set():
            with anyio.move_on_after(PROBE_EVERY):
                await self._news.wait()
            if await self.store.data_version() != version:
                return


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
