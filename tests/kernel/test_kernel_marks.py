"""The marks file: what was written is read, what is torn is skipped, nothing goes back."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.marks import CLOSE, EMPTIED, GAP, MARK, RECORD, STDERR, STDOUT, Mark, MarkReader, MarkWriter, Spool
from stored import START, processes

OUT, ERR = Spool(1, 1, STDOUT).pack(), Spool(1, 1, STDERR).pack()

SPOOLS = st.builds(Spool, st.integers(0, 0xFFFF), st.integers(0, 0xFFF), st.integers(0, 0xF))
MARKS = st.builds(
    Mark,
    spool=st.sampled_from([OUT, ERR]),
    offset=st.integers(0, 40),
    at=st.integers(START, START + 1000),
    kind=st.sampled_from([MARK, MARK, MARK, CLOSE, GAP, EMPTIED]),
    lines=st.integers(0, (1 << 56) - 1),
)


def read(path: Path) -> list[Mark]:
    with path.open("rb") as file:
        return MarkReader().read(file.fileno())


def written(path: Path, *marks: Mark) -> MarkWriter:
    writer = MarkWriter(str(path))
    for mark in marks:
        writer.append(mark)
    return writer


def marks_at(*offsets: int) -> list[Mark]:
    return [Mark(OUT, offset, START + offset) for offset in offsets]


@given(SPOOLS)
def test_step_attempt_and_stream_fit_one_number(spool: Spool) -> None:
    assert Spool.unpack(spool.pack()) == spool
    assert spool.pack() < 1 << 32


def test_a_record_has_32_bytes_whose_first_four_vouch_for_the_rest(tmp_path: Path) -> None:
    data = Mark(OUT, 7, START).encode()
    assert len(data) == RECORD == 32
    for bit in range(RECORD * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert MarkReader().feed(bytes(damaged)) == []
    assert MarkReader().feed(data) == [Mark(OUT, 7, START)]


def test_padding_is_no_record() -> None:
    assert MarkReader().feed(bytes(RECORD)) == []


@given(st.lists(MARKS, max_size=30), st.lists(st.integers(1, 100), max_size=20))
def test_a_reader_sees_the_same_however_the_bytes_arrive(marks: list[Mark], cuts: list[int]) -> None:
    data = b"".join(mark.encode() for mark in marks)
    whole = MarkReader().feed(data)
    reader, pieces = MarkReader(), list[Mark]()
    end = 0
    for cut in [*cuts, len(data)]:
        end = min(len(data), end + cut)
        pieces += reader.feed(data[reader.position : end])
    assert pieces == whole
    assert reader.position == len(data)


@given(st.lists(MARKS, max_size=30))
def test_neither_offsets_nor_times_go_back_and_nothing_follows_a_close(marks: list[Mark]) -> None:
    found = MarkReader().feed(b"".join(mark.encode() for mark in marks))
    assert [mark.at for mark in found] == sorted(mark.at for mark in found)
    for spool in (OUT, ERR):
        own = [mark for mark in found if mark.spool == spool]
        assert all(mark.kind != CLOSE for mark in own[:-1])
        ends = [0, *(mark.offset for mark in own)]
        assert all(
            after > before or (after == before and mark.kind in (CLOSE, EMPTIED))
            for before, after, mark in zip(ends, ends[1:], own, strict=False)
        )


@given(st.lists(MARKS, max_size=12), st.data())
def test_damage_costs_the_damaged_records_alone(marks: list[Mark], data: st.DataObject) -> None:
    hit = data.draw(st.sets(st.integers(0, max(0, len(marks) - 1)))) if marks else set[int]()
    records = [mark.encode() for mark in marks]
    for index in hit:
        at = data.draw(st.integers(0, RECORD - 1))
        records[index] = records[index][:at] + bytes([records[index][at] ^ 0x40]) + records[index][at + 1 :]
    intact = [mark for index, mark in enumerate(marks) if index not in hit]
    expected = MarkReader().feed(b"".join(mark.encode() for mark in intact))
    assert MarkReader().feed(b"".join(records)) == expected


@given(st.lists(MARKS, max_size=10), st.integers(1, RECORD - 1), st.lists(MARKS, max_size=10))
def test_who_takes_over_a_torn_record_pads_it_first(
    tmp_path_factory: pytest.TempPathFactory, before: list[Mark], torn: int, after: list[Mark]
) -> None:
    path = tmp_path_factory.mktemp("marks") / "marks"
    written(path, *before).close()
    with path.open("ab") as file:
        # A record that ends in zero bytes would be made whole by the padding, which does no harm.
        file.write(Mark(OUT, 99, START, GAP, (1 << 56) - 1).encode()[:torn])
    seen = read(path)
    written(path, *after).close()
    assert path.stat().st_size % RECORD == 0
    assert read(path)[: len(seen)] == seen
    assert read(path) == MarkReader().feed(b"".join(mark.encode() for mark in [*before, *after]))


def test_a_torn_last_record_is_left_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    record = Mark(OUT, 7, START).encode()
    path.write_bytes(record[:20])
    reader = MarkReader()
    with path.open("rb") as file:
        assert reader.read(file.fileno()) == []
        path.write_bytes(record)
        assert reader.read(file.fileno()) == [Mark(OUT, 7, START)]
        assert reader.read(file.fileno()) == []


def test_a_writer_knows_where_its_predecessor_stopped(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    written(path, *marks_at(5, 9), Mark(ERR, 3, START + 10, CLOSE)).close()
    writer = written(path)
    assert (writer.end(OUT), writer.end(ERR)) == (9, 3)
    assert (writer.closed(OUT), writer.closed(ERR)) == (False, True)
    writer.append(Mark(OUT, 12, START))  # the wall clock was set back
    writer.sync()
    writer.close()
    assert [mark.at for mark in read(path)] == [START + 5, START + 9, START + 10, START + 10]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_close_may_repeat_the_last_offset_and_ends_its_spool(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    close = Mark(OUT, 5, START + 6, CLOSE)
    written(path, *marks_at(5), close, *marks_at(9), close).close()
    assert read(path) == [*marks_at(5), close]


def test_an_attempt_that_printed_nothing_can_be_closed(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    written(path, Mark(OUT, 0, START), Mark(OUT, 0, START, CLOSE)).close()
    assert read(path) == [Mark(OUT, 0, START, CLOSE)]


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE cuts a write short on Linux")
def test_after_a_disk_that_was_full_in_the_middle_of_a_record_all_later_ones_are_readable(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    code = f"""
import resource
from outlast.kernel.marks import *
writer = MarkWriter({str(path)!r})
def mark(offset): writer.append(Mark({OUT}, offset, {START} + offset))
mark(1)
mark(2)
resource.setrlimit(resource.RLIMIT_FSIZE, ({RECORD * 2 + 10}, resource.RLIM_INFINITY))
for offset in (3, 4):
    try:
        mark(offset)
    except OSError as error:
        say(error.errno)
