"""The code that supervisors run: copied into the home, so that an upgrade or a cleaned cache never pulls it away
from under a live execution."""

import compileall
import hashlib
import os
import py_compile
import shutil
import sys
import tempfile
import time
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from outlast.kernel import faults
from outlast.kernel.home import Home, sync_directory
from outlast.kernel.spawning import Launcher

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH

ASIDE = ".tmp"
STALE = 3600.0
"""Seconds after which a library that is still being written was left by a process that died."""
PACKAGES = ("kernel", "supervisor", "workflow")


def source_files() -> dict[str, Path]:
    """The files that supervisors and Python workflows import, by their place in the library."""
    files: dict[str, Path] = {}
    for package in PACKAGES:
        spec = find_spec(f"outlast.{package}")
        assert spec is not None, f"outlast.{package} is part of this distribution"
        assert spec.origin is not None, f"outlast.{package} is a regular package"
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix in (".py", ".sql"):
                files[f"outlast/{package}/{path.relative_to(root).as_posix()}"] = path
    return files


class Library:
    """This version's code in a home. It is put there when it is first needed."""

    def __init__(self, home: Home) -> None:
        self._root = Path(home.library)

    @cached_property
    def name(self) -> str:
        """The content hash."""
        digest = hashlib.sha256()
        # Compiled files depend on the interpreter, so a library belongs to one.
        digest.update((sys.implementation.cache_tag or "").encode())
        for place, content in self._contents.items():
            digest.update(f"{place}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]

    def launcher(self) -> Launcher:
        """What starts supervisors with this code. Puts it in place where it is not: another version may have
        cleaned up while this one had nothing running."""
        target = self._root / self.name
        if not target.is_dir():
            place_library(target, self._contents)
        return Launcher(base_interpreter(), str(target))

    def others(self, used: set[str]) -> list[Path]:
        """The code of other versions that no live plan names (`used`), and what was left half written."""
        if not self._root.is_dir():
            return []
        return [
            path for path in self._root.iterdir() if path.name not in used | {self.name} and not being_written(path)
        ]

    def remove_others(self, used: set[str]) -> list[str]:
        """Remove what `others` tells; what was removed."""
        removed: list[str] = []
        for path in self.others(used):
            # Aside first: half of a library must never be found under its name.
            aside = path if path.name.endswith(ASIDE) else path.with_name(f"{path.name}.{os.getpid()}{ASIDE}")
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
            removed.append(path.name)
        return removed

    @cached_property
    def _contents(self) -> dict[str, bytes]:
        return {place: path.read_bytes() for place, path in source_files().items()}


def place_library(target: Path, contents: dict[str, bytes]) -> None:
    """Write the files aside, make them durable and rename the directory: all of it is there or nothing, whenever the
    power is cut. Several may do it at once."""
    aside = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=ASIDE, dir=target.parent))
    for place, content in contents.items():
        path = aside / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # Unchecked by time stamps: nobody edits a library, and -I -S processes then compile nothing.
    compileall.compile_dir(
        str(aside), quiet=2, stripdir=str(aside), prependdir=str(target), invalidation_mode=UNCHECKED
    )
    sync_tree(aside)
    faults.reach("library.written")
    try:
        aside.rename(target)
    except OSError:
        shutil.rmtree(aside)
        if not target.is_dir():
            raise
    sync_directory(str(target.parent))


def sync_tree(root: Path) -> None:
    """Make all files below a directory durable, and their names."""
    for directory, _, names in os.walk(root):
        for name in names:
            fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        sync_directory(directory)


def being_written(path: Path) -> bool:
    """Whether somebody is just putting this directory together, or has put it in place meanwhile."""
    try:
        return path.name.endswith(ASIDE) and time.time() - path.stat().st_mtime < STALE
    except FileNotFoundError:
        return True


def base_interpreter() -> str:
    """The interpreter behind a virtual environment: it stays when the environment is removed."""
    return getattr(sys, "_base_executable", None) or sys.executable
