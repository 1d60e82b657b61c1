"""How far executions have come, by their own words: events are read once, as they come, and what they add up to is
remembered."""

from dataclasses import dataclass, replace
from functools import partial, reduce

import anyio

from outlast.kernel.status import ExecutionStatus
from outlast.runtime.events import PATTERN, event_of
from outlast.runtime.logbooks import Logbooks
from outlast.runtime.progress import Progress, completed, fold
from outlast.storage.logs.patterns import LinePattern
from outlast.storage.logs.reader import LogReader
from outlast.storage.records import Execution

REMEMBERED = 64
"""Executions whose progress is kept."""
ROUND = 0.1
"""Seconds of reading after which others may read logs, too."""
ROUND_LINES = 200
"""Events read in one round."""
EVENTS = LinePattern(PATTERN)


@dataclass(frozen=True, slots=True)
class Tracked:
    progress: Progress
    seen: int
    """Events up to this line of the log are in it."""
    whole: bool
    """There are no further lines so far."""
    final: bool
    """There will be none."""


UNKNOWN = Tracked(Progress(), 0, whole=False, final=False)


class Tracker:
    """Continues where it stopped the last time, also where it did not come to the end of a long log."""

    def __init__(self, logbooks: Logbooks) -> None:
        self._logbooks = logbooks
        self._tracked: dict[str, Tracked] = {}

    async def progress(self, execution: Execution, seconds: float) -> Tracked | None:
        """What is known after reading for at most about `seconds`; None where there is no log that could tell."""
        if execution.recorded:
            return None
        deadline = anyio.current_time() + seconds
        tracked = self._tracked.get(execution.id, UNKNOWN)
        while not tracked.final:
            ask = partial(advanced, tracked=tracked, marked=execution.marked_events)
            tracked = await self._logbooks.ask(execution, ask)
            if tracked.whole or anyio.current_time() >= deadline:
                break
        self._tracked.pop(execution.id, None)
        self._tracked[execution.id] = tracked
        if len(self._tracked) > REMEMBERED:
            del self._tracked[next(iter(self._tracked))]
        if execution.status is ExecutionStatus.COMPLETED:
            return replace(tracked, progress=completed(tracked.progress))
        return tracked


def advanced(reader: LogReader, tracked: Tracked, marked: bool) -> Tracked:
    """One round further. Printed lines are only looked at where the workflow says that they may be events."""
    found = reader.next_events(EVENTS if marked else None, tracked.seen, ROUND_LINES, ROUND)
    events = [event for line in found.lines if (event := event_of(line, marked=marked)) is not None]
    return Tracked(reduce(fold, events, tracked.progress), found.seen, found.whole, found.final)
