"""Who reads an old state of the database, so that its write-ahead log cannot be emptied."""

import os
from pathlib import Path

from outlast.kernel.home import Home

READ_LOCKS = range(123, 128)
"""The bytes of the WAL's index that readers lock while they look at one state: https://sqlite.org/walformat.html"""
LOCKS = Path("/proc/locks")


def reading_now(home: Home) -> list[int]:
    """The pids of processes that hold one state of the database at this moment; empty where the system cannot tell.

    Only those that are ours to look at; the same pid in another container is told apart by its open files.
    """
    try:
        wanted = Path(home.database + "-shm").stat()
        lines = LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    found: set[int] = set()
    for line in lines:
        # `4: POSIX  ADVISORY  READ  1234 08:01:5678 124 124`; who waits for a lock has an arrow behind the number
        fields = line.split()
        if len(fields) != 8 or fields[1] != "POSIX" or not fields[6].isdecimal():
            continue
        pid, inode = fields[4], fields[5].rpartition(":")[2]
        if inode == str(wanted.st_ino) and int(fields[6]) in READ_LOCKS and has_open(pid, wanted):
            found.add(int(pid))
    return sorted(found)


def has_open(pid: str, wanted: os.stat_result) -> bool:
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # gone, or somebody else's
    for link in links:
        try:
            if os.path.samestat(link.stat(), wanted):
                return True
        except OSError:
            continue  # closed meanwhile
    return False
