"""The rules of numbering, one by one."""

import tracemalloc

import pytest
from log_files import OUT, Execution, texts

from outlast.kernel.marks import CLOSE, MERGED, Mark, Spool
from outlast.storage.logs import walks
from outlast.storage.logs.lines import Entry, Line, LogGap
from outlast.storage.logs.walks import MAX_LINE

OTHER = Spool(2, 1, MERGED)


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


def test_a_close_is_remembered_when_sealing_goes_on(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_spool_that_is_shorter_than_its_marks_loses_nothing_else_and_says_how_much(execution: Execution) -> None:
    execution.prints(OUT, b"one\ntwo\nthr")
    execution.mark(OUT, beyond=100)
    execution.prints(OTHER, b"next\n")
    execution.mark(OTHER)
    reader = execution.reader()
    assert texts(reader.last(10)) == [b"one", b"two", b"next"]
    execution.close(OUT)
    shown = reader.last(10)
    assert texts(shown) == [b"one", b"two", b"next", b"thr"]
    assert shown[4:] == [LogGap(5, 5, "100 bytes were lost: the power went before they were on the disk")]
    execution.close(OTHER)
    execution.settle()
    assert execution.seal().finished
    assert execution.reader().last(10) == shown


def test_more_than_a_block_can_say_is_lost_in_several_lines(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "MOST_LOST", 40)
    execution.prints(OUT, b"thr")
    execution.mark(OUT, beyond=100)
    execution.close(OUT)
    reasons = [entry.reason for entry in execution.reader().last(10) if isinstance(entry, LogGap)]
    assert [reason.split()[0] for reason in reasons] == ["40", "40", "20"]


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


def test_dropped_lines_are_a_gap_and_are_counted(execution: Execution) -> None:
    execution.prints(OUT, b"head\n")
    execution.mark(OUT)
    execution.prints(OUT, b"\0" * 50)
    execution.mark(OUT, 2, lines=5)
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
