"""Disks that fail: what processes watched by the shim are refused, switched on and off while they run."""

import struct
from collections.abc import Iterable
from pathlib import Path

from disk.recording import Kind

FAULTS = struct.Struct("<IIqqq256s")
FULL = (Kind.WRITE, Kind.CREATE, Kind.MKDIR)
"""What needs room."""


class FailingDisk:
    """A disk under everything below one root, healthy at first."""

    def __init__(self, faults: Path) -> None:
        self.faults = faults
        self.mend()

    def fail(self, error: int, kinds: Iterable[Kind], *, after: int = 0, room: int = -1, part: str = "") -> None:
        """Refuse operations with an errno from now on: those whose path contains `part`, `after` more that succeed.
        `room`: bytes that can still be written before that."""
        bits = sum(1 << kind for kind in set(kinds))
        self._write(FAULTS.pack(error, bits, after, room, 0, part.encode()))

    def mend(self) -> None:
        """Everything goes well again."""
        self._write(FAULTS.pack(0, 0, 0, -1, 0, b""))

    @property
    def failed(self) -> int:
        """How many operations were refused since the last `fail`."""
        return FAULTS.unpack(self.faults.read_bytes())[4]

    def _write(self, data: bytes) -> None:
        # In place: processes open it whenever they do something.
        with open(self.faults, "r+b" if self.faults.exists() else "wb") as file:
            file.write(data)
