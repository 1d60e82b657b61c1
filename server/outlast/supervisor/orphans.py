"""The children of this process, which is the subreaper of what it supervises: whoever loses its parent becomes one."""

import os
import signal
import sys
import time
from collections.abc import Callable

if sys.platform == "linux":
    from outlast.kernel.procfs import own_children
else:
    from outlast.kernel.ps import own_children

HUNT = 0.02
"""Seconds of one hunt at most; nothing else is done meanwhile."""


class Orphans:
    """Buries them when they have ended, and kills those that a look at the whole table of processes comes too late for:
    what forks and exits all the time is always a child of this process, and nowhere else for long."""

    def __init__(self, ended: Callable[[int, int], None] | None = None) -> None:
        """`ended` is called with pid and wait status of each that is buried."""
        self.buried = 0
        """How many so far that were not spared. While it grows, something of what is supervised lived a moment ago."""
        self._spared = set[int]()
        self._ended = ended

    def spare(self, spared: Callable[[int], bool]) -> None:
        """Do not count, when they end, those children that are spared now."""
        self._spared = {pid for pid in own_children() if spared(pid)}

    def bury(self) -> None:
        """Bury whoever has ended."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid in self._spared:
                    self._spared.remove(pid)
                else:
                    self.buried += 1
                if self._ended is not None:
                    self._ended(pid, status)
        except ChildProcessError:
            return

    def hunt(self, spared: Callable[[int], bool]) -> None:
        """Kill children, and those who come in their places, as long as there are any: at most HUNT seconds.

        A child keeps its pid until it is buried, which only this thread does: nobody else can be hit.
        """
        end = time.monotonic() + HUNT
        left = set[int]()
        while time.monotonic() < end:
            self.bury()
            found = set(own_children())
            for pid in found - left:
                if spared(pid) or not killed(pid):
                    left.add(pid)
            if found <= left:
                return


def killed(pid: int) -> bool:
    """Kill a child; False for one that is another user's by now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    return True
