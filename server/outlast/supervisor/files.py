"""Files that a child may have replaced by something else: opened without waiting, used only when they are files."""

import os
import stat


def open_regular(path: str, *, links: bool = True) -> int | None:
    """A descriptor to read `path` with; None where there is no such file, or something that is none (a FIFO …).
    `links`: whether a link to a file will do."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW))
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def read_regular(path: str, most: int) -> bytes | None:
    """At most `most` bytes of a file; None where there is no such file or something that is none."""
    fd = open_regular(path)
    if fd is None:
        return None
    with open(fd, "rb") as file:
        return file.read(most)


def modified_at(path: str) -> int | None:
    """When a file was last written, µs since the epoch; None where there is none."""
    try:
        return os.stat(path).st_mtime_ns // 1000
    except OSError:
        return None
