"""The file that takes an attempt's exit code, held open: a child that removes or replaces it changes nothing."""

import fcntl
import os
import sys

from outlast.kernel.process import ProcessId
from outlast.kernel.procfs import marker_of, processes
from outlast.supervisor.files import open_regular, read_regular

WRAPPER_FD = 4
"""Where a wrapper holds the file; the command does not inherit it."""
OWN_NAMES = 3
"""How many last names of a path are the attempt's: step, attempt, file. What is above may have been moved."""
LONGEST = 4096
HIGHEST_CODE = 255


def holds(process: ProcessId, number: int, path: str) -> bool:
    """Whether a descriptor of a process is of the file that was made as `path`, wherever that is now."""
    try:
        name = os.readlink(f"/proc/{process.pid}/fd/{number}").removesuffix(" (deleted)")
    except OSError:  # it has ended, is somebody else's, or there is no /proc
        return False
    return name.split("/")[-OWN_NAMES:] == path.split("/")[-OWN_NAMES:]


def held_by(process: ProcessId, number: int, path: str, boot_id: str) -> int | None:
    """A descriptor of the file that exactly this process holds and that was made as `path`; None where it does not."""
    fd = open_regular(f"/proc/{process.pid}/fd/{number}") if holds(process, number, path) else None
    if fd is not None and not process.alive(boot_id):
        os.close(fd)
        return None
    return fd


class Evidence:
    """The exit code of one attempt: as the wrapper's descriptor has it, where that can be had, else as the path has."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None
        self._handed_out = False
        """Whether `_fd` is the wrapper's own open file: its position then tells whether the wrapper has written."""

    def make(self) -> int:
        """Make the file for a wrapper that is about to start; the descriptor to hand it. Raises OSError."""
        if self._fd is not None and self._handed_out:
            return self._fd
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            # Not as low as WRAPPER_FD: duplicating a descriptor onto itself would leave it close-on-exec.
            self._hold(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10), handed_out=True)
        finally:
            os.close(fd)
        assert self._fd is not None, "it was just made"
        return self._fd

    def follow(self, wrapper: ProcessId, boot_id: str) -> None:
        """Hold the file of a wrapper that somebody else started, where it lives and says which file that is."""
        self._hold(held_by(wrapper, WRAPPER_FD, self._path, boot_id), handed_out=False)

    def wrapper(self, execution_id: str, boot_id: str) -> ProcessId | None:
        """The living wrapper of the attempt, known by the file that it holds; for the case that no other file says
        who it is. None where there is no /proc, which alone tells of other processes' files."""
        if sys.platform != "linux":
            return None
        for entry in processes():
            # Between its fork and its exec a command still holds what its wrapper does, which leads the group.
            if entry.group == entry.pid and marker_of(entry.pid) == execution_id:
                process = ProcessId(entry.pid, entry.start, boot_id)
                if holds(process, WRAPPER_FD, self._path):
                    return process
        return None

    def exit_code(self) -> int | None:
        """What the wrapper recorded; None while that is nothing. The wrapper writes at the beginning, over whatever a
        child has put there."""
        if self._fd is None:
            data = read_regular(self._path, LONGEST) or b""
        elif self._handed_out and os.lseek(self._fd, 0, os.SEEK_CUR) == 0:
            return None  # whoever wrote what is there, it was not the wrapper
        else:
            data = os.pread(self._fd, LONGEST, 0)
        line, newline, _ = data.partition(b"\n")
        if not newline or not line.isdigit() or len(line) > len(str(HIGHEST_CODE)) or int(line) > HIGHEST_CODE:
            return None
        return int(line)

    def recorded_at(self) -> int | None:
        """When the exit code was recorded, µs since the epoch; None while there is none."""
        if self.exit_code() is None:
            return None
        try:
            return os.stat(self._path if self._fd is None else self._fd).st_mtime_ns // 1000
        except FileNotFoundError:
            return None  # removed since

    def sync(self) -> None:
        """Make it durable."""
        if self._fd is not None:
            os.fsync(self._fd)
        elif (fd := open_regular(self._path, links=False)) is not None:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def _hold(self, fd: int | None, *, handed_out: bool) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._handed_out = fd, handed_out
