"""One row of the table of processes."""

from typing import NamedTuple


class Stat(NamedTuple):
    """Who a process is and whom it belongs to."""

    pid: int
    state: str
    parent: int
    group: int
    start: int
    """Clock ticks after the boot (Linux) or seconds since the epoch (elsewhere)."""
