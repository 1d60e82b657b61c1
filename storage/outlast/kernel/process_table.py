"""One row of the table of processes."""

from typing import NamedTuple


class Stat(NamedTuple):
    """Who a process is and whom it belongs to."""

    pid: int
    alive: bool
    """A zombie is dead, unless other threads of it still run and hold its files and locks."""
    parent: int
    group: int
    start: int
    """Clock ticks after the boot (Linux) or seconds since the epoch (elsewhere)."""
