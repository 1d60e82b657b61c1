"""Sealed blocks: whole lines in their final order, compressed, with what tells them apart.

`segments` is a sequence of 20-byte records, little-endian: spool u32, at i64 (µs), lines u32, bytes u32. Each says
how many of the next lines and bytes of the data came from which spool with which mark. The top bits of `bytes` are
flags: CUT, the segment is the beginning of a line that goes on in the next number of its spool; GAP, its lines
were dropped and have no bytes; GONE, they have none because something emptied their spool; LOST, `bytes` is what a
power cut took, and the segment one line without bytes. Byte counts are those after masking.
Both are zstd frames, or both are as they are where that takes less room: `codec` says which. Each line of a slow log
has a segment of its own, compressed to 6 bytes.
`crc` is CRC-32 over the number of the first line (u64), segments and data as they are stored.
"""

import struct
import sys
import zlib

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.marks import is_event
from outlast.kernel.seals import Block
from outlast.storage.logs.lines import CUT, GAP, GONE, LAST, LOST, WHOLE, Piece
from outlast.storage.logs.masking import Masker
from outlast.storage.logs.walks import MOST_LOST, Walk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK = 1 << 16
"""Bytes of lines in one block, at most; one longer line is a block of its own."""
MOST_SEGMENTS = 1024
"""Before they are joined. Taking a block of thousands apart would take longer than a page may."""
LEVEL = 1

SEGMENT = struct.Struct("<IqII")
NUMBER = struct.Struct("<Q")
FLAGS = {CUT: 1 << 31, GAP: 1 << 30, GONE: 1 << 29, LOST: 1 << 28}
KINDS = {flag: kind for kind, flag in FLAGS.items()}
SIZE = MOST_LOST


class BlockBuilder:
    """Takes blocks from a walk through a log. One compressor serves all blocks; it is cheaper than one for each."""

    def __init__(self, walk: Walk, masker: Masker) -> None:
        self._walk = walk
        self._masker = masker
        self._compressor = zstd.ZstdCompressor(level=LEVEL)

    def next(self, *, rest: bool) -> Block | None:
        """The next block. None when the marks cover no full one, or with `rest` when they cover no line.

        After None without `rest` the walk may stand behind lines that no block holds: it is of no more use.
        """
        walk, room = self._walk, BLOCK
        pieces: list[Piece] = []
        while room >= BLOCK // 16 and len(pieces) < MOST_SEGMENTS:
            piece = walk.next(room, oversize=False)
            if piece is None and not pieces and not walk.exhausted:
                piece = walk.next(room)
            if piece is None:
                break
            pieces.append(piece)
            room -= len(piece.data)
        if not pieces or (walk.exhausted and not rest):
            return None
        return self.encode(pieces)

    def encode(self, pieces: list[Piece]) -> Block:
        raw = joined(pieces)
        hits = self._masker.mask(raw).hits
        if hits:
            pieces = [piece.masked(self._masker) for piece in pieces]
            raw = joined(pieces)
        segments = _segments(pieces)
        first, last, raw_bytes = pieces[0], pieces[-1], len(raw)
        codec, data = "raw", raw
        packed = self._compressed(segments), self._compressed(raw)
        if sum(map(len, packed)) < len(segments) + len(raw):
            codec, (segments, data) = "zstd", packed
        return Block(
            first_line=first.first,
            lines=last.last - first.first + 1,
            first_at=first.at,
            last_at=last.at,
            raw_bytes=raw_bytes,
            codec=codec,
            segments=segments,
            data=data,
            crc=checksum(first.first, segments, data),
            events=sum(piece.lines for piece in pieces if is_event(piece.spool)),
            masked=hits,
        )

    def _compressed(self, data: bytes) -> bytes:
        return self._compressor.compress(data, self._compressor.FLUSH_FRAME)


def joined(pieces: list[Piece]) -> bytes:
    return pieces[0].data if len(pieces) == 1 else b"".join(piece.data for piece in pieces)


def _segments(pieces: list[Piece]) -> bytes:
    """One record for each run of whole lines that came with one mark, one for each other piece."""
    records: list[tuple[int, int, int, int]] = []
    before: Piece | None = None
    for piece in pieces:
        spool, at, lines, size = piece.spool, piece.at, piece.lines, len(piece.data) or piece.lost
        if before is not None and before.kind == piece.kind == WHOLE and (before.spool, before.at) == (spool, at):
            lines, size = lines + records[-1][2], size + records.pop()[3]
        records.append((spool, at, lines, size | FLAGS.get(piece.kind, 0)))
        before = piece
    return b"".join(SEGMENT.pack(*record) for record in records)


def checksum(first_line: int, segments: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(segments, zlib.crc32(NUMBER.pack(first_line))))


def decode(block: Block) -> list[Piece]:
    """The pieces of a block. Raises StoreDamaged, naming the lines, where it is not what was written."""
    if checksum(block.first_line, block.segments, block.data) != block.crc:
        raise damaged(block, "checksum mismatch")
    try:
        segments, raw = block.segments, block.data
        if block.codec == "zstd":
            segments, raw = zstd.decompress(segments), zstd.decompress(raw)
        pieces = _split(block.first_line, segments, raw)
    except (zstd.ZstdError, struct.error, ValueError) as error:
        raise damaged(block, str(error)) from error
    # The columns that the checksum leaves out say again what segments and data say.
    first, last = pieces[0], pieces[-1]
    if (block.lines, block.first_at, block.last_at, block.raw_bytes) != (
        last.last - first.first + 1,
        first.at,
        last.at,
        len(raw),
    ):
        raise damaged(block, "its columns contradict its content")
    return pieces


def _split(first: int, segments: bytes, raw: bytes) -> list[Piece]:
    pieces: list[Piece] = []
    begin = 0
    for spool, at, lines, size in SEGMENT.iter_unpack(segments):
        flags, size = size & ~SIZE, size & SIZE
        lost = size if KINDS.get(flags) == LOST else 0
        end = begin + size - lost
        data = raw[begin:end]
        whole = WHOLE if data.endswith(b"\n") else LAST
        pieces.append(Piece(first, lines, spool, at, KINDS.get(flags, whole), data, lost))
        first, begin = first + lines, end
    if not pieces or begin != len(raw):
        raise ValueError("segments and data differ in length")
    return pieces


def damaged(block: Block, what: str) -> StoreDamaged:
    last = block.first_line + block.lines - 1
    return StoreDamaged(
        f"Lines {block.first_line} to {last} are damaged in the database ({what}); other lines are not affected.",
        next="outlast db check, then outlast db restore",
    )
