"""What the tests of the async store share."""

import os
import threading

import anyio

from outlast.kernel import executions
from outlast.kernel.database import Connection, Database, StoreConnection
from outlast.kernel.home import Home
from outlast.kernel.plan import Plan
from outlast.storage.store import Store

PATIENCE = 30


async def create(store: Store, plan: Plan) -> executions.Created:
    return await store.write(lambda c: executions.create(c, store.home, plan, plan.created_at))


async def open_transaction(store: Store) -> bool:
    def ask(database: Database, connection: StoreConnection) -> bool:
        return connection.in_transaction

    return await store.maintain(ask)


class Gate:
    """A rule that stops in the middle of its transaction until it is let go."""

    def __init__(self, plan: Plan, home: Home) -> None:
        self._plan, self._home = plan, home
        self._entered, self._go_on = threading.Event(), threading.Event()

    def __call__(self, connection: Connection) -> executions.Created:
        created = executions.create(connection, self._home, self._plan, self._plan.created_at)
        self._entered.set()
        assert self._go_on.wait(PATIENCE)
        return created

    async def entered(self) -> None:
        assert await anyio.to_thread.run_sync(self._entered.wait, PATIENCE)

    def let_go(self) -> None:
        self._go_on.set()


def connection_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "store-connection"}


async def threads_have_ended() -> bool:
    for thread in connection_threads():
        await anyio.to_thread.run_sync(thread.join, PATIENCE)
    return not connection_threads()


def descriptors(path: str) -> int:
    """How many descriptors of this process are of that file. (Of the database SQLite keeps some for a while, of the
    WAL there is one for each connection.)"""
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return sum(os.path.exists(link) and os.path.realpath(link) == path for link in links)
