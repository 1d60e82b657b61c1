"""What `ps` tells of the machine's processes, where there is no /proc. Environments and open files stay unknown."""

import subprocess
import time
from collections.abc import Iterator

from outlast.kernel.process_table import Stat


def stat(pid: int) -> Stat | None:
    """One process's entry, None when it is gone."""
    return next(iter(ask("-p", str(pid))), None)


def start_of(pid: int) -> int | None:
    """When a living process started (seconds since the epoch), None for dead ones and zombies."""
    entry = stat(pid)
    return None if entry is None or not entry.alive else entry.start


def processes() -> Iterator[Stat]:
    """Every process that is not a zombie."""
    yield from (entry for entry in ask("-A") if entry.alive)


def own_children() -> list[int]:
    """Too slow to be had here in time."""
    return []


def marker_of(pid: int) -> str | None:
    """Other processes' environments are not to be had here."""
    return None


def writers(paths: set[str]) -> set[int]:
    """Other processes' open files are not to be had here."""
    return set()


def command_of(pid: int, most: int = 200) -> str:
    """A process's command line for people, at most `most` characters."""
    return run("-p", str(pid), "-o", "command=").strip()[:most]


def ask(*which: str) -> list[Stat]:
    entries: list[Stat] = []
    for line in run(*which, "-o", "pid=,stat=,ppid=,pgid=,lstart=").splitlines():
        pid, state, parent, group, *started = line.split()
        start = int(time.mktime(time.strptime(" ".join(started), "%a %b %d %H:%M:%S %Y")))
        entries.append(Stat(int(pid), state[0] != "Z", int(parent), int(group), start))
    return entries


def run(*arguments: str) -> str:
    return subprocess.run(
        ["/bin/ps", *arguments], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    ).stdout
