"""What a long-lived process does for all executions without being asked: supervisors for those that need one, logs
into the store and what they add up to, and old ones out of it where the settings say so."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from outlast.kernel.errors import OutlastError, StoreError
from outlast.runtime.observer import Observer
from outlast.storage.retention import Limits

LOG = logging.getLogger(__name__)
PROBE_EVERY = 5.0
"""Seconds between two looks at everything while anything is live; while nothing is, at whether anybody has written."""
RETAIN_EVERY = 600.0
"""Seconds between two looks at whether it is time to remove old executions; that time itself is of all processes."""


class Caretaker:
    """Works while anything is live and sleeps while nothing is."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._news = anyio.Event()

    def wake(self) -> None:
        """Something is live: look now."""
        self._news.set()
        self._news = anyio.Event()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Work meanwhile. An error of the caller's comes out as it is, in no group."""
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            # Apart from each other: a log of gigabytes must not keep a dead supervisor from being replaced.
            group.start_soon(self._keep, self._observer.reconcile)
            group.start_soon(self._keep, self._observer.seal_all)
            if self._observer.options.retention is not None:
                group.start_soon(self._retain, self._observer.options.retention)
            group.start_soon(self._keep, self._observer.keep_digests)
            try:
                yield
            except Exception as error:  # noqa: BLE001 (raised again below, out of the task group)
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _keep(self, work: Callable[[], Awaitable[int]]) -> None:
        """Do `work` again and again; it tells how many executions are live."""
        while True:
            news, version, live = self._news, -1, 1
            try:
                version = await self._observer.store.data_version()
                live = await work()
            except Exception as error:
                # A full disk, a busy store or a bad row must not end the process; the next look tries again.
                LOG.warning("looking after executions: %s", error, exc_info=not isinstance(error, OutlastError))
            if live:
                await anyio.sleep(PROBE_EVERY)
            else:
                await self._sleep(news, version)

    async def _retain(self, limits: Limits) -> None:
        """Remove old executions when it is time."""
        while True:
            try:
                await self._observer.pruner.keep(limits, self._observer.options.archive_directory)
            except Exception as error:
                # As above: the next look tries again.
                LOG.warning("removing old executions: %s", error, exc_info=not isinstance(error, OutlastError))
            await anyio.sleep(RETAIN_EVERY)

    async def _sleep(self, news: anyio.Event, version: int) -> None:
        """Until this process has something live, or anybody has written to the store since `version`."""
        while not news.is_set():
            with anyio.move_on_after(PROBE_EVERY):
                await news.wait()
            try:
                if await self._observer.store.data_version() != version:
                    return
            except StoreError:
                return  # whoever looks next says what is wrong with it
