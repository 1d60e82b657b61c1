"""The rules of numbering, one by one."""

import tracemalloc
from pathlib import Path

import pytest

from log_files import Execution
from outlast.kernel.errors import InvalidInput, StoreDamaged
from outlast.kernel.marks import CLOSE, MERGED, Mark, Spool
from outlast.storage.logs import walks
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.lines import MASK, Entry, Line, LogGap, masks_of
from outlast.storage.logs.positions import Position, SpoolPosition, decode_position
from outlast.storage.logs.spools import SpoolLog
from outlast.storage.logs.walks import MAX_LINE, SpoolFiles

OUT = Spool(1, 1, MERGED)
OTHER = Spool(2, 1, MERGED)


def texts(entries: list[Entry]) -> list[bytes]:
    return [entry.data for entry in entries if isinstance(entry, Line)]


def test_bytes_without_a_mark_have_no_number_yet(execution: Execution) -> None:
    reader = execution.reader()
    execution.prints(OUT, b"one\ntwo\n")
    assert reader.count() == (0, False)
    execution.mark(OUT)
    execution.prints(OUT, b"three\n")
    assert texts(reader.last(10)) == [b"one", b"two"]


def test_a_line_belongs_to_the_mark_in_which_its_newline_arrives(execution: Execution) -> None:
    execution.prints(OUT, b"begun, ")
    execution.mark(OUT)
    execution.prints(OTHER, b"first\n")
    execution.mark(OTHER)
    execution.prints(OUT, b"ended\n")
    execution.mark(OUT)
    first, second = execution.reader().last(10)
    assert first == Line(1, execution.written[1].at, OTHER, b"first")
    assert second == Line(2, execution.written[2].at, OUT, b"begun, ended")


def test_a_last_line_without_newline_gets_its_number_at_the_close(execution: Execution) -> None:
    reader = execution.reader()
    execution.prints(OUT, b"whole\npart")
    execution.mark(OUT)
    assert reader.count().lines == 1
    execution.close(OUT)
    assert texts(reader.last(10)) == [b"whole", b"part"]


def test_bytes_beyond_the_close_are_never_lines(execution: Execution) -> None:
    reader = execution.reader()
    execution.prints(OUT, b"line\n")
    execution.close(OUT)
    execution.prints(OUT, b"late\n")
    execution.mark(OUT)
    assert texts(reader.last(10)) == [b"line"]
    execution.settle()
    assert execution.seal().finished
    assert texts(execution.reader().last(10)) == [b"line"]
    assert execution.connection.execute("SELECT late_bytes FROM log_seals").fetchone() == (5,)


