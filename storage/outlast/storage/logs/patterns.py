"""Searching in log bytes with RE2: linear in the length of the text, whatever the pattern is.

Text and pattern are bytes. A pattern is read as UTF-8; `.` matches no byte that is not part of UTF-8 text.
"""

import re
from typing import Any, cast

import re2  # pyright: ignore[reportMissingTypeStubs]  # there are none; Regexp says what is used

from outlast.kernel.errors import InvalidInput
from outlast.storage.logs.byte_patterns import Regexp
from outlast.storage.logs.lines import WHOLE, Piece

LONGEST_PATTERN = 1000

LINE_BY_LINE = re.compile(r"\\[AzC]|\(\?[a-zA-Z]*-")
"""Where a text of many lines would be searched otherwise than each line alone: its ends, a byte that may be a
newline, multi-line mode switched off. Finding it too often only costs time."""


class LinePattern:
    """Finds the lines that a pattern matches."""

    def __init__(self, pattern: str) -> None:
        """Raises InvalidInput, naming the field `pattern`."""
        if not 1 <= len(pattern) <= LONGEST_PATTERN:
            raise invalid(f"must have 1 to {LONGEST_PATTERN} characters")
        text = pattern.encode("utf-8", "surrogatepass")
        self._alone = compiled(text)
        self._lines = None if LINE_BY_LINE.search(pattern) else compiled(b"(?m)" + text)

    def matches(self, piece: Piece) -> list[int]:
        """The numbers of the matching lines of a piece, ascending."""
        data = piece.data
        if piece.kind != WHOLE:
            return [piece.first] if data and self._alone.search(data) else []
        if self._lines is None:
            lines = enumerate(data.split(b"\n")[: piece.lines], piece.first)
            return [n for n, line in lines if self._alone.search(line)]
        found: list[int] = []
        n, line, pos = piece.first, 0, 0
        while (match := self._lines.search(data, pos)) is not None:
            start = match.start()
            if start >= len(data):
                break  # an empty match behind the last newline, where no line is
            n += data.count(b"\n", line, start)
            found.append(n)
            line = start
            pos = data.find(b"\n", start) + 1
            if pos == len(data):
                break
        return found


class EveryLine:
    """Takes the place of a pattern where lines are looked for by something else."""

    def matches(self, piece: Piece) -> list[int]:
        """The numbers of the lines of a piece."""
        return list(range(piece.first, piece.last + 1))


def compiled(pattern: bytes) -> Regexp:
    module: Any = re2
    options = module.Options()
    options.never_nl = True
    options.never_capture = True
    options.log_errors = False
    try:
        return cast("Regexp", module.compile(pattern, options))
    except module.error as error:
        reason = error.args[0] if error.args else "it does not compile"
        raise invalid(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error


def invalid(why: str) -> InvalidInput:
    return InvalidInput(
        f"pattern: {why}. It is RE2 syntax, searched for in each line.",
        next="correct the pattern; put \\Q in front of text that is meant literally",
    )
