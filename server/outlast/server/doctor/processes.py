"""Processes that an execution has started and that live on although nothing of it should."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from outlast.kernel.clock import Clock
from outlast.kernel.ids import is_id
from outlast.kernel.process import ProcessId, await_end
from outlast.kernel.status import ExecutionStatus
from outlast.server.cli.wording import counted
from outlast.server.doctor.findings import Finding, Mending, mendable, ok, warning
from outlast.storage import maintenance
from outlast.storage.records import Ended
from outlast.tools.readable import visible

if sys.platform == "linux":
    from outlast.kernel.procfs import command_of, marker_of, processes
else:
    from outlast.kernel.ps import command_of, marker_of, processes

STOPPED = (ExecutionStatus.CANCELLED, ExecutionStatus.TIMEOUT, ExecutionStatus.LOST)
"""Ends after which nothing of an execution may be alive. After others, what a command left behind lives on."""
UNSEEN = maintenance.LOST
"""Why an execution is lost whose end a restore forgot: it may have been one after which something lives on."""
GRACE = 2.0
"""Seconds between asking a process to end and killing it; also what the killed ones have for being gone."""


class Marked(NamedTuple):
    """A process whose environment names an execution."""

    process: ProcessId
    marker: str


def marked_processes() -> list[Marked]:
    """Everybody's, apart from this process and what it descends from."""
    boot_id = Clock().boot_id()
    table = list(processes())
    parents = {entry.pid: entry.parent for entry in table}
    own = {os.getpid()}
    above = os.getppid()
    while above in parents and above not in own:
        own.add(above)
        above = parents[above]
    found: list[Marked] = []
    for entry in table:
        marker = None if entry.pid in own else marker_of(entry.pid)
        if marker is not None and is_id(marker):
            found.append(Marked(ProcessId(entry.pid, entry.start, boot_id), marker))
    return found


def orphans(marked: Sequence[Marked], ended: Mapping[str, Ended]) -> Iterator[Finding]:
    """`ended`: of the executions that are named those of this home that are over."""
    alive = forbidden(marked, ended)
    left = [each for each in marked if each.marker in ended and each not in alive]
    if alive:
        count = counted(len(alive), "process", "processes")
        found = warning(
            "processes",
            f"{count} of executions that were stopped or lost are still alive: {named(alive, ended)}",
            "outlast doctor --fix, or end them yourself",
        )
        words = f"stop {count}: {named(alive, ended)}"
        yield mendable(found, Mending.PROCESSES, words, (each.process for each in alive))
    if left:
        yield ok(
            "processes",
            f"{counted(len(left), 'process', 'processes')} left behind by commands that ended, or whose end a restore "
            f"forgot: {named(left, ended)}",
        )


def forbidden(marked: Sequence[Marked], ended: Mapping[str, Ended]) -> list[Marked]:
    """Those of which nothing may be alive any more."""
    over = {marker for marker, end in ended.items() if end.status in STOPPED and end.reason != UNSEEN}
    return [each for each in marked if each.marker in over]


def named(marked: Sequence[Marked], ended: Mapping[str, Ended]) -> str:
    return ", ".join(
        f"{each.process.pid} of #{ended[each.marker].number} ({visible(command_of(each.process.pid)) or 'unknown'})"
        for each in marked
    )


def stop(marked: Sequence[Marked]) -> list[Marked]:
    """End exactly these processes: asked first, then killed; who is still alive. Blocks for some seconds."""
    boot_id = Clock().boot_id()
    alive = list(marked)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for each in alive:
            each.process.signal(boot_id, number)
        deadline = time.monotonic() + GRACE
        alive = [each for each in alive if not await_end(each.process, boot_id, deadline - time.monotonic())]
    return alive
