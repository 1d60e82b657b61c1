"""One SQLite connection on a thread of its own, driven from the event loop."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

import aiosqlite
from aiosqlite.core import (
    _STOP_RUNNING_SENTINEL,  # pyright: ignore[reportPrivateUsage]  # see work
    _connection_worker_thread,  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType]  # the same
)

from outlast.kernel.database import Database, StoreConnection, translated

T = TypeVar("T")
P = ParamSpec("P")


class ThreadConnection(aiosqlite.Connection):
    """Runs whole functions on the connection's thread.

    A function is one unit: a caller that is cancelled stops waiting for it, but never cuts it in half, and no
    other caller's statements get in between.
    """

    def __init__(self, database: Database, *, cache_kib: int) -> None:
        super().__init__(lambda: self._open(cache_kib), iter_chunk_size=64)
        self._thread = Thread(target=work, args=(self._tx,), name="store-connection")  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # aiosqlite: no types
        self._database = database
        self._cache_kib = cache_kib
        self._opened: StoreConnection | None = None

    async def run(self, function: Callable[[StoreConnection], T]) -> T:
        """The function's result; SQLite's errors come as kernel.errors."""
        return await self._on_thread(self._run, function)

    async def close(self) -> None:
        """Close under the store lock, then end the thread."""
        if self._connection is None:
            return
        try:
            await self._on_thread(self._close)
        finally:
            await super().close()

    def stop(self) -> asyncio.Future[None] | None:
        """End the thread. Also closes what was opened for a caller who no longer waits for it."""
        self._tx.put_nowait((None, self._close))  # pyright: ignore[reportUnknownMemberType]  # aiosqlite: no types
        stopped = super().stop()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # the same
        # Once more for nobody: the first answer ends the thread only if there is an event loop to take it.
        self._tx.put_nowait((None, lambda: _STOP_RUNNING_SENTINEL))  # pyright: ignore[reportUnknownMemberType]  # the same
        return stopped  # pyright: ignore[reportUnknownVariableType]  # the same

    def _open(self, cache_kib: int) -> StoreConnection:
        self._opened = self._database.connect(cache_kib=cache_kib)
        return self._opened

    def _close(self) -> None:
        connection, self._opened = self._opened, None
        if connection is not None:
            self._database.close(connection)

    async def _on_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = self._execute(function, *args, **kwargs)  # pyright: ignore[reportUnknownMemberType]  # aiosqlite: no types
        return await call

    def _run(self, function: Callable[[StoreConnection], T]) -> T:
        connection = self._conn
        assert isinstance(connection, StoreConnection), "Database.connect makes no other"
        with translated(self._database.home.database):
            if self._opened is None or self._database.replaced(connection):
                # A damaged database was set aside and a backup put in its place: go on with that one. Where it could
                # not be opened, this connection is closed and the next caller tries again.
                self._close()
                connection = self._connection = self._open(self._cache_kib)
            return function(connection)


def work(calls: "SimpleQueue[tuple[asyncio.Future[Any] | None, Callable[[], Any]]]") -> None:
    """aiosqlite's worker, which dies of an answer whose event loop has been closed. What is queued behind that call
    (closing what was opened) is still to be done."""
    while True:
        try:
            _connection_worker_thread(calls)
        except RuntimeError:  # "Event loop is closed": whoever asked waits no more
            continue
        return
