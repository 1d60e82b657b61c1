"""The machine's processes as anybody sees them in /proc: whose they are, what is below them, killing them."""

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MARKER, HOME = b"OUTLAST_EXECUTION_ID=", b"OUTLAST_HOME="


class Entry(NamedTuple):
    """A living process, no zombie. `start` (clock ticks since the boot) tells it from a later one with its pid."""

    pid: int
    start: int
    parent: int


def entry(pid: int) -> Entry | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Entry(pid, int(fields[19]), int(fields[1]))


def table() -> Iterator[Entry]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := entry(int(name))) is not None:
            yield found


def send(victim: Entry, number: int) -> bool:
    """Signal exactly this process; False where it is gone. After SIGKILL it is dead on return."""
    try:
        fd = os.pidfd_open(victim.pid)
    except ProcessLookupError:
        return False
    try:
        found = entry(victim.pid)
        if found is None or found.start != victim.start:
            return False
        signal.pidfd_send_signal(fd, number)
        if number == signal.SIGKILL:
            select.select([fd], [], [], 10)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def kill(victim: Entry) -> bool:
    """End a process as nobody can prevent; False where it is gone."""
    return send(victim, signal.SIGKILL)


def supervisors(home: str, execution_id: str = "") -> list[Entry]:
    """The living supervisors of a home, or of one of its executions."""
    needle = f"{home}/runs/{execution_id}".encode()
    return [one for one in table() if needle in (line := read(one.pid, "cmdline")) and b"/outlast/supervisor/" in line]


def commands(home: str) -> dict[int, str]:
    """Pid → execution id of what executions of a home have started: wrappers, commands, what came of them."""
    found: dict[int, str] = {}
    for one in table():
        variables = read(one.pid, "environ").split(b"\0")
        if HOME + home.encode() in variables:
            for variable in variables:
                if variable.startswith(MARKER):
                    found[one.pid] = variable.removeprefix(MARKER).decode("ascii", "replace")
    return found


def below(pid: int) -> list[Entry]:
    """What descends from a process, as somebody finds it who walks parent pids."""
    everything = list(table())
    found, parents = [], {pid}
    while children := [one for one in everything if one.parent in parents and one not in found]:
        found += children
        parents = {one.pid for one in children}
    return found


def read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
