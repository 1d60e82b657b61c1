"""Which files may say what is run, and whether they are still the same: nobody but the user and root may be able to
write them."""

import os
import stat
import time
from pathlib import Path

MAX_FILE = 1024 * 1024
"""Bytes of a definition file."""
SETTLED_NS = 100_000_000
"""A file that changed less than 0.1 s ago is read again: a second change could leave the same times."""

FileKey = tuple[int, ...]
"""What is different when a file is another one, or has other contents."""


class Untrusted(Exception):
    """A file that is not read; the text says why, as a clause that follows the file's name."""


def check_directory(directory: Path) -> None:
    """Raise Untrusted where somebody else could put a file into a directory, or swap one above it.

    Members of a directory's group are not held against it: on many systems everybody has a group of their own.
    """
    resolved = directory.resolve()
    for place in (resolved, *resolved.parents):
        status = place.stat()
        if status.st_uid not in (os.geteuid(), 0):
            raise Untrusted(f"lies in {place}, which belongs to another user (uid {status.st_uid}), not to you or root")
        # Into a sticky directory others may put files, but they cannot swap what is there.
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            raise Untrusted(f"lies in {place}, which everybody can write to; run: chmod o-w {place}")


def check_link(path: Path) -> None:
    """Raise Untrusted for a name that somebody else has put there: a symbolic link of theirs leads where they like."""
    owner = path.lstat().st_uid
    if owner not in (os.geteuid(), 0):
        raise Untrusted(f"was put there by another user (uid {owner})")


def check_status(status: os.stat_result, user: int) -> None:
    """Raise Untrusted for what is no regular file of the user's or root's own."""
    if not stat.S_ISREG(status.st_mode):
        raise Untrusted("is not a regular file")
    if status.st_uid not in (user, 0):
        raise Untrusted(f"belongs to another user (uid {status.st_uid}), not to you or root")
    if status.st_mode & stat.S_IWOTH:
        raise Untrusted("can be written by everybody; run: chmod o-w on it")


def key_of(status: os.stat_result) -> FileKey:
    return (
        status.st_mtime_ns,
        status.st_size,
        status.st_ino,
        status.st_dev,
        status.st_ctime_ns,
        status.st_mode,
        status.st_uid,
    )


def unsettled(status: os.stat_result) -> bool:
    """Whether the file changed so lately that its key may stand for two contents."""
    return time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) <= SETTLED_NS


def read_trusted(path: Path) -> bytes:
    """The bytes of a definition file. Raises Untrusted or OSError; never waits for a FIFO or a device.

    What is checked is the file that was opened, so that a symlink or a swap cannot bring in another one.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        check_status(os.fstat(descriptor), os.geteuid())
        check_link(path)
        check_directory(path.absolute().parent)
        check_directory(path.resolve().parent)
        data = b""
        while len(data) <= MAX_FILE and (piece := os.read(descriptor, MAX_FILE + 1 - len(data))):
            data += piece
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE:
        raise Untrusted(f"is larger than {MAX_FILE:,} bytes (1 MiB)")
    return data
