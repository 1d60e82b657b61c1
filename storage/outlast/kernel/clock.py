"""Time, and which boot of the machine this is. Tests pass their own Clock."""

import time
from typing import NamedTuple

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Clock:
    """The machine's clocks, in µs."""

    def now(self) -> int:
        """Wall clock since the epoch (UTC). May jump."""
        return time.time_ns() // 1000

    def boottime(self) -> int:
        """Since the boot, sleep included; never jumps. Comparable only within one boot."""
        return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000

    def boot_id(self) -> str:
        """What tells this boot from every other."""
        try:
            with open(BOOT_ID, encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            # Not Linux: the second of the boot, as far as the clocks tell, is good to a minute.
            return f"booted-{(self.now() - self.boottime()) // 60_000_000}"


class Moment(NamedTuple):
    """One reading of all three clocks."""

    now: int
    boottime: int
    boot_id: str


def read(clock: Clock) -> Moment:
    return Moment(clock.now(), clock.boottime(), clock.boot_id())


def elapsed(started: Moment, ended: Moment) -> int:
    """µs between two moments: by the clock that never jumps within one boot, else wall clock, never below 0."""
    if started.boot_id == ended.boot_id:
        return max(0, ended.boottime - started.boottime)
    return max(0, ended.now - started.now)
