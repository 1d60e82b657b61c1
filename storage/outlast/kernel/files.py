"""Files in run directories, where a child may have put something else: a FIFO would be waited for, a link would show
another file."""

import errno
import os
import stat

from outlast.kernel.ids import is_id

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENXIO)
"""What opening says where there is no file, or a link, or a socket."""


def open_regular(path: str, flags: int = os.O_RDONLY) -> int | None:
    """A descriptor of a file; None where there is none, or something that is no file. Other errors are raised.

    Rights to a run directory of ours that a child has taken away are taken back first.
    """
    flags |= os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            fd = os.open(path, flags)
        except PermissionError:
            regain(path)
            fd = os.open(path, flags)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def read_regular(path: str, most: int = 64 << 20) -> bytes:
    """At most `most` bytes of a file. FileNotFoundError where there is none, or something that is no file."""
    fd = open_regular(path)
    if fd is None:
        raise FileNotFoundError(errno.ENOENT, "No such file", path)
    with open(fd, "rb") as file:
        return file.read(most)


def regain(path: str) -> None:
    """Give us the rights to a file in a run directory of ours, and to what it lies in from that directory on."""
    parts = path.split("/")
    below = next((i for i, part in enumerate(parts) if is_id(part)), len(parts))
    for i in range(below, len(parts)):
        unlock("/".join(parts[: i + 1]))


def unlock(path: str) -> None:
    """Give us the rights to a file or directory of ours that a child has taken away. A link is left alone: it may lead
    out of the run directory."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    mode = info.st_mode
    rights = 0o700 if stat.S_ISDIR(mode) else 0o600 if stat.S_ISREG(mode) else 0
    if info.st_uid == os.geteuid() and mode & rights != rights:
        os.chmod(path, stat.S_IMODE(mode) | rights)
