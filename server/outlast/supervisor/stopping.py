"""Ending everything that an attempt started: politely, then by force, until nothing is left."""

import signal
from collections.abc import Callable

from outlast.supervisor.loop import Loop
from outlast.supervisor.orphans import Orphans
from outlast.supervisor.tree import Tree

FIRST_SWEEP, SLOWEST_SWEEP = 0.05, 0.25
"""Seconds between two looks at what is left; each reads the whole process table."""


class Stopping:
    """TERM to every process, a grace, KILL, and looks until two in a row find nobody, and nobody who has just ended."""

    def __init__(self, tree: Tree, orphans: Orphans, loop: Loop, gone: Callable[[], None]) -> None:
        """`gone` is called once, on the loop, when nothing is left. `killed` tells whether it came to KILL, `found`
        whether anybody was there to be ended."""
        self.killed = False
        self.found = False
        self._tree = tree
        self._orphans = orphans
        self._buried = orphans.buried
        self._loop = loop
        self._gone = gone
        self._pause = FIRST_SWEEP
        self._empty = 0

    def politely(self, grace: float) -> None:
        """Ask them to end, and kill what is left after `grace` seconds."""
        self._tree.signal(signal.SIGTERM)
        self._loop.after(grace, self._lose_patience)
        self._loop.after(FIRST_SWEEP, self._sweep)

    def at_once(self) -> None:
        """Kill what is left of an attempt that is over."""
        self.killed = True
        self._sweep()

    def _lose_patience(self) -> None:
        self.killed = True

    def _sweep(self) -> None:
        alive = self._tree.kill() if self.killed else len(self._tree.members())
        if self.killed:
            self._orphans.hunt(self._tree.spares)
        self._orphans.bury()
        # Supervisors of nested executions come and go as they like.
        self._orphans.spare(self._tree.spares)
        ended, self._buried = self._orphans.buried - self._buried, self._orphans.buried
        self.found = self.found or alive > 0
        # Twice empty: a process that forked while the table was read shows up in the second look. One that forks and
        # exits all the time may be seen in none, but buried it must be.
        self._empty = 0 if alive or ended else self._empty + 1
        if self._empty == 2:
            self._gone()
            return
        if alive:
            self._pause = min(SLOWEST_SWEEP, self._pause * 1.5)
        self._loop.after(self._pause if alive else FIRST_SWEEP, self._sweep)
