"""Any page of any log: little is read for it, and what was asked is what comes."""

import os
import tracemalloc
from pathlib import Path

import pytest
from log_files import OUT, STEPS, Execution, count_reads, many_lines, numbers, prints_lines, rows, texts

from outlast.kernel.errors import InvalidInput
from outlast.kernel.marks import MAX_LINE, MERGED, Spool
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.lines import Line
from outlast.storage.logs.positions import Position
from outlast.storage.logs.reader import LogReader
from outlast.storage.logs.spools import SpoolLog
from outlast.storage.logs.walks import SpoolFiles

OTHER = Spool(2, 1, MERGED)


@pytest.mark.requirement("S3-5")
@pytest.mark.parametrize(("count", "marks"), [(120_000, 1), (120_000, 3000), (6_000, 3000)])
def test_a_page_of_an_indexed_log_reads_little(
    execution: Execution, monkeypatch: pytest.MonkeyPatch, count: int, marks: int
) -> None:
    execution.prints(OUT, b"begin\n")
    for _ in range(marks // 3):  # without a line
        execution.prints(OUT, b".")
        execution.mark(OUT)
    execution.prints(OUT, b"\n")
    many_lines(execution, count, marks)
    reader = execution.reader()
    reader.count()
    read = count_reads(monkeypatch)
    for entries, begin in (
        (reader.last(50), count - 47),
        (reader.after(count // 2, 50), count // 2 + 1),
        (reader.before(count // 4, 50), count // 4 - 50),
    ):
        assert [entry.n for entry in entries if isinstance(entry, Line)] == list(range(begin, begin + 50))
        assert read["bytes"] < 400_000
        assert read["calls"] < 500
        read.update(bytes=0, calls=0)


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


def test_few_files_are_open_however_many_attempts_there_were(execution: Execution) -> None:
    attempts = [Spool(1, attempt, MERGED) for attempt in range(1, 41)]
    for spool in attempts:
        execution.prints(spool, b"line\n")
        execution.mark(spool)
    before = len(os.listdir("/proc/self/fd"))
    reader = execution.reader()
    assert len(reader.last(100)) == 40
    assert len(os.listdir("/proc/self/fd")) - before < 20
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_index_is_small_and_holds_no_lines(execution: Execution) -> None:
    many_lines(execution, 150_000, 2000)
    size = execution.path(OUT).stat().st_size
    with SpoolFiles(execution.run, ["build", "test"]) as files:
        tracemalloc.start()
        try:
            log = SpoolLog(files, Position())
            log.extend()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert log.count == 150_000
        assert held < 60_000 + size // 100
        assert [line.n for line in log.read(100_000, 3) if isinstance(line, Line)] == [100_000, 100_001, 100_002]
        assert texts(log.read(149_999, 10)) == [
            b"%07d: what a build tool prints about its work" % n for n in (149_998, 149_999)
        ]


def test_searching_one_step_counts_the_lines_of_the_others(execution: Execution) -> None:
    for n in range(20):
        spool = (OUT, OTHER)[n % 3 == 0]
        execution.prints(spool, b"word %d\n" % n)
        execution.mark(spool)
    found = execution.reader().search("word", wanted=LogFilter(step="test"))
    assert found.matches == [n + 1 for n in range(20) if n % 3 == 0]


def test_lines_that_were_sealed_after_they_were_indexed_are_shown_once(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_lines(execution, 7000)
    reader = execution.reader()
    assert reader.count().lines == 7000
    monkeypatch.setattr("outlast.storage.logs.sealer.FEWEST_BLOCKS", 1)
    sealed = execution.seal().lines
    assert 0 < sealed < 7000
    for entries in (reader.before(sealed + 200, 400), reader.after(sealed - 201, 400)):
        numbers = [entry.n for entry in entries if isinstance(entry, Line)]
        assert numbers == list(range(sealed - 200, sealed + 200))


def test_a_search_ends_with_its_time_and_says_how_far_it_came(execution: Execution) -> None:
    prints_lines(execution, 20_000)
    execution.close(OUT)
    execution.settle()
    execution.seal()
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    reader = LogReader(execution.connection, execution.number, None, STEPS, clock=clock)
    found = reader.search("^00000000 ", seconds=3.0)
    assert found.matches == []
    assert not found.complete
    assert found.searched_from == rows(execution)[-3][0]
    assert found.searched_to == 20_000
    rounds = 1
    while not found.complete:
        found = reader.search("^00000000 ", seconds=3.0, before=found.searched_from)
        rounds += 1
    assert found.matches == [1]
    assert rounds > 3

    found = reader.search("^00000000 ", seconds=0.0, after=0)
    assert found.matches == [1]
    assert (found.searched_from, found.complete) == (1, False)
    assert found.searched_to == rows(execution)[0][1]


def test_an_answer_has_at_most_a_thousand_lines_however_much_context(execution: Execution) -> None:
    prints_lines(execution, 20_000)
    found = execution.reader().search("7 and", 1000, 50)
    assert len(found.matches) == 1000 // 101
    assert len(found.entries) <= 1000
    assert not found.complete
    older = execution.reader().search("7 and", 1, before=found.searched_from)
    assert older.matches == [found.matches[0] - 10]


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


def test_a_glance_reads_a_bounded_part_and_catches_up(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    """What get_status tells of a log must not take the longer the more was printed."""
    monkeypatch.setattr("outlast.storage.logs.reader.GLANCE", 1 << 20)
    many_lines(execution, 60_000, 40)
    execution.prints(OUT, b"the end\n")
    execution.close(OUT)
    execution.settle()
    reader = execution.reader()
    read = count_reads(monkeypatch)
    seen = 0
    while (glance := reader.glance()).last is None:
        assert not glance.counted.final
        assert seen < glance.counted.lines < 60_001
        assert read["bytes"] < 3 << 20
        seen, read["bytes"] = glance.counted.lines, 0
    assert seen
    assert glance.counted == reader.count() == (60_001, True)
    assert glance.last.data == b"the end"


def test_a_page_of_very_long_lines_needs_bounded_memory(execution: Execution) -> None:
    execution.prints(OUT, b"z" * (40 * MAX_LINE))
    execution.close(OUT)
    reader = execution.reader()
    assert reader.count().lines == 40
    tracemalloc.start()
    try:
        assert numbers(reader.last(1000)) == list(range(33, 41))
        assert numbers(reader.after(0, 1000)) == list(range(1, 9))
        found = reader.search("z", 1000)
        assert (found.matches[-1], found.complete, found.searched_from) == (40, False, found.matches[0])
        assert numbers(found.entries) == found.matches
        found = reader.search("z", 1000, after=3)
        assert (found.matches[0], found.complete, found.searched_to) == (4, False, found.matches[-1])
        around = reader.search("z", 1, 100, before=20)
        assert (around.matches, numbers(around.entries)) == ([19], [19])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30 * MAX_LINE


def test_a_glance_is_bounded_in_marks_too(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that prints a word now and then leaves a mark for each: a night of them is no reason to wait."""
    monkeypatch.setattr("outlast.storage.logs.reader.GLANCE", 1 << 20)
    for _ in range(3000):
        execution.prints(OUT, b"x\n")
        execution.mark(OUT)
    reader = execution.reader()
    first = reader.glance()
    assert 0 < first.counted.lines < 2000
    assert first.last is None
    while (glance := reader.glance()).last is None:
        assert glance.counted.lines < 3000
    assert glance.counted.lines == 3000
