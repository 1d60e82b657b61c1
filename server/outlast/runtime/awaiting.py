"""Waiting for lines: however many wait for those of one execution, it is looked at once."""

from typing import NamedTuple

import anyio

from outlast.runtime.live import Live
from outlast.runtime.logbooks import Logbooks
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Execution

LOOK_EVERY = 0.05
"""Seconds between two looks at a log that somebody waits for."""


class Look(NamedTuple):
    execution: Execution
    counted: LogCount
    """As far as bounded reading came."""
    at: float

    @property
    def over(self) -> bool:
        """Nothing is printed any more."""
        return self.execution.settled is not None or self.execution.recorded


class Arrivals:
    """What was seen last of the logs that somebody waits for."""

    def __init__(self, live: Live, logbooks: Logbooks) -> None:
        self._live = live
        self._logbooks = logbooks
        self._seen: dict[int, Look] = {}
        self._looking: dict[int, anyio.Event] = {}
        self._waiting: dict[int, int] = {}

    async def wait(self, number: int, after: int, seconds: float) -> Look:
        """Until there is a line behind line `after`, the execution is over, or `seconds` have passed."""
        deadline = anyio.current_time() + seconds
        self._waiting[number] = self._waiting.get(number, 0) + 1
        try:
            while True:
                look = await self._look(number)
                left = deadline - anyio.current_time()
                if look.over or look.counted.lines > after or left <= 0:
                    return look
                await anyio.sleep(min(left, LOOK_EVERY))
        finally:
            self._waiting[number] -= 1
            if not self._waiting[number]:
                del self._waiting[number]
                self._seen.pop(number, None)

    async def _look(self, number: int) -> Look:
        """A look that is at most LOOK_EVERY old. Whoever comes while somebody looks takes what that one sees."""
        while (looking := self._looking.get(number)) is not None:
            await looking.wait()
        seen = self._seen.get(number)
        if seen is not None and anyio.current_time() - seen.at < LOOK_EVERY:
            return seen
        self._looking[number] = looked = anyio.Event()
        try:
            at = anyio.current_time()
            execution = await self._live.get(number)
            look = Look(execution, (await self._logbooks.glance(execution)).counted, at)
            self._seen[number] = look
            return look
        finally:
            del self._looking[number]
            looked.set()
