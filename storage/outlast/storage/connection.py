"""One SQLite connection on a thread of its own, driven from the event loop."""

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
        super().__init__(lambda: database.connect(cache_kib=cache_kib), iter_chunk_size=64)
        self._database = database

    async def run(self, function: Callable[[StoreConnection], T]) -> T:
        """The function's result; SQLite's errors come as kernel.errors."""
        return await self._on_thread(self._run, function)

    async def close(self) -> None:
        """Close under the store lock, then end the thread."""
        if self._connection is None:
            return
        try:
            await self._on_thread(self._database.close, self._conn)
        finally:
            await super().close()

    async def _on_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # aiosqlite leaves this method without types.
        return await self._execute(function, *args, **kwargs)  # pyright: ignore[reportUnknownMemberType]

    def _run(self, function: Callable[[StoreConnection], T]) -> T:
        connection = self._conn
        assert isinstance(connection, StoreConnection), "Database.connect makes no other"
        with translated(self._database.home.database):
            return function(connection)
