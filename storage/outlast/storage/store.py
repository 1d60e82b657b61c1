"""A home's store: one connection to write, others to read, each opened when it is first needed."""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

import anyio

from outlast.kernel.database import Database, StoreConnection, data_version
from outlast.kernel.errors import StoreUnreachable
from outlast.kernel.home import Home
from outlast.storage.connection import ThreadConnection

T = TypeVar("T")
Rule = Callable[[sqlite3.Connection], T]

CACHE_KIB = {"writer": 2048, "reader": 8192, "logs": 8192, "scanner": 16384}
"""The connections and their page caches."""


class Store:
    """Open it with `open_store`. Methods raise the StoreErrors of kernel.errors.

    Each kind of work has a connection of its own, so that a status never waits behind a search.
    """

    def __init__(self, database: Database) -> None:
        self.home = database.home
        self._database = database
        self._connections: dict[str, ThreadConnection] = {}
        self._opening = anyio.Lock()
        self._closed = False

    def lock_idle(self) -> AbstractContextManager[None]:
        """Keep this process from holding the store lock, e.g. while it is suspended."""
        return self._database.lock.idle()

    async def write(self, rule: Rule[T]) -> T:
        """Run one write rule as one durable transaction. It runs as a whole even when the caller is cancelled."""
        writer = await self._connection("writer")
        return await writer.run(lambda connection: self._database.write(connection, rule))

    async def read(self, query: Rule[T]) -> T:
        """Run a short query against one consistent view."""
        reader = await self._connection("reader")
        return await reader.run(lambda connection: self._database.read(connection, query))

    async def scan(self, query: Rule[T]) -> T:
        """Run a query that may take long against one consistent view."""
        scanner = await self._connection("scanner")
        return await scanner.run(lambda connection: self._database.read(connection, query))

    async def browse(self, function: Rule[T]) -> T:
        """Run a function that reads logs: each of its looks sees what is true at that moment."""
        return await (await self._connection("logs")).run(function)

    async def search(self, function: Rule[T]) -> T:
        """Run a function that reads logs for long; pages do not wait for it."""
        return await (await self._connection("scanner")).run(function)

    async def maintain(self, work: Callable[[Database, StoreConnection], T]) -> T:
        """Work on the writer's connection that is no transaction of its own (backup, restore)."""
        writer = await self._connection("writer")
        return await writer.run(lambda connection: work(self._database, connection))

    async def data_version(self) -> int:
        """A number that changes whenever anybody else commits; costs microseconds."""
        return await (await self._connection("reader")).run(data_version)

    async def close(self) -> None:
        """Close what was opened, after all work that was asked for. Later calls raise StoreUnreachable.

        Every connection is closed even where one of them says StoreBusy: a thread that is left would keep the
        process alive. The lock goes last: connections are closed under it.
        """
        again, self._closed = self._closed, True
        with anyio.CancelScope(shield=True):
            async with self._opening, AsyncExitStack() as stack:
                if not again:
                    stack.push_async_callback(anyio.to_thread.run_sync, self._database.lock.close)
                while self._connections:
                    _, connection = self._connections.popitem()
                    stack.push_async_callback(connection.close)

    async def _connection(self, kind: str) -> ThreadConnection:
        connection = self._connections.get(kind)
        if connection is not None:
            return connection
        async with self._opening:
            if self._closed:
                raise StoreUnreachable("This store has been closed.", next="open it again")
            if kind not in self._connections:
                connection = ThreadConnection(self._database, cache_kib=CACHE_KIB[kind])
                await connection
                self._connections[kind] = connection
            return self._connections[kind]


@asynccontextmanager
async def open_store(home: Home) -> AsyncGenerator[Store]:
    """Open a home's store, creating or migrating the database; closed on the way out, whatever happens."""
    store = Store(await anyio.to_thread.run_sync(Database, home))
    try:
        await store.data_version()
        yield store
    finally:
        await store.close()
