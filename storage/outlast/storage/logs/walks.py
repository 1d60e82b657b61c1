"""From marks and spools to numbered lines. Everybody who numbers lines does it here: indexing, reading, sealing.

The rules of numbering:
1. A line belongs to the mark in which its newline arrives. Lines are numbered from 1 over the whole execution, in
   the order of the marks, inside one mark in the order of its spool. Bytes that no mark covers have no number yet.
2. CLOSE gives a number to a last line without newline. Bytes beyond a CLOSE are never lines.
3. A line is cut when MAX_LINE bytes of it have arrived and none is a newline: that piece is a line of its own and
   the rest goes on as the next line of its spool. Cut lines joined with what follows are the bytes written.
4. Where a spool is shorter than a mark says (a power cut), the partial line before the missing bytes counts at CLOSE,
   and the missing bytes as one line behind it (one for each MOST_LOST of them).
5. GAP counts the lines that were dropped; their bytes reach up to its offset.
6. Behind EMPTIED a spool goes on with the first byte of its file. Earlier marks of it, and those of a spool whose file
   is not there, have no bytes any more: each stands for the lines it says it has, less those with numbers already.
7. A line's time is its mark's time.
So numbers depend on marks and bytes alone, never on who reads when or in what portions: they never change.
"""

import errno
import os
from collections import OrderedDict
from types import TracebackType

from outlast.kernel.files import open_regular
from outlast.kernel.home import RunDirectory
from outlast.kernel.marks import CLOSE, EMPTIED, MAX_LINE, RECORD, Mark, MarkReader, Spool
from outlast.kernel.marks import GAP as GAP_MARK
from outlast.storage.logs.emptied import EmptiedSpools
from outlast.storage.logs.lines import CUT, GAP, GONE, LAST, LOST, WHOLE, Piece
from outlast.storage.logs.positions import Position, SpoolPosition

CHUNK = 1 << 17
"""Bytes of one read while looking for the end of a long line, and of marks."""
MOST_LOST = (1 << 28) - 1
"""Missing bytes that one line stands for at most; a block says no larger number."""
OPEN_SPOOLS = 16


class SpoolEmptied(Exception):
    """A spool was truncated: the bytes that were read may be others than were asked for."""


