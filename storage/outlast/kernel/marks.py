"""The marks file: which bytes of which spool arrived when. It alone defines the order of an execution's lines.

One record is 32 bytes, little-endian:

    crc32 u32 | spool u32 | offset u64 | at i64 (µs since the epoch) | kind u8, lines u56

`crc32` covers the other 28 bytes. `spool` packs step (16 bits), attempt (12) and stream (4). `offset` is where
the spool ended when the record was written. `kind` is MARK, CLOSE (the attempt is over: a last line without a
newline gets its number here, later bytes are nobody's), GAP (`lines` lines before `offset` were dropped) or EMPTIED
(somebody truncated the spool: what was before `offset` is gone, and the first byte of the file stands for `offset`
from now on). `lines` of MARK and CLOSE says how many lines end in it, so that they keep their numbers when their
bytes are gone; more than there are where a spool grew by more than was counted. Of EMPTIED it is 1 where the bytes
that had no number yet were the beginning of a line, else 0.

A reader skips a record whose checksum is wrong, whose offset is not above the last one of its spool (CLOSE and
EMPTIED may repeat it), or that comes after its spool's CLOSE. A torn last record is therefore ignored. Times never
go back.
"""

import os
import struct
import zlib
from typing import NamedTuple

from outlast.kernel import faults

RECORD = 32
MARK, CLOSE, GAP, EMPTIED = 0, 1, 2, 3
MERGED, STDOUT, STDERR, EVENT = 0, 1, 2, 3
STREAM_NAMES = ("merged", "stdout", "stderr", "event")
STREAM_FILES = ("out", "out", "err", "events")
"""The spool's file name in the attempt's directory, by stream."""
MAX_LINE = 1 << 20
"""Bytes after which a line is cut, and goes on as another one: a line without end must not need endless memory."""

BODY = struct.Struct("<IQqQ")
CRC = struct.Struct("<I")


class Spool(NamedTuple):
    """One stream of one attempt of one step."""

    step: int
    attempt: int
    stream: int

    def pack(self) -> int:
        return self.step << 16 | self.attempt << 4 | self.stream

    @classmethod
    def unpack(cls, value: int) -> "Spool":
        return cls(value >> 16, value >> 4 & 0xFFF, value & 0xF)


def is_event(packed: int) -> bool:
    """Whether a packed spool is what a child wrote to $OUTLAST_EVENTS."""
    return packed & 0xF == EVENT


class Mark(NamedTuple):
    spool: int
    """Packed; see Spool."""
    offset: int
    at: int
    """µs since the epoch."""
    kind: int = MARK
    lines: int = 0
    """How many it stands for; see above."""

    def encode(self) -> bytes:
        body = BODY.pack(self.spool, self.offset, self.at, self.kind | self.lines << 8)
        return CRC.pack(zlib.crc32(body)) + body


class MarkReader:
    """Decodes a marks file piece by piece, skipping what the rules above say to skip."""

    def __init__(self) -> None:
        self.position = 0
        """Bytes of the file consumed so far."""
        self.last: dict[int, int] = {}
        """Offset of the last valid record, by spool."""
        self.closed: set[int] = set()
        self.begins: dict[int, int] = {}
        """The offset that the first byte of the file stands for, by spool; 0 for those that are not here."""
        self.last_at = 0

    def feed(self, data: bytes) -> list[Mark]:
        """The valid marks in `data`, which starts at `position`; an incomplete record at its end is left."""
        marks: list[Mark] = []
        whole = len(data) - len(data) % RECORD
        for start in range(0, whole, RECORD):
            record = data[start : start + RECORD]
            if CRC.unpack_from(record)[0] != zlib.crc32(record[4:]):
                continue
            spool, offset, at, tail = BODY.unpack_from(record, 4)
            mark = Mark(spool, offset, max(at, self.last_at), tail & 0xFF, tail >> 8)
            last = self.last.get(spool, 0)
            if spool in self.closed or offset < last or (offset == last and mark.kind not in (CLOSE, EMPTIED)):
                continue
            self.last[spool] = offset
            self.last_at = mark.at
            if mark.kind == CLOSE:
                self.closed.add(spool)
            elif mark.kind == EMPTIED:
                self.begins[spool] = offset
            marks.append(mark)
        self.position += whole
        return marks

    def read(self, fd: int) -> list[Mark]:
        """The marks that were appended since the last call."""
        marks: list[Mark] = []
        while data := os.pread(fd, 1 << 20, self.position):
            if len(data) < RECORD:
                break
            marks += self.feed(data)
        return marks


class MarkWriter:
    """Appends marks. Whoever takes over first pads a torn record, or every later one would be unreadable."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.reader = MarkReader()
        self._torn = True
        """Whether the file may end inside a record: not known yet, or the last write failed."""
        self._pad()
        self.reader.read(self.fd)

    def append(self, mark: Mark) -> None:
        """Write one record; a short write is padded so that the next record starts on its boundary.

        OSError where the disk does not take it. The next call then pads first.
        """
        at = max(mark.at, self.reader.last_at)
        data = mark._replace(at=at).encode()
        faults.reach("marks.appending")
        self._pad()
        self._torn = True
        if os.write(self.fd, data) != RECORD:
            self._pad()
            self._torn = True
            if os.write(self.fd, data) != RECORD:
                raise OSError("marks: the disk takes only part of a record")
        self._torn = False
        self.reader.read(self.fd)

    def end(self, spool: int) -> int:
        """The offset of the spool's last record."""
        return self.reader.last.get(spool, 0)

    def begin(self, spool: int) -> int:
        """The offset that the first byte of the spool's file stands for."""
        return self.reader.begins.get(spool, 0)

    def closed(self, spool: int) -> bool:
        return spool in self.reader.closed

    def sync(self) -> None:
        os.fsync(self.fd)

    def close(self) -> None:
        os.close(self.fd)

    def _pad(self) -> None:
        while self._torn and (torn := os.fstat(self.fd).st_size % RECORD):
            os.write(self.fd, bytes(RECORD - torn))
        self._torn = False
