"""Everything that an attempt started, wherever it went: found, counted, ended."""

import contextlib
import os
import signal
import sys

from outlast.kernel.clock import Clock
from outlast.kernel.ids import is_id
from outlast.kernel.plan import Json
from outlast.kernel.process import ProcessId, descendants, stat
from outlast.supervisor.log import log

if sys.platform == "linux":
    from outlast.kernel.procfs import command_of, marker_of, processes, writers
else:
    from outlast.kernel.ps import command_of, marker_of, processes, writers


LONGEST_COMMAND = 4096
"""Characters kept of a command line until secrets are masked in it: cut before, half of one could stay."""


class Tree:
    """The processes of one attempt: its group, what descends from this supervisor, what carries the execution's
    marker and what holds its spools open for writing. Processes whose marker names another execution are spared:
    a nested `outlast run` is an execution of its own. In the attempt's own group nobody is once it comes to KILL.
    """

    def __init__(
        self, execution_id: str, leader: ProcessId | None, spools: list[str], clock: Clock, *, seen_alive: bool = False
    ) -> None:
        """`leader`: of the attempt's group. `seen_alive`: this supervisor has seen exactly that process alive."""
        self._execution_id = execution_id
        self._leader = leader
        self._seen_alive = seen_alive
        self._spools = set(spools)
        self._clock = clock
        self._refused: set[ProcessId] = set()

    def members(self, *, holders: bool = True) -> list[ProcessId]:
        """Who is alive. `holders` also asks every process for its open files, which takes longer."""
        boot_id = self._clock.boot_id()
        own = os.getpid()
        table = list(processes())
        below = descendants(own, table, self.spares)
        holding = writers(self._spools) if holders else set[int]()
        group = self._group(boot_id)
        found: list[ProcessId] = []
        for entry in table:
            if entry.pid == own:
                continue
            if self.spares(entry.pid):
                continue
            if (
                marker_of(entry.pid) == self._execution_id
                or entry.pid in below
                or entry.pid in holding
                or entry.group == group
            ):
                found.append(ProcessId(entry.pid, entry.start, boot_id))
        return found

    def signal(self, number: int) -> int:
        """Send a signal to every member; how many there were."""
        return self._send(self.members(), number)

    def kill(self) -> int:
        """Kill every member at once; how many there were. Call again until there are none: they may be forking."""
        members = self.members()
        group = self._group(self._clock.boot_id())
        if group is not None:
            # In one step, so that nobody in it can fork in between; then the others, one by one.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        return self._send(members, signal.SIGKILL)

    def _send(self, members: list[ProcessId], number: int) -> int:
        boot_id = self._clock.boot_id()
        for member in members:
            try:
                member.signal(boot_id, number)
            except PermissionError as error:
                if member not in self._refused:
                    self._refused.add(member)
                    log(f"process {member.pid} ({command_of(member.pid)}) cannot be signalled: {error}")
        return len(members)

    def leftovers(self) -> list[dict[str, Json]]:
        """Who lives on, for people."""
        return [{"pid": m.pid, "command": command_of(m.pid, LONGEST_COMMAND)} for m in self.members(holders=False)]

    def spares(self, pid: int) -> bool:
        """Whether a process belongs to another execution; then what it started does too."""
        marker = marker_of(pid)
        return marker is not None and marker != self._execution_id and is_id(marker)

    def _group(self, boot_id: str) -> int | None:
        """The number of the attempt's process group, None where that number may be somebody else's by now.

        While any member lives no other process gets the number. So it is the attempt's while its leader is there,
        and afterwards for whoever saw the leader alive; a pid read from a file proves nothing.
        """
        leader = self._leader
        if leader is None or leader.boot_id != boot_id:
            return None
        entry = stat(leader.pid)
        ours = self._seen_alive if entry is None else entry.start == leader.start
        return leader.pid if ours else None
