"""Processes by identity. A pid alone names nobody: it may have been given to somebody else since."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from outlast.kernel.clock import Clock
from outlast.kernel.process_table import Stat

if sys.platform == "linux":
    from outlast.kernel.procfs import start_of, stat
else:
    from outlast.kernel.ps import start_of, stat


class ProcessId(NamedTuple):
    """What makes a process itself: pid, when it started, on which boot."""

    pid: int
    start: int
    """Clock ticks after the boot (Linux) or seconds since the epoch (elsewhere)."""
    boot_id: str

    def alive(self, boot_id: str) -> bool:
        """Whether exactly this process runs. A zombie counts as dead."""
        return self.boot_id == boot_id and start_of(self.pid) == self.start

    def signal(self, boot_id: str, number: int) -> bool:
        """Send a signal to this process and no other; False when it is gone."""
        pidfd = open_pidfd(self.pid)
        if pidfd is None:  # the gap between look and kill cannot be closed
            return self.alive(boot_id) and send(self.pid, number)
        try:
            # Looked at only after the pidfd holds it: what is verified is what gets the signal.
            if not self.alive(boot_id):
                return False
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(pidfd)
        return True


def open_pidfd(pid: int) -> int | None:
    """A descriptor of a process; None where there is no such process, or no such descriptors: not Linux, a kernel
    before 5.3, a sandbox that refuses the call, no descriptor left. Whether the process lives, its entry tells."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def identify(pid: int, clock: Clock) -> ProcessId | None:
    """The identity of a running process, None when there is none."""
    start = start_of(pid)
    return None if start is None else ProcessId(pid, start, clock.boot_id())


def identify_child(pid: int, clock: Clock) -> ProcessId:
    """The identity of a child of this process, which may have ended: until it is reaped its entry stays."""
    entry = stat(pid)
    return ProcessId(pid, 0 if entry is None else entry.start, clock.boot_id())


def send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def await_end(process: ProcessId, boot_id: str, timeout: float) -> bool:
    """Wait until exactly this process is dead, at most `timeout` seconds; whether it is. Blocks."""
    deadline = time.monotonic() + timeout
    while process.alive(boot_id):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        pidfd = open_pidfd(process.pid)
        if pidfd is None:  # look again
            time.sleep(0.05)
            continue
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll(left * 1000)
        finally:
            os.close(pidfd)
    return True


def descendants(root: int, table: Iterable[Stat], spared: Callable[[int], bool]) -> set[int]:
    """The pids below `root` in the tree of parents, apart from those that are `spared` and what is below them."""
    children: dict[int, list[int]] = {}
    for entry in table:
        children.setdefault(entry.parent, []).append(entry.pid)
    found: set[int] = set()
    queue = [root]
    while queue:
        for pid in children.get(queue.pop(), []):
            if pid not in found and not spared(pid):
                found.add(pid)
                queue.append(pid)
    return found
