"""Files that a child may have replaced by something else: opened without waiting, used only when they are files."""

import contextlib
import errno
import os
import stat
from collections.abc import Generator

from outlast.kernel.home import make_way, sync_directory
from outlast.supervisor.log import log

CHUNK = 1 << 20
DISARRANGED = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.ELOOP,
    errno.EACCES,
    errno.EPERM,
)
"""What a file says whose directory was removed, that has become something else or somebody else's: trying again does
not help."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


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


def is_at(path: str, fd: int) -> bool:
    """Whether a path still leads to the file of a descriptor, by no link."""
    held = os.fstat(fd)
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def put_back(path: str, fd: int, most: int) -> None:
    """Where `path` is not the file of `fd` any more, because somebody has removed or replaced it, make it a durable
    copy of that, unless it is larger than `most` bytes."""
    if is_at(path, fd) or os.fstat(fd).st_size > most:
        return
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    make_way(path)
    aside = f"{path}.{os.getpid()}.tmp"
    try:
        copy = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            offset = 0
            while data := os.pread(fd, CHUNK, offset):
                offset += os.write(copy, data)
            os.fsync(copy)
        finally:
            os.close(copy)
        os.rename(aside, path)
    except OSError:
        with contextlib.suppress(OSError):  # a part of a copy takes room and is of no use
            os.unlink(aside)
        raise
    sync_directory(os.path.dirname(path))


@contextlib.contextmanager
def disarranged(*also: int) -> Generator[None]:
    """Do without what a child has made impossible in its run directory; only the log tells of it. `also`: further
    errnos that are no reason to try again."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*DISARRANGED, *also):
            raise
        log(f"the run directory was changed by others: {error}")
