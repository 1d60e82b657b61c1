"""Spools that were truncated while they grew, as the marks tell: known before any byte of them is read."""

import os

from outlast.kernel.marks import EMPTIED, RECORD, MarkReader

CHUNK = 1 << 17
KIND = 24
"""Where a record says its kind."""


class EmptiedSpools:
    """Looks ahead in a marks file for EMPTIED: a mark before one stands for bytes that are not there any more."""

    def __init__(self, marks: int) -> None:
        """`marks`: the descriptor of the marks file."""
        self._marks = marks
        self._position = 0
        self._begins: dict[int, int] = {}
        self.count = 0
        """EMPTIED records seen."""
        self.look()

    def look(self) -> None:
        """Take in what was appended."""
        while os.fstat(self._marks).st_size - self._position >= RECORD:
            data = os.pread(self._marks, CHUNK, self._position)
            data = data[: len(data) - len(data) % RECORD]
            self._position += len(data)
            # Nearly every chunk is free of them; its records need not be decoded then.
            if EMPTIED in data[KIND::RECORD]:
                self._take(data)

    def _take(self, data: bytes) -> None:
        for mark in MarkReader().feed(data):
            if mark.kind == EMPTIED:
                self._begins[mark.spool] = max(mark.offset, self._begins.get(mark.spool, 0))
                self.count += 1

    def begin(self, spool: int) -> int:
        """The offset that the first byte of a spool's file stands for now."""
        return self._begins.get(spool, 0)
