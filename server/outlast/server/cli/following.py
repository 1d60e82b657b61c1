"""Following an execution to its end: its state and its lines as they come."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from outlast.kernel.states import Parked
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.observer import Observer
from outlast.server.cli.selecting import Entries, Matching, Selection, last_of, selected
from outlast.server.cli.session import Opened
from outlast.storage.logs.filters import MOST_LINES
from outlast.storage.records import Execution

EVENT_SECONDS = 30.0
"""For reading the events of a long log."""
LOOK_EVERY = 0.1
"""Seconds between two looks at an execution that prints nothing."""
RECONCILE_EVERY = 1.0


class Seen(NamedTuple):
    execution: Execution
    entries: Entries
    """New since the last one; none where only time has passed."""
    lines: int
    """Printed so far."""


def follow(observer: Opened[Observer], number: int, selection: Selection) -> Iterator[Seen]:
    """What is selected and there, then what comes, until the execution is over and every line was given.

    Yields at least every LOOK_EVERY seconds. Goes on over deaths of supervisors, and replaces them.
    """
    matching = Matching(selection.pattern, selection.wanted.level)
    # Lines are picked here, as they come: a search for them would begin at the beginning each time.
    wanted = replace(selection.wanted, level=None)
    position, counted = selection.after or 0, 0
    execution = observer.call(observer.it.get, number)
    if selection.last is not None:
        counted = observer.call(observer.it.log_count, execution).lines
        for entries in selected(observer, execution, selection):
            position = last_of(entries[-1]) if entries else position
            yield Seen(execution, entries, counted)
        position = max(position, counted)
    pace = Pace(observer)
    while True:
        execution = observer.call(observer.it.get, number)
        while True:
            query = LogQuery(limit=MOST_LINES, after=position, wanted=wanted)
            page = observer.call(observer.it.logs, execution, query)
            yield Seen(execution, matching.of(page.entries), page.count.lines)
            if not page.entries:
                break
            position = last_of(page.entries[-1])
        if execution.settled is not None or execution.recorded:
            # It was over before the look that found nothing more: that was all. Of a record nothing ever comes.
            return
        # This look has passed everything that the one before had counted, whatever the filter let through.
        position, counted = max(position, counted), page.count.lines
        pace.pause(execution)


class Pace:
    """How often somebody who waits looks."""

    def __init__(self, observer: Opened[Observer]) -> None:
        self._observer = observer
        self._reconcile_at = time.monotonic() + RECONCILE_EVERY

    def pause(self, execution: Execution) -> None:
        """Until something may have happened. What else is not over gets its supervisors, too: what is waited for
        may stand behind it in the queue."""
        observer = self._observer
        if time.monotonic() >= self._reconcile_at:
            observer.call(observer.it.reconcile)
            self._reconcile_at = time.monotonic() + RECONCILE_EVERY
        if isinstance(execution.state, Parked):
            time.sleep(LOOK_EVERY)  # parked executions count as at rest: waiting for one returns at once
        else:
            observer.call(observer.it.wait, execution.number, LOOK_EVERY)
