"""What a process of an armed home does at fault points, and which time it believes in. See arming.py.

Standard library and kernel only: a copy of it lies beside the supervisors' code of an armed home.
"""

import json
import os
import signal
import time
from typing import Any

from outlast.kernel import faults
from outlast.kernel.clock import Clock

LONGEST_WAIT = 60.0
"""Seconds after which a process that waits at a point goes on, so that nothing stays for ever."""


def arm(home: str) -> None:
    """Do what the home's file `faults.json` says: `points` maps names to actions, `clock` has `now` (µs to add to
    the wall clock) and `boot_id`."""
    try:
        with open(home + "/faults.json", encoding="utf-8") as file:
            wanted: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return
    points: dict[str, dict[str, Any]] = wanted.get("points", {})
    if points:
        faults.listen(lambda name: at_point(home, name, points[name]) if name in points else None)
    believe(wanted.get("clock", {}))


def at_point(home: str, name: str, action: dict[str, Any]) -> None:
    """Act, once in the whole home: by `skip` the first few times nothing happens. Leaves the file `reached-NAME`."""
    for turn in range(action.get("skip", 0) + 1):
        if take(f"{home}/turn-{name}-{turn}"):
            break
    else:
        return
    if turn < action.get("skip", 0):
        return
    with open(f"{home}/reached-{name}", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    match action["do"]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fail":
            raise OSError(action["errno"], os.strerror(action["errno"]))
        case "wait":
            deadline = time.monotonic() + LONGEST_WAIT
            while not os.path.exists(f"{home}/go-on-{name}") and time.monotonic() < deadline:
                time.sleep(0.005)
        case other:
            raise ValueError(f"nobody knows how to {other}")


def take(path: str) -> bool:
    """Whether this is the first to come here."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def believe(clock: dict[str, Any]) -> None:
    """Have every clock of this process be wrong in the way that is asked for."""
    ahead: int = clock.get("now", 0)
    if ahead:
        nanoseconds, seconds = time.time_ns, time.time
        time.time_ns = lambda: nanoseconds() + ahead * 1000
        time.time = lambda: seconds() + ahead / 1e6
    boot_id: str | None = clock.get("boot_id")
    if boot_id is not None:
        Clock.boot_id = lambda self: boot_id
