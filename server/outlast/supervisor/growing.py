"""One spool that may still grow: how far, how many lines, and whether somebody has emptied it."""

import os
from typing import NamedTuple

from outlast.kernel.clock import Clock
from outlast.kernel.marks import MAX_LINE, Spool
from outlast.supervisor.files import open_regular
from outlast.supervisor.libc import start_writeback

COUNTED = 8 << 20
"""Bytes between two looks in which lines are counted: 160 MB/s. What grows faster is not read; each of its bytes
counts as a line, which is more than there are."""
CHUNK = 1 << 16
TAIL = 64
"""Bytes in front of the last mark that are remembered: where others stand there, the file was written anew."""
WRITEBACK = 64 << 20


class Growth(NamedTuple):
    """What came since the last mark."""

    end: int
    """Offset of the marks."""
    lines: int
    """That end in it, at most."""
    unfinished: int
    """Bytes behind the last of them."""


class GrowingSpool:
    """Offsets are those of the marks: they go on growing when the file was emptied and begins again.

    Where a child has put something else in the place of the file there is nothing to follow: it never grows.
    """

    def __init__(
        self, spool: Spool, path: str, *, marked: int, begin: int, clock: Clock, fd: int | None = None
    ) -> None:
        """`marked`: the offset of its last mark. `begin`: the offset that the first byte of the file stands for.
        `fd`: of the file, where it is not the one at `path`."""
        self.spool = spool.pack()
        self.path = path
        self.fd = open_regular(path, links=False) if fd is None else fd
        self._begin = begin
        self._written_back = 0
        if self.fd is not None and self._end() < marked and self._from_before_boot(clock):
            # A power cut took its end, and who wrote it is dead. What is left of it still counts.
            self.close()
            self.fd = None
        self._unfinished = self._behind_last_line(marked)
        self._tail = self._before(marked)

    def changed(self, marked: int) -> bool:
        return self.fd is not None and (self._end() > marked or self.emptied(marked))

    def emptied(self, marked: int) -> bool:
        """Whether it was truncated since its last mark, and perhaps written again: `> /dev/stderr` does that."""
        if self.fd is None:
            return False
        return self._end() < marked or self._before(marked) != self._tail

    @property
    def unfinished(self) -> int:
        """Bytes of a line whose end has not come yet."""
        return self._unfinished

    def begin_again(self, marked: int) -> None:
        """It was emptied: the first byte of the file stands for the offset of its last mark from now on."""
        self._begin, self._unfinished, self._tail, self._written_back = marked, 0, b"", 0

    def growth(self, marked: int) -> Growth:
        """What came since the last mark; ends there where nothing came."""
        end = self._end()
        if self.fd is None or end <= marked:
            return Growth(marked, 0, self._unfinished)
        if end - marked > COUNTED:
            return Growth(end, end - marked, self._behind_last_line(end))
        lines, unfinished, offset = 0, self._unfinished, marked
        while offset < end and (data := os.pread(self.fd, min(CHUNK, end - offset), offset - self._begin)):
            newline = data.find(b"\n")
            unfinished += len(data) if newline < 0 else newline
            lines += data.count(b"\n") + unfinished // MAX_LINE
            unfinished = unfinished % MAX_LINE if newline < 0 else len(data) - data.rfind(b"\n") - 1
            offset += len(data)
        return Growth(end, lines, unfinished)

    def took(self, growth: Growth) -> None:
        """The growth has its mark."""
        self._unfinished = growth.unfinished
        self._tail = self._before(growth.end)
        written = growth.end - self._begin
        if self.fd is not None and written - self._written_back >= WRITEBACK:
            start_writeback(self.fd, self._written_back, written - self._written_back)
            self._written_back = written

    def written_at(self, now: int) -> int:
        """When it was last written to, µs; `now` where that is not known or said to be later."""
        return now if self.fd is None else min(now, os.fstat(self.fd).st_mtime_ns // 1000)

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)

    def _end(self) -> int:
        return self._begin + (0 if self.fd is None else os.fstat(self.fd).st_size)

    def _from_before_boot(self, clock: Clock) -> bool:
        now = clock.now()
        return self.written_at(now) < now - clock.boottime()

    def _before(self, offset: int) -> bytes:
        """The last bytes in front of an offset."""
        if self.fd is None:
            return b""
        start = max(self._begin, offset - TAIL)
        return os.pread(self.fd, offset - start, start - self._begin)

    def _behind_last_line(self, offset: int) -> int:
        """Bytes between the last newline and an offset; 0 where a line is so long that it was cut somewhere."""
        start = offset
        while self.fd is not None and self._begin < start and offset - start < MAX_LINE:
            size = min(CHUNK, start - self._begin)
            start -= size
            newline = os.pread(self.fd, size, start - self._begin).rfind(b"\n")
            if newline >= 0:
                return offset - start - newline - 1
        return offset - start if offset - start < MAX_LINE else 0
