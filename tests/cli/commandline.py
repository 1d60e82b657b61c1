"""What tests of the command line hold in their hands."""

import os
import subprocess
from pathlib import Path
from typing import Protocol

from click.testing import Result

SECONDS = 60
"""That any command may take before its test fails."""


class Cli(Protocol):
    """Runs a command in this process. The setting allow_command is on."""

    def __call__(self, *arguments: str | Path | int) -> Result: ...


class Spawn(Protocol):
    """Starts a command as a process with pipes."""

    def __call__(self, *arguments: str | Path | int, **variables: str) -> subprocess.Popen[bytes]: ...


class Gate:
    """Lets a child go on when the test says so: the child reads a line from the path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # For both directions, so that neither side waits for the other one to open it.
        self._fd = os.open(path, os.O_RDWR)

    @property
    def pass_it(self) -> str:
        """What the child's shell does to wait."""
        return f"read _ < {self.path}"

    def open(self) -> None:
        os.write(self._fd, b"go\n")

    def close(self) -> None:
        os.close(self._fd)


def lines_of(result: Result) -> list[str]:
    return result.stdout.splitlines()
