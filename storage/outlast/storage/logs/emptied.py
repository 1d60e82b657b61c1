"""Spools that were truncated, while they grew or after their attempt was over: known before any byte is read."""

import os

from outlast.kernel.marks import CLOSE, EMPTIED, RECORD, Mark, MarkReader

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
        self._closes: dict[int, Mark] = {}
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
            kinds = data[KIND::RECORD]
            if EMPTIED in kinds or CLOSE in kinds:
                self._take(data)

    def _take(self, data: bytes) -> None:
        for mark in MarkReader().feed(data):
            if mark.kind == EMPTIED:
                self._begins[mark.spool] = max(mark.offset, self._begins.get(mark.spool, 0))
                self.count += 1
            elif mark.kind == CLOSE:
                self._closes[mark.spool] = mark

    def begin(self, spool: int) -> int:
        """The offset that the first byte of a spool's file stands for now."""
        return self._begins.get(spool, 0)

    def emptied_late(self, spool: int, end: int, written_at: int) -> bool:
        """Whether a spool that ends at `end` and was last written to at `written_at` (µs) was truncated after its
        attempt was over: shorter than its last mark, and not by a power cut, which would leave the older time."""
        close = self._closes.get(spool)
        return close is not None and end < close.offset and written_at > close.at
