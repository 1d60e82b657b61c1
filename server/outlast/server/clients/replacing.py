"""A file of somebody else's program gets new content: all of it or none, and what was there stays beside it."""

import os
from pathlib import Path

from outlast.kernel.errors import Conflict
from outlast.kernel.home import sync_directory

BACKUP = ".outlast-backup"


def replace(path: Path, before: bytes | None, after: bytes) -> Path | None:
    """Put `after` in the place of `before` (None: no file); the path of the copy of what was there.

    A link stays a link: the file it points to is replaced. Raises Conflict `configuration_changed` where the file is
    not what it was when it was read, OSError where it cannot be written.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    status = None if before is None else target.stat()
    backup = None
    if before is not None:
        backup = free_name(target)
        prepared(backup, before, status).replace(backup)
    aside = prepared(target, after, status)
    if content(target) != before:
        aside.unlink()
        raise Conflict(
            f"{path} was changed by another program in this moment; nothing was written.",
            code="configuration_changed",
            next="try again",
        )
    aside.replace(target)
    sync_directory(str(target.parent))
    return backup


def free_name(target: Path) -> Path:
    """Where the next copy goes: earlier ones stay, the first above all, which knew nothing of Outlast."""
    backup, count = target.with_name(target.name + BACKUP), 1
    while backup.exists():
        count += 1
        backup = target.with_name(f"{target.name}{BACKUP}-{count}")
    return backup


def content(path: Path) -> bytes | None:
    """The bytes of a file; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def prepared(path: Path, data: bytes, like: os.stat_result | None) -> Path:
    """A durable file beside a path, ready to take its name, with the rights and the owner of another one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # Such files hold keys: at no moment may anybody read one who could not read it before.
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if like is None else 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            if like is not None:
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(fd, like.st_uid, like.st_gid)
                os.fchmod(fd, like.st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(fd)
    except BaseException:
        aside.unlink()
        raise
    return aside
