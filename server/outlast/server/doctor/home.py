"""The home: rights, file system, locks, room."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from outlast.kernel.home import Home
from outlast.server.doctor.findings import Finding, ok, problem, size_words, warning

MOUNTS = Path("/proc/self/mounts")
REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "glusterfs", "9p", "fuse.sshfs", "fuse.s3fs"}
"""File systems whose locks or whose durability other machines decide about."""
LITTLE, TOO_LITTLE = 1 << 30, 64 << 20
"""Bytes left on the disk from which it is a warning, and a problem."""


class Mount(NamedTuple):
    place: str
    kind: str


def home_findings(home: Home) -> Iterator[Finding]:
    root = Path(home.root)
    there = nearest(root)
    yield directory(root, there)
    yield file_system(there)
    if there == root and root.is_dir():
        yield locks(root)
    yield room(there, shutil.disk_usage(there).free)


def nearest(path: Path) -> Path:
    """The path or the nearest one above it that exists."""
    return next(each for each in (path, *path.parents) if each.exists())


def directory(root: Path, there: Path) -> Finding:
    """Whether the home is its owner's alone and can be written."""
    status = there.stat()
    if not stat.S_ISDIR(status.st_mode):
        return problem("home", f"{there} is not a directory", "set OUTLAST_HOME to another place")
    if not os.access(there, os.W_OK | os.X_OK):
        return problem("home", f"you cannot write to {there}", "make it yours, or set OUTLAST_HOME to another place")
    if there != root:
        return ok("home", f"{root} does not exist yet; the first command makes it")
    if status.st_uid != os.geteuid():
        return problem(
            "home", f"{root} belongs to uid {status.st_uid}, not to you", "set OUTLAST_HOME to a place of your own"
        )
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        return warning("home", f"others may look into {root} (mode {mode:o})", f"chmod 700 {root}")
    return ok("home", f"{root} is yours alone")


def file_system(there: Path, mounts: Path = MOUNTS) -> Finding:
    """Whether the home lies on this machine."""
    mount = mount_of(there, mounts)
    if mount is None:
        return ok("file system", "which one the home lies on is not known here; it must be a local one")
    words = f"{there} lies on {mount.kind} ({mount.place})"
    if mount.kind in REMOTE:
        return warning(
            "file system",
            f"{words}, whose locks do not hold what Outlast needs; executions may be lost",
            "set OUTLAST_HOME to a directory on a local disk",
        )
    return ok("file system", words)


def mount_of(there: Path, mounts: Path) -> Mount | None:
    """What is mounted at or above a path; None where the system has no list of mounts."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    # Blanks and the like stand as octal escapes; of several mounts in one place the last one counts.
    found = [Mount(unescaped(fields[1]), fields[2]) for fields in map(str.split, lines) if len(fields) > 2]
    path = there.resolve()
    above = [mount for mount in found if path.is_relative_to(mount.place)]
    return max(reversed(above), key=lambda mount: len(mount.place), default=None)


def unescaped(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def locks(root: Path) -> Finding:
    """Whether a lock keeps a second one out, tried on a file without a name."""
    try:
        with tempfile.TemporaryFile(dir=root) as file, Path(f"/proc/self/fd/{file.fileno()}").open("rb") as second:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return ok("locks", "a lock in the home keeps others out")
    except FileNotFoundError:  # no /proc to open it a second time
        return ok("locks", "not tried on this system")
    except OSError as error:
        return problem("locks", f"no file can be locked in {root}: {error.strerror}", "use a home on a local disk")
    return problem("locks", f"two locks on one file in {root} are granted at once", "use a home on a local disk")


def room(there: Path, free: int) -> Finding:
    words = f"{size_words(free)} free"
    if free < TOO_LITTLE:
        return problem("disk", f"{words} on the disk of {there}: executions cannot be recorded", "free some space")
    if free < LITTLE:
        return warning("disk", f"only {words} on the disk of {there}", "free some space")
    return ok("disk", words)