def test_a_close_is_remembered_when_sealing_goes_on(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlast.storage.logs.sealer.FEWEST_BLOCKS", 1)
    execution.prints(OUT, b"x" * 70_000 + b"\n")
    execution.close(OUT)
    execution.prints(OTHER, b"y" * 70_000 + b"\n")
    execution.mark(OTHER)
    assert execution.seal().lines == 2
    execution.prints(OUT, b"late\n")
    execution.mark(OUT)
    execution.close(OTHER)
    assert execution.reader().count().lines == 2


def test_a_spool_that_is_shorter_than_its_marks_loses_nothing_else(execution: Execution) -> None:
    execution.prints(OUT, b"one\ntwo\nthr")
    execution.mark(OUT, beyond=100)
    execution.prints(OTHER, b"next\n")
    execution.mark(OTHER)
    reader = execution.reader()
    assert texts(reader.last(10)) == [b"one", b"two", b"next"]
    execution.close(OUT)
    assert texts(reader.last(10)) == [b"one", b"two", b"next", b"thr"]


def test_a_lost_spool_file_loses_nothing_else(execution: Execution) -> None:
    execution.mark(OUT, beyond=10)
    execution.prints(OTHER, b"next\n")
    execution.mark(OTHER)
    assert texts(execution.reader().last(10)) == [b"next"]


def test_bytes_that_are_not_text_come_back_as_they_were(execution: Execution) -> None:
    lines = [b"\xff\xfe\x80", b"a\0b", b"a\rb\r", b"", b"\x1b[31mred", "ü€".encode(), b"\x0b\x0c\x1c\x85"]
    execution.prints(OUT, b"\n".join(lines))
    execution.close(OUT)
    assert texts(execution.reader().last(10)) == lines
    execution.settle()
    execution.seal()
    assert texts(execution.reader().last(10)) == lines


@pytest.mark.parametrize("size", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 2 * MAX_LINE])
@pytest.mark.parametrize("step", [70_000, 10**9])
def test_a_very_long_line_is_cut_where_it_always_will_be(execution: Execution, size: int, step: int) -> None:
    line = bytes(i % 251 + 1 if i % 251 != 9 else 1 for i in range(1000)) * (size // 1000 + 1)
    line = line[:size]
    reader = execution.reader()
    seen: list[Entry] = []
    for begin in range(0, size, step):
        execution.prints(OUT, line[begin : begin + step])
        execution.mark(OUT)
        assert reader.count().lines == min(size, begin + step) // MAX_LINE
    execution.prints(OUT, b"\nnext\n")
    execution.close(OUT)
    seen = reader.last(10)
    *pieces, following = seen
    assert [piece.cut for piece in pieces if isinstance(piece, Line)] == [True] * (size // MAX_LINE) + [False]
    assert b"".join(texts(pieces)) == line
    assert texts([following]) == [b"next"]
    execution.settle()
    assert execution.seal().finished
    assert execution.reader().last(10) == seen


def test_a_line_without_end_costs_bounded_memory(execution: Execution) -> None:
    execution.prints(OUT, b"z" * (24 * MAX_LINE))
    execution.close(OUT)
    execution.settle()
    reader = execution.reader()
    tracemalloc.start()
    try:
        assert reader.count().lines == 24
        assert len(reader.last(2)) == 2
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 6 * MAX_LINE
        tracemalloc.reset_peak()
        assert execution.seal().finished
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MAX_LINE


def test_an_unfinished_line_is_not_read_again_for_every_mark(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = execution.reader()
    read = count_reads(monkeypatch)
    for _ in range(200):
        execution.prints(OUT, b"." * 4096)
        execution.mark(OUT)
        reader.count()
    assert read["bytes"] < 200 * 4096 + 200 * 32 + 2 * (1 << 16) * 17


def test_times_never_go_back(execution: Execution) -> None:
    execution.prints(OUT, b"one\n")
    execution.mark(OUT)
    execution.prints(OUT, b"two\n")
    execution.mark(OUT, later=-40_000_000)
    one, two = execution.reader().last(2)
    assert isinstance(one, Line)
    assert isinstance(two, Line)
    assert one.at == two.at


def test_a_mark_of_a_step_that_the_plan_does_not_have_is_no_line(execution: Execution) -> None:
    mark = Mark(Spool(9, 1, MERGED).pack(), 100, execution.now, CLOSE)
    execution.marks.append(mark)
    assert execution.reader().count().lines == 0


def test_secrets_are_masked_live_and_sealed(execution: Execution) -> None:
    masks = (b"s3cr3t", b"s3cr3t-and-longer", b"first line\r\nsecond line\n", b"abc")
    execution.prints(OUT, b"s3cr3ts3cr3t s3cr3t-and-longer\nfirst line\nx second line\nabc\n")
    execution.close(OUT)
    shown = [MASK + MASK + b" " + MASK, MASK, b"x " + MASK, b"abc"]
    assert texts(execution.reader(masks).last(10)) == shown
    execution.settle()
    assert execution.seal(masks).finished
    assert texts(execution.reader().last(10)) == shown
    assert not execution.reader().search("s3cr3t").matches


def test_what_is_too_short_to_be_a_secret_is_no_mask() -> None:
    assert masks_of([b"abc", b"abcd", b"abcd\nef\nlonger one", b""]) == (b"longer one", b"abcd")


def test_a_position_comes_back_from_its_text() -> None:
    position = Position(7, 64, 5, Mark(3, 9, 5, CLOSE, 0), (SpoolPosition(3, 9, 4),), frozenset({1, 2}))
    assert decode_position(7, position.encode()) == position
    assert decode_position(0, Position().encode()) == Position()
    for text in ("", "{", "[]", '{"marks": 1}', position.encode().replace("64", '"x"')):
        with pytest.raises(StoreDamaged, match="position"):
            decode_position(0, text)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    read = {"bytes": 0}
    pread = walks.os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        read["bytes"] += len(data)
        return data

    monkeypatch.setattr(walks.os, "pread", counted)
    return read


def many_lines(execution: Execution, count: int, marks: int = 1) -> None:
    for part in range(marks):
        numbers = range(part * count // marks, (part + 1) * count // marks)
        execution.prints(OUT, b"".join(b"%07d: what a build tool prints about its work\n" % n for n in numbers))
        execution.mark(OUT)


@pytest.mark.requirement("S3-5")
@pytest.mark.parametrize("marks", [1, 3000])
def test_a_page_of_an_indexed_log_reads_little(
    execution: Execution, monkeypatch: pytest.MonkeyPatch, marks: int
) -> None:
    many_lines(execution, 120_000, marks)
    reader = execution.reader()
    reader.count()
    read = count_reads(monkeypatch)
    for entries, begin in (
        (reader.last(50), 119_951),
        (reader.after(60_000, 50), 60_001),
        (reader.before(30_000, 50), 29_950),
    ):
        assert [entry.n for entry in entries if isinstance(entry, Line)] == list(range(begin, begin + 50))
        assert read["bytes"] < 400_000
        read["bytes"] = 0


def test_the_index_is_small_and_holds_no_lines(execution: Execution) -> None:
    many_lines(execution, 400_000, 5000)
    size = execution.path(OUT).stat().st_size
    with SpoolFiles(execution.run, ["build", "test"]) as files:
        tracemalloc.start()
        try:
            log = SpoolLog(files, Position())
            log.extend()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert log.count == 400_000
        assert held < 150_000 + size // 100
        assert [line.n for line in log.read(200_000, 3) if isinstance(line, Line)] == [200_000, 200_001, 200_002]
        assert texts(log.read(399_999, 10)) == [
            b"%07d: what a build tool prints about its work" % n for n in (399_998, 399_999)
        ]


@pytest.mark.parametrize(
    ("field", "ask"),
    [
        ("limit", lambda reader: reader.last(0)),
        ("limit", lambda reader: reader.after(0, 1001)),
        ("after", lambda reader: reader.after(-1, 1)),
        ("before", lambda reader: reader.before(-1, 1)),
        ("before", lambda reader: reader.search("x", before=-1)),
        ("context", lambda reader: reader.search("x", context=-1)),
        ("step", lambda reader: reader.last(1, LogFilter(step="nowhere"))),
        ("stream", lambda reader: reader.last(1, LogFilter(stream="stdin"))),
        ("pattern", lambda reader: reader.search("a(")),
        ("pattern", lambda reader: reader.search("")),
        ("pattern", lambda reader: reader.search("x" * 1001)),
        ("pattern", lambda reader: reader.search(r"(a)\1")),
    ],
)
def test_a_wrong_argument_is_named(execution: Execution, field: str, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(InvalidInput, match=rf"^{field}: ") as raised:
        ask(execution.reader())
    assert raised.value.next


def test_a_log_that_has_not_begun_has_no_lines(execution: Execution) -> None:
    Path(execution.run.marks).unlink()
    reader = execution.reader()
    assert reader.count() == (0, False)
    assert reader.last(10) == []
    assert reader.search("x").entries == []


def test_dropped_lines_are_a_gap_and_are_counted(execution: Execution) -> None:
    execution.prints(OUT, b"head\n")
    execution.mark(OUT)
    execution.prints(OUT, b"\0" * 50)
    execution.mark(OUT, 2, dropped=5)
    execution.prints(OUT, b"tail\n")
    execution.close(OUT)
    live = execution.reader().last(10)
    assert [entry.n for entry in live if isinstance(entry, Line)] == [1, 7]
    assert isinstance(live[1], LogGap)
    assert (live[1].first, live[1].last) == (2, 6)
    execution.settle()
    assert execution.seal().lines == 7
    assert execution.reader().last(10) == live
    assert execution.reader().after(4, 10)[0] == LogGap(5, 6, live[1].reason)
