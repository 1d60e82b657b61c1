"""Errors of many lines: a traceback is folded into its last line, which names the error; the frames under an error
belong to it. What is open at the end of some lines is remembered for the next ones of the same spool.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

TRACEBACK = b"Traceback (most recent call last)"
NAME = re.compile(rb"[A-Za-z_][\w.]*(?::|$)")
FRAME = re.compile(rb"\s+(?:at |\.\.\. \d+ (?:more|common))")
"""Of Java, JavaScript, .NET."""


class Open(NamedTuple):
    """A traceback whose end has not been seen."""

    header: bytes
    first: int
    first_at: int
    lines: int
    """So far."""
    last: int
    last_at: int
    prefix: bytes | None
    """What stands in front of each of its lines; unknown behind the first one."""


class Block(NamedTuple):
    """Lines that are one appearance of an error."""

    named: int
    """Index of the line that names it."""
    first: int
    """Line number."""
    first_at: int
    lines: int
    last: int
    """Index."""


@dataclass(slots=True)
class Folds:
    dropped: list[range] = field(default_factory=list[range])
    """Indexes of lines that are parts of blocks."""
    blocks: list[Block] = field(default_factory=list[Block])
    unnamed: Open | None = None
    """A traceback from earlier that ends without naming its error."""
    open: Open | None = None
    """The traceback that goes on behind these lines."""
    under: int = 0
    """The first lines that are frames of the error before them."""


def fold(
    lines: Sequence[bytes],
    errors: Sequence[int],
    first: int,
    at: Callable[[int], int],
    opened: Open | None,
    *,
    under: bool,
) -> Folds:
    """Find the blocks in consecutive lines of one spool, of which those at `errors` are errors.

    `first`: the number of the first line. `at`: when the line at an index came. `opened`: the traceback that they go
    on with. `under`: the line before them is an error, or a frame of one.
    """
    folds = Folds()
    following = Following(folds, lines, first, at)
    index = 0
    if opened is not None:
        index = following.traceback(0, opened, None)
    elif under:
        index = folds.under = frames(lines, 0)
        if index:
            folds.dropped.append(range(index))
    for error in errors:
        if error < index:
            continue
        if TRACEBACK in lines[error]:
            number, came = first + error, at(error)
            header = Open(lines[error], number, came, 1, number, came, None)
            index = following.traceback(error + 1, header, error)
        elif (end := frames(lines, error + 1)) > error + 1:
            folds.blocks.append(Block(error, first + error, at(error), end - error, end - 1))
            folds.dropped.append(range(error + 1, end))
            index = end
    return folds


class Following(NamedTuple):
    """Follows tracebacks through lines."""

    folds: Folds
    lines: Sequence[bytes]
    first: int
    at: Callable[[int], int]

    def traceback(self, index: int, block: Open, header: int | None) -> int:
        """Follow one from `index` on; where the next line stands that is not part of it. `header`: the index of its
        first line, where that is among the lines."""
        folds, lines, first = self.folds, self.lines, self.first
        begin = index if header is None else header
        start = index
        prefix = block.prefix
        while index < len(lines):
            line = lines[index]
            if prefix is None:
                own = block.header[: block.header.index(TRACEBACK)]
                prefix = next((one for one in (own, b"") if line.startswith(one + b"  ")), None)
                if prefix is None:
                    break
            elif not line.startswith(prefix + b" "):
                if line.startswith(prefix) and NAME.match(line, len(prefix)):
                    end = frames(lines, index + 1)
                    folds.dropped += (range(begin, index), range(index + 1, end))
                    count = block.lines + end - start
                    folds.blocks.append(Block(index, block.first, block.first_at, count, end - 1))
                    return end
                break
            index += 1
        if index > start:
            last = first + index - 1
            block = block._replace(
                lines=block.lines + index - start, last=last, last_at=self.at(index - 1), prefix=prefix
            )
        if index == len(lines):
            folds.open = block
            folds.dropped.append(range(begin, index))
        elif header is None:
            folds.unnamed = block
            folds.dropped.append(range(begin, index))
        else:
            folds.blocks.append(Block(header, block.first, block.first_at, block.lines, index - 1))
            folds.dropped.append(range(header + 1, index))
        return index


def frames(lines: Sequence[bytes], index: int) -> int:
    """Where the frames end that begin at `index`."""
    while index < len(lines) and FRAME.match(lines[index]):
        index += 1
    return index
