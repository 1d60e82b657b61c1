"""The workflows of `outlast demo`: files that are put into a home, and put there again by later versions."""

import hashlib
import re
import sys
from enum import StrEnum
from pathlib import Path

from outlast.kernel.errors import InvalidInput

SOURCE = Path(__file__).parent.parent / "demo"
HEAD = re.compile(rb"# outlast demo, sha256 of the other lines: ([0-9a-f]{64})\n")
"""The first line of each file: tells whether somebody has changed it since."""


class Placed(StrEnum):
    WRITTEN = "written"
    THERE = "already there"
    KEPT = "changed since, kept"


def place(directory: Path) -> dict[Path, Placed]:
    """Put the demo's files into a directory; what became of each. Files that somebody changed stay as they are.

    Raises InvalidInput where a file cannot be written.
    """
    placed: dict[Path, Placed] = {}
    for source in sorted(SOURCE.iterdir()):
        if source.suffix in (".yaml", ".py"):
            target = directory / source.name
            try:
                placed[target] = place_one(target, content(source))
            except OSError as error:
                raise InvalidInput(f"{target} cannot be written: {error.strerror}.", next="outlast demo") from None
    return placed


def content(source: Path) -> bytes:
    """A file of the demo as it is put into a home: with its first line, and the interpreter of this installation."""
    text = source.read_text(encoding="utf-8").replace('"@PYTHON@"', quoted(sys.executable))
    body = text.encode("utf-8", "surrogateescape")
    return b"# outlast demo, sha256 of the other lines: %s\n" % hashlib.sha256(body).hexdigest().encode() + body


def quoted(text: str) -> str:
    """A YAML string."""
    return "'" + text.replace("'", "''") + "'"


def place_one(target: Path, wanted: bytes) -> Placed:
    try:
        with target.open("xb") as file:
            file.write(wanted)
        return Placed.WRITTEN
    except FileExistsError:
        there = target.read_bytes()
    if there == wanted:
        return Placed.THERE
    head = HEAD.match(there)
    if head is None or hashlib.sha256(there[head.end() :]).hexdigest().encode() != head[1]:
        return Placed.KEPT
    target.write_bytes(wanted)
    return Placed.WRITTEN
