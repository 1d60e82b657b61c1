"""Machines that tests make up, with clients on them."""

from pathlib import Path
from typing import NamedTuple

from outlast.server.clients.machine import Machine


class Place(NamedTuple):
    """A home directory of the test's own."""

    home: Path

    def machine(self, platform: str = "linux", **environ: str) -> Machine:
        return Machine(platform, self.home, environ, self.home / "project")

    def write(self, name: str, text: str | bytes) -> Path:
        """A file below the home directory."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def files(self) -> dict[str, bytes]:
        """Everything below the home directory."""
        return {str(path.relative_to(self.home)): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}