say(os.path.getsize({str(path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
mark(5)
mark(6)
say(writer.end({OUT}))
"""
    with processes(code) as (process,):
        said = process.ends()
    # Two refusals, ten bytes of a record left behind.
    assert said[2:] == [str(RECORD * 2 + 10), "6"]
    assert len(said) == 4
    assert read(path) == marks_at(1, 2, 5, 6)


def test_a_short_write_is_padded_and_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "marks"
    writer = written(path, *marks_at(1))
    whole, short = os.write, iter([11])

    def cut(fd: int, data: bytes) -> int:
        return whole(fd, data[: next(short, len(data))])

    monkeypatch.setattr(os, "write", cut)
    writer.append(marks_at(2)[0])
    monkeypatch.undo()
    writer.append(marks_at(3)[0])
    writer.close()
    assert read(path) == marks_at(1, 2, 3)
    assert path.stat().st_size == RECORD * 4


def test_a_spool_that_was_emptied_goes_on_growing_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    marks = [Mark(OUT, 9, START), Mark(OUT, 9, START, EMPTIED, 1), Mark(OUT, 12, START), Mark(OUT, 12, START, CLOSE)]
    writer = written(path, *marks)
    assert (writer.begin(OUT), writer.end(OUT), writer.begin(ERR)) == (9, 12, 0)
    writer.close()
    assert read(path) == marks
