"""What /proc tells of the machine's processes. kernel/ps.py says the same where there is no /proc."""

import os
from collections.abc import Iterator
from stat import S_ISREG

from outlast.kernel.process_table import Stat

MARKER = b"OUTLAST_EXECUTION_ID="
"""The variable in every child's environment that names the execution it belongs to."""


def stat(pid: int) -> Stat | None:
    """One process's entry, None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return parse_stat(file.read())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # gone, or hidden from this user (hidepid)


def parse_stat(line: bytes) -> Stat:
    """The name in parentheses may itself hold spaces and parentheses: fields are counted after the last one."""
    head, _, tail = line.rpartition(b")")
    fields = tail.split()
    pid = int(head.split(b" ", 1)[0])
    alive = fields[0] not in (b"Z", b"X") or int(fields[17]) > 1
    return Stat(pid, alive, int(fields[1]), int(fields[2]), int(fields[19]))


def start_of(pid: int) -> int | None:
    """When a living process started, None for dead ones and zombies."""
    entry = stat(pid)
    return None if entry is None or not entry.alive else entry.start


def processes() -> Iterator[Stat]:
    """Every process that is not a zombie."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            entry = stat(int(name))
            if entry is not None and entry.alive:
                yield entry


def own_children() -> list[int]:
    """The pids of this process's children, those included that have ended and are not buried. Empty where the kernel
    does not tell."""
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            continue  # a thread that has ended, or a kernel without this file
    return found


def marker_of(pid: int) -> str | None:
    """The execution that a process's environment names, None where it names none or cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        return None
    for entry in environment.split(b"\0"):
        if entry.startswith(MARKER):
            return entry[len(MARKER) :].decode("ascii", "replace")
    return None


def writers(paths: set[str]) -> set[int]:
    """The pids that hold one of these files open for writing. Only regular files count: a link that a child put in
    the place of one could name /dev/null, which everybody holds."""
    found: set[int] = set()
    wanted: set[tuple[int, int]] = set()
    for path in paths:
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            continue
        if S_ISREG(info.st_mode):
            wanted.add((info.st_dev, info.st_ino))
    for entry in processes():
        try:
            names = os.listdir(f"/proc/{entry.pid}/fd")
        except OSError:
            continue  # gone, or somebody else's
        for name in names:
            try:
                info = os.stat(f"/proc/{entry.pid}/fd/{name}")
                if (info.st_dev, info.st_ino) in wanted and writable(entry.pid, name):
                    found.add(entry.pid)
                    break
            except OSError:
                continue  # closed meanwhile
    return found


def writable(pid: int, fd: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
        for line in file:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def command_of(pid: int, most: int = 200) -> str:
    """A process's command line for people, at most `most` characters."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096).replace(b"\0", b" ").decode("utf-8", "replace").strip()[:most]
    except OSError:
        return ""
