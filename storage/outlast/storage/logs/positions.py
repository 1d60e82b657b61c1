"""A place in the sequence of lines from which numbering can go on, for sealing and for reading."""

import json
from typing import NamedTuple

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.marks import Mark


class SpoolPosition(NamedTuple):
    spool: int
    """Packed."""
    marked: int
    """Offset of its last mark."""
    start: int
    """Offset of the first byte without a number."""


class Position(NamedTuple):
    lines: int = 0
    """Lines before this place."""
    marks: int = 0
    """Bytes of the marks file read."""
    at: int = 0
    """µs since the epoch, of the last mark read."""
    mark: Mark | None = None
    """The last mark read, where some of its lines are still to come."""
    spools: tuple[SpoolPosition, ...] = ()
    """The spools that were seen and are not closed."""
    closed: frozenset[int] = frozenset()

    def encode(self) -> str:
        """JSON without `lines`, which has a column of its own."""
        document = {
            "marks": self.marks,
            "at": self.at,
            "mark": self.mark,
            "spools": self.spools,
            "closed": sorted(self.closed),
        }
        return json.dumps(document, separators=(",", ":"))


def decode_position(lines: int, text: str) -> Position:
    """Raises StoreDamaged where the text is not what `encode` writes."""
    try:
        document = json.loads(text)
        mark = document["mark"]
        return Position(
            lines,
            int(document["marks"]),
            int(document["at"]),
            None if mark is None else Mark(*map(int, mark)),
            tuple(SpoolPosition(*map(int, spool)) for spool in document["spools"]),
            frozenset(map(int, document["closed"])),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise StoreDamaged(
            f"log_seals.position cannot be read: {text[:80]!r}.",
            next="restore a backup, or delete the execution",
        ) from error
