"""The file that takes an attempt's exit code, held open: a child that removes or replaces it changes nothing."""

import fcntl
import os

from outlast.kernel.process import ProcessId
from outlast.supervisor.files import open_regular, read_regular

WRAPPER_FD = 4
"""Where a wrapper holds the file; the command does not inherit it."""
LONGEST = 4096
HIGHEST_CODE = 255


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
        held = f"/proc/{wrapper.pid}/fd/{WRAPPER_FD}"
        try:
            named = os.path.basename(os.readlink(held)).removesuffix(" (deleted)") == os.path.basename(self._path)
        except OSError:  # it has ended, is somebody else's, or there is no /proc
            named = False
        fd = open_regular(held) if named else None
        if fd is not None and not wrapper.alive(boot_id):
            os.close(fd)
            fd = None
        self._hold(fd, handed_out=False)

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
