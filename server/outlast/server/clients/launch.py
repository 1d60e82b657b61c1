"""How a client starts this installation of Outlast."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from outlast.server.settings import Settings, default_home, read_file

NAMES = ("outlast", "outlast.exe")


class Launch(NamedTuple):
    command: str
    """An absolute path: desktop programs do not see the shell's PATH."""
    arguments: tuple[str, ...]

    @property
    def passing(self) -> bool:
        """Whether the command lies in a cache or among temporary files, which somebody will clean up one day."""
        caches = (Path.home() / ".cache", Path.home() / "Library/Caches", Path(tempfile.gettempdir()))
        return any(Path(self.command).is_relative_to(cache) for cache in caches)


def this_installation(started_as: str | None = None, interpreter: str | None = None) -> Launch:
    """The command `outlast` that runs now, or the one beside this interpreter, else `python -m outlast`.

    Links are kept: a link such as pipx makes stays right over upgrades, what it points to does not.
    """
    named = Path(sys.argv[0] if started_as is None else started_as)
    python = Path(sys.executable if interpreter is None else interpreter)
    found = shutil.which(named) if named.name in NAMES else None
    beside = (python.with_name(name) for name in NAMES)
    for command in (*([Path(found)] if found else []), *beside):
        if runnable(command):
            return Launch(str(command.absolute()), ("serve",))
    return Launch(str(python.absolute()), ("-m", "outlast", "serve"))


def runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an entry: PATH as it is now, so that workflows find what the shell finds, and the home where it
    is not the usual one. What config.toml says of either is not said again: it can be changed there."""
    env: dict[str, str] = {}
    in_file = read_file(Path(settings.home.config)).get("path")
    if settings.path is None or settings.path != in_file:
        path = os.pathsep.join(absolute(settings.path or environ.get("PATH", os.defpath)))
        if path:
            env["OUTLAST_PATH"] = path
    if settings.home != default_home():
        env["OUTLAST_HOME"] = settings.home.root
    return env


def absolute(path: str) -> list[str]:
    """The directories of a PATH, each once. Relative ones mean another place in every working directory."""
    return [each for each in dict.fromkeys(path.split(os.pathsep)) if Path(each).is_absolute()]