class SpoolFiles:
    """The marks and spools of one run directory, for reading. Files that were open stay readable after removal.

    Raises FileNotFoundError where there is no marks file.
    """

    def __init__(self, run_directory: RunDirectory, steps: list[str]) -> None:
        """`steps`: the ids of the plan's steps in order."""
        self._directory = run_directory
        self._steps = steps
        marks = open_regular(run_directory.marks)
        if marks is None:
            raise FileNotFoundError(errno.ENOENT, "No marks file", run_directory.marks)
        self._marks = marks
        self.emptied = EmptiedSpools(self._marks)
        self._open: OrderedDict[int, int] = OrderedDict()
        self._read_to: dict[int, int] = {}
        self._synced: dict[int, int] = {}
        self._marks_synced = 0
        self.missing = False
        """A spool was asked for whose file is not there: lost, replaced, or the run directory is being removed."""

    def read_marks(self, position: int) -> bytes:
        return os.pread(self._marks, CHUNK, position)

    def read(self, spool: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes from an offset of the marks on; fewer only where the file ends.

        Raises SpoolEmptied where that was noted while they were read: then ask again.
        """
        fd, begin = self._fd(spool), self.emptied.begin(spool)
        if fd is None or offset < begin:
            return b""
        data = os.pread(fd, size, offset - begin)
        # Looked at again behind the read: until then it may have been emptied.
        self.emptied.look()
        if self.emptied.begin(spool) != begin:
            raise SpoolEmptied
        self._read_to[spool] = max(offset + len(data), self._read_to.get(spool, 0))
        return data

    def gone(self, mark: Mark) -> bool:
        """The bytes that a mark speaks of are not there any more."""
        if mark.offset <= self.emptied.begin(mark.spool):
            return True
        fd = self._fd(mark.spool)
        if fd is None:
            return True
        written_at = os.fstat(fd).st_mtime_ns // 1000
        return self.emptied.emptied_late(mark.spool, self.end(mark.spool), written_at)

    def end(self, spool: int) -> int:
        """Where the spool ends, as an offset of the marks; where it begins if its file is missing."""
        fd = self._fd(spool)
        return self.emptied.begin(spool) + (0 if fd is None else os.fstat(fd).st_size)

    def sync(self, marks: int) -> None:
        """Make durable what was read of the spools, and the first `marks` bytes of the marks."""
        for spool, end in self._read_to.items():
            if end > self._synced.get(spool, 0) and (fd := self._fd(spool)) is not None:
                # All that is there now becomes durable, so one call serves many batches of a log that has ended.
                size = self.end(spool)
                os.fsync(fd)
                self._synced[spool] = size
        if marks > self._marks_synced:
            size = os.fstat(self._marks).st_size
            os.fsync(self._marks)
            self._marks_synced = size

    def _fd(self, spool: int) -> int | None:
        if (fd := self._open.get(spool)) is not None:
            self._open.move_to_end(spool)
            return fd
        step, attempt, stream = Spool.unpack(spool)
        if not 1 <= step <= len(self._steps) or stream > 3:
            self.missing = True
            return None
        path = self._directory.attempt(self._steps[step - 1], attempt).spool(stream)
        fd = open_regular(path)
        if fd is None:
            self.missing = True
            return None
        self._open[spool] = fd
        if len(self._open) > OPEN_SPOOLS:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def close(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
        os.close(self._marks)

    def __enter__(self) -> "SpoolFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Walk:
    """Goes through a log from a position on, as far as its marks reach, and on again when there are more."""

    def __init__(self, files: SpoolFiles, position: Position) -> None:
        self.files = files
        self.lines = position.lines
        """Numbered so far, from the beginning of the execution."""
        self.exhausted = False
        """All marks that were there are done."""
        self._mark = position.mark
        self._closed = position.closed
        self._starts = {spool: start for spool, _, start in position.spools}
        self._scanned: dict[int, int] = {}
        """Up to where an unfinished line is known to hold no newline, by spool."""
        self._records = b""
        self._next_record = 0
        self._reader = MarkReader()
        self._reader.position = position.marks
        self._reader.last_at = position.at
        self._reader.last = {spool: marked for spool, marked, _ in position.spools}
        self._reader.closed = set(position.closed)
        if position.mark is not None and position.mark.kind == CLOSE:
            self._reader.closed.add(position.mark.spool)

    @property
    def marks(self) -> int:
        """Bytes of the marks file read."""
        return self._reader.position

    @property
    def at(self) -> int:
        """µs since the epoch, of the last mark read."""
        return self._reader.last_at

    @property
    def closed(self) -> frozenset[int]:
        """The spools whose attempts are over and read to their end."""
        return self._closed

    def position(self) -> Position:
        marked = self._reader.last
        spools = tuple(SpoolPosition(spool, marked[spool], start) for spool, start in self._starts.items())
        return Position(self.lines, self.marks, self._reader.last_at, self._mark, spools, self._closed)

    def next(self, room: int, *, oversize: bool = True, marks: int | None = None) -> Piece | None:
        """The next lines of one mark, at most `room` bytes of them; a first line that is longer comes alone.

        None when the marks are exhausted; with `oversize=False` also when the first line is longer than `room`;
        with `marks` also when that many marks gave no line.
        """
        room = min(room, MAX_LINE)
        while True:
            mark = self._mark
            if mark is None:
                if marks is not None:
                    if marks == 0:
                        return None
                    marks -= 1
                mark = self._mark = self._next_mark()
                if mark is None:
                    self.exhausted = True
                    return None
                self.exhausted = False
                self._starts.setdefault(mark.spool, 0)
            piece = self._next_piece(mark, room, oversize)
            if piece is not None:
                self.lines += piece.lines
                return piece
            if self._mark is not None:
                return None

    def _next_mark(self) -> Mark | None:
        while True:
            if self._next_record == len(self._records):
                records = self.files.read_marks(self._reader.position)
                self._records = records[: len(records) - len(records) % RECORD]
                self._next_record = 0
                if not self._records:
                    return None
            record = self._records[self._next_record : self._next_record + RECORD]
            self._next_record += RECORD
            for mark in self._reader.feed(record):
                return mark

    def _next_piece(self, mark: Mark, room: int, oversize: bool) -> Piece | None:
        while mark.kind not in (GAP_MARK, EMPTIED) and not self.files.gone(mark):
            try:
                return self._piece(mark, room, oversize)
            except SpoolEmptied:
                continue  # behind this mark, which then is gone, or before it
        return self._gap(mark)

    def _piece(self, mark: Mark, room: int, oversize: bool) -> Piece | None:
        """The next piece of a mark. None when it has no more, or when its first line does not fit."""
        spool = mark.spool
        start = self._starts[spool]
        scanned = self._scanned.get(spool, start)
        if scanned - start < room:
            scanned = start
        while scanned < mark.offset:
            beginning = scanned == start
            size = room if beginning else min(CHUNK, start + MAX_LINE - scanned)
            data = self.files.read(spool, min(size, mark.offset - scanned), scanned)
            if not data:
                break
            end = (data.rfind(b"\n") if beginning else data.find(b"\n")) + 1
            if beginning and end:
                return self._take(mark, WHOLE, data[:end])
            if end:
                return self._take_one(mark, WHOLE, scanned + end - start, room, oversize)
            scanned += len(data)
            if scanned - start == MAX_LINE:
                return self._take_one(mark, CUT, MAX_LINE, room, oversize)
        self._scanned[spool] = scanned
        if mark.kind == CLOSE and scanned > start:
            return self._take_one(mark, LAST, scanned - start, room, oversize)
        if mark.kind == CLOSE and scanned < mark.offset:
            return self._lose(mark)
        self._end(mark)
        return None

    def _take_one(self, mark: Mark, kind: int, size: int, room: int, oversize: bool) -> Piece | None:
        """One line of `size` bytes, if it fits."""
        if size > room and not oversize:
            return None
        return self._take(mark, kind, self.files.read(mark.spool, size, self._starts[mark.spool]))

    def _take(self, mark: Mark, kind: int, data: bytes) -> Piece:
        lines = data.count(b"\n") if kind == WHOLE else 1
        piece = Piece(self.lines + 1, lines, mark.spool, mark.at, kind, data)
        self._starts[mark.spool] += len(data)
        self._scanned.pop(mark.spool, None)
        if kind == LAST and self._starts[mark.spool] == mark.offset:
            self._end(mark)
        else:
            # What it stands for if the rest of its bytes goes.
            self._mark = mark._replace(lines=max(0, mark.lines - lines))
        return piece

    def _lose(self, mark: Mark) -> Piece:
        """What a closed spool lacks at its end."""
        lost = min(mark.offset - self._starts[mark.spool], MOST_LOST)
        self._starts[mark.spool] += lost
        if self._starts[mark.spool] == mark.offset:
            self._end(mark)
        return Piece(self.lines + 1, 1, mark.spool, mark.at, LOST, b"", lost)

    def _gap(self, mark: Mark) -> Piece | None:
        """The lines of a mark that has no bytes, or none any more."""
        self._starts[mark.spool] = mark.offset
        self._scanned.pop(mark.spool, None)
        self._end(mark)
        if mark.lines == 0:
            return None
        kind = GAP if mark.kind == GAP_MARK else GONE
        return Piece(self.lines + 1, mark.lines, mark.spool, mark.at, kind, b"")

    def _end(self, mark: Mark) -> None:
        self._mark = None
        if mark.kind == CLOSE:
            self._closed |= {mark.spool}
            self._starts.pop(mark.spool, None)
            self._scanned.pop(mark.spool, None)
