"""One SQLite connection on a thread of its own, driven from the event loop."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import aiosqlite

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
        self._database = database
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
        return super().stop()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # the same

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
            return function(connection)
