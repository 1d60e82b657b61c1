"""Files in run directories, where a child may have put something else: a FIFO would be waited for, a link would show
another file."""

import errno
import os
import stat

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENXIO)
"""What opening says where there is no file, or a link, or a socket."""


def open_regular(path: str, flags: int = os.O_RDONLY) -> int | None:
    """A descriptor of a file; None where there is none, or something that is no file. Other errors are raised."""
    try:
        fd = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
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
