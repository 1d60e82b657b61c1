"""Whose machine it is: what decides where clients keep their configurations."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Machine(NamedTuple):
    platform: str
    """As sys.platform says it: linux, darwin, win32."""
    home: Path
    environ: Mapping[str, str]
    folder: Path
    """The working directory, where project files lie."""

    @property
    def configurations(self) -> Path:
        """Where desktop programs keep their settings, each in a directory of its own."""
        match self.platform:
            case "darwin":
                return self.home / "Library/Application Support"
            case "win32":
                return self.place("APPDATA", "AppData/Roaming")
            case _:
                return self.place("XDG_CONFIG_HOME", ".config")

    def place(self, variable: str, default: str) -> Path:
        """The directory that a variable names; else `default`, below the home directory."""
        named = self.environ.get(variable)
        return Path(named) if named else self.home / default


def this_machine() -> Machine:
    return Machine(sys.platform, Path.home(), os.environ, Path.cwd())
