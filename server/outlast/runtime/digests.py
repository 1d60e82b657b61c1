"""Digests of logs: taken further in the background after sealing, and finished for whoever asks."""

import time

import anyio

from outlast.kernel.database import Connection
from outlast.runtime.logbooks import Logbooks
from outlast.storage.logs.digesting import FEWEST_LINES, Digested, Digesting
from outlast.storage.records import Execution
from outlast.storage.store import Store

ROUND = 0.1
"""Seconds of reading after which others may read logs, too."""
BREATH = 0.05
"""Seconds between two rounds that nobody waits for."""
KEEP_EVERY = 5.0
"""Seconds of work after which it is stored: what a crash takes is done again."""


class Digests:
    def __init__(self, store: Store, logbooks: Logbooks) -> None:
        self._store = store
        self._logbooks = logbooks

    async def digest(self, execution: Execution, step: str | None, seconds: float) -> Digested:
        """What an execution's log adds up to, after reading for at most about `seconds`.

        What is sealed of a long log is taken into the stored digest first, so that it is never done again. Raises
        InvalidInput for a step that does not exist.
        """
        deadline = anyio.current_time() + seconds
        if step is None:
            await self._keep_up(execution.number, deadline, 0.0)
        while True:
            found = await self._logbooks.ask(execution, lambda reader: reader.digest(step, ROUND))
            if found.whole or anyio.current_time() >= deadline:
                return found

    async def keep_up(self) -> int:
        """Take the stored digests of logs further of which this process has sealed blocks; how many there were."""
        numbers = self._logbooks.take_sealed()
        for number in numbers:
            await self._keep_up(number, float("inf"), BREATH)
        return len(numbers)

    async def _keep_up(self, number: int, deadline: float, breath: float) -> None:
        """As far as the blocks reach, or the time."""

        def begin(connection: Connection) -> Digesting | None:
            work = Digesting.begin(connection, number)
            return work if work.behind(connection) >= FEWEST_LINES else None

        work = await self._store.search(begin)
        if work is None:
            return
        done, keep_at = False, anyio.current_time() + KEEP_EVERY
        while not done:
            done = await self._store.search(lambda c: advance(c, work))
            now = anyio.current_time()
            if done or now >= min(keep_at, deadline):
                row = work.row()
                if not await self._store.write(lambda c, row=row: work.keep(c, row)):
                    return  # somebody else was faster
                work.kept(row)
                keep_at = now + KEEP_EVERY
            if now >= deadline:
                return
            await anyio.sleep(breath)


def advance(connection: Connection, work: Digesting) -> bool:
    """One round further; whether that was all."""
    end = time.monotonic() + ROUND
    return work.advance(connection, lambda: time.monotonic() >= end)
