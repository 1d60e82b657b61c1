"""Blocks: small, exact, and damage is seen."""

import random

import pytest
from log_files import OUT, START, STEPS, Execution, printed, prints_lines, rows

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.marks import CLOSE, Mark
from outlast.storage.logs.blocks import SEGMENT, BlockBuilder, decode, zstd
from outlast.storage.logs.lines import CUT, GAP, LAST, WHOLE, Entry, Line, LogGap, Piece
from outlast.storage.logs.masking import TOKENS_ONLY
from outlast.storage.logs.positions import Position, SpoolPosition, decode_position
from outlast.storage.logs.walks import MAX_LINE, SpoolFiles, Walk


@pytest.mark.requirement("S3-14")
@pytest.mark.parametrize(
    "damage",
    [
        "data = CAST(substr(data, 1, 100) || x'00' || substr(data, 102) AS BLOB)",
        "segments = CAST(x'ff' || substr(segments, 2) AS BLOB)",
        "crc = crc + 1",
        "codec = 'raw'",
        "lines = lines + 5",
        "lines = lines - 5",
        "first_at = first_at + 1",
        "raw_bytes = raw_bytes + 1",
        None,
    ],
)
def test_a_damaged_block_is_a_gap_and_the_rest_stays_readable(execution: Execution, damage: str | None) -> None:
    prints_lines(execution, 20_000)
    execution.close(OUT)
    execution.settle()
    execution.seal()
    whole = printed(execution, MAX_LINE).entries
    begin, lines, _ = rows(execution)[3]
    end = begin + lines - 1
    if damage is None:
        execution.write(lambda c: c.execute("DELETE FROM log_blocks WHERE first_line = ?", (begin,)))
    else:
        execution.write(lambda c: c.execute(f"UPDATE log_blocks SET {damage} WHERE first_line = ?", (begin,)))
    reader = execution.reader()

    around = reader.after(begin - 3, 5) if damage != "lines = lines - 5" else reader.after(begin - 3, 6)
    gaps = [entry for entry in around if isinstance(entry, LogGap)]
    assert (gaps[0].first, gaps[-1].last) == (begin, end)
    assert f"Lines {begin} to " in gaps[0].reason
    assert [entry for entry in around if entry not in gaps] == [*whole[begin - 3 : begin - 1], *whole[end : end + 2]]

    back = reader.before(end + 2, 2)
    assert back[1:] == whole[end : end + 1]
    assert isinstance(back[0], LogGap)
    assert back[0].last == end

    everything: list[Entry] = []
    n = 0
    while page := reader.after(n, 1000):
        everything += page
        n = page[-1].n if isinstance(page[-1], Line) else page[-1].last
    assert [entry for entry in everything if isinstance(entry, Line)] == whole[: begin - 1] + whole[end:]

    found = reader.search("0000000[0-9] ")
    assert len(found.matches) == 10
    assert (found.gaps[0].first, found.gaps[-1].last) == (begin, end)


def test_what_cannot_be_compressed_is_stored_as_it_is(execution: Execution) -> None:
    noise = random.Random(1).randbytes(3000).replace(b"\n", b"") + b"\n"
    execution.prints(OUT, noise)
    execution.close(OUT)
    execution.settle()
    execution.seal()
    assert execution.connection.execute("SELECT codec, length(segments) FROM log_blocks").fetchall() == [("raw", 20)]
    assert execution.reader().last(1) == printed(execution, MAX_LINE).entries


def test_a_slow_log_takes_little_room(execution: Execution) -> None:
    """Where each line came with a mark of its own."""
    for n in range(3000):
        execution.prints(OUT, b"line %d of something slow\n" % n)
        execution.mark(OUT, later=50_000 + n * 7919 % 3000)
    execution.close(OUT)
    execution.settle()
    execution.seal()
    query = "SELECT sum(length(segments) + length(data)) FROM log_blocks"
    assert execution.connection.execute(query).fetchone()[0] < 3000 * 10
    assert execution.reader().last(1000) == printed(execution, MAX_LINE).entries[-1000:]


def test_a_block_comes_back_from_its_row(execution: Execution) -> None:
    pieces = [
        Piece(5, 2, 16, START, WHOLE, b"a\n\n"),
        Piece(7, 1, 16, START, WHOLE, b"b\n"),
        Piece(8, 1, 16, START + 1, CUT, b"c" * 9),
        Piece(9, 1, 16, START + 1, WHOLE, b"c\n"),
        Piece(10, 7, 18, START + 1, GAP, b""),
        Piece(17, 1, 16, START + 2, LAST, b"d"),
        Piece(18, 1, 18, START + 2, WHOLE, b"e\n"),
    ]
    with SpoolFiles(execution.run, list(STEPS)) as files:
        block = BlockBuilder(Walk(files, Position()), TOKENS_ONLY).encode(pieces)
    assert block.codec == "zstd"
    assert len(zstd.decompress(block.segments)) == SEGMENT.size * 6, "pieces of one mark are one segment"
    assert decode(block) == [pieces[0]._replace(lines=3, data=b"a\n\nb\n"), *pieces[2:]]
    assert (block.first_line, block.lines, block.first_at, block.last_at) == (5, 14, START, START + 2)
    for moved in (block._replace(first_line=6), block._replace(last_at=START), block._replace(data=b"")):
        with pytest.raises(StoreDamaged, match="Lines"):
            decode(moved)


def test_a_position_comes_back_from_its_text() -> None:
    position = Position(7, 64, 5, Mark(3, 9, 5, CLOSE, 0), (SpoolPosition(3, 9, 4),), frozenset({1, 2}))
    assert decode_position(7, position.encode()) == position
    assert decode_position(0, Position().encode()) == Position()
    for text in ("", "{", "[]", '{"marks": 1}', position.encode().replace("64", '"x"')):
        with pytest.raises(StoreDamaged, match="position"):
            decode_position(0, text)
