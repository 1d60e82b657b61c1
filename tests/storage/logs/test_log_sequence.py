"""Whatever is printed, marked and sealed, and in which order: every page is what the rules of numbering say."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_files import Execution, Printed, clipped, first, last, matching, printed

from outlast.kernel.marks import EVENT, GAP, STDERR, STDOUT, STREAM_NAMES, Spool
from outlast.kernel.permalinks import Lines
from outlast.storage.logs import blocks, sealer, spools, walks
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.lines import Entry, Line, LogGap
from outlast.storage.logs.masking import Masker
from outlast.storage.logs.patterns import LinePattern
from outlast.storage.logs.reader import LogReader

MAX_LINE = 24
SECRET = b"hush-hush"
MASKER = Masker([SECRET.decode()])
SPOOLS = (Spool(1, 1, STDOUT), Spool(1, 1, STDERR), Spool(2, 3, EVENT))

WORDS = (
    b"a",
    b"bb",
    b"ccc",
    b"\n",
    b"\n",
    b"\n\n",
    b"\xff",
    b"\0",
    b"\r",
    b"x" * 23,
    b"x" * 24,
    b"y" * 90,
    SECRET,
    b"a bb\nccc\n" * 6,
)
texts = st.lists(st.sampled_from(WORDS), max_size=20).map(b"".join)
which = st.sampled_from(SPOOLS)
steps = st.one_of(
    st.tuples(st.just("print"), which, texts),
    st.tuples(st.just("print"), which, texts),
    st.tuples(st.just("mark"), which, st.sampled_from((50_000, 1, 0, -70_000))),
    st.tuples(st.just("print and mark"), which, texts),
    st.tuples(st.just("print and mark"), which, texts),
    st.tuples(st.just("close"), which, st.none()),
    st.tuples(st.just("power cut"), which, st.integers(1, 50)),
    st.tuples(st.just("drop"), which, st.integers(0, 3)),
    st.tuples(st.just("empty"), which, st.none()),
    st.tuples(st.just("garbage"), st.none(), st.sampled_from((b"\0" * 32, b"\xff" * 32, bytes(range(32))))),
    st.tuples(st.just("seal"), st.none(), st.none()),
    st.tuples(st.just("seal"), st.none(), st.none()),
    st.tuples(st.just("look"), st.none(), st.none()),
    st.tuples(st.just("look"), st.none(), st.none()),
)
filters = st.builds(
    LogFilter,
    step=st.sampled_from((None, None, "build", "test")),
    attempt=st.sampled_from((None, None, 1, 2)),
    stream=st.sampled_from((None, None, *STREAM_NAMES)),
)


@contextmanager
def everything_small() -> Iterator[None]:
    """Boundaries of lines, reads, stretches, blocks and batches everywhere."""
    with ExitStack() as stack:
        for module, name, value in (
            (walks, "MAX_LINE", MAX_LINE),
            (walks, "CHUNK", 64),
            (walks, "OPEN_SPOOLS", 2),
            (spools, "STRETCH", 40),
            (spools, "STRETCH_MARKS", 3),
            (blocks, "BLOCK", 64),
            (blocks, "MOST_SEGMENTS", 3),
            (sealer, "FEWEST_BLOCKS", 1),
            (sealer, "MOST_BLOCKS", 3),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


def taker(wanted: LogFilter) -> Callable[[int, int], bool]:
    def takes(packed: int, at: int) -> bool:
        spool = Spool.unpack(packed)
        return (
            wanted.step in (None, ("build", "test")[spool.step - 1])
            and wanted.attempt in (None, spool.attempt)
            and wanted.stream in (None, STREAM_NAMES[spool.stream])
            and (wanted.since is None or at >= wanted.since)
            and (wanted.until is None or at < wanted.until)
        )

    return takes


def expected(log: Printed, wanted: LogFilter, low: int, high: int) -> list[Entry]:
    takes = taker(wanted)
    found = (
        clipped(entry, low, high)
        for entry, at, spool in zip(log.entries, log.times, log.spools, strict=True)
        if takes(spool, at)
    )
    return [entry for entry in found if entry is not None]


def joined(entries: list[Entry]) -> list[Entry]:
    """Gaps that touch as one: a page may begin or end inside of one, blocks may divide it."""
    result: list[Entry] = []
    for entry in entries:
        before = result[-1] if result else None
        if isinstance(entry, LogGap) and isinstance(before, LogGap) and before.last + 1 == entry.first:
            result[-1] = LogGap(before.first, entry.last, before.reason)
        else:
            result.append(entry)
    return result


def compare(reader: LogReader, log: Printed, draw: st.DataObject) -> None:
    count = reader.count().lines
    assert count == log.count
    limit = draw.draw(st.integers(1, 7) | st.integers(8, 40), "limit")
    wanted = draw.draw(filters, "filter")
    if log.times and draw.draw(st.booleans(), "times"):
        times = st.none() | st.sampled_from(log.times) | st.sampled_from(log.times).map(lambda at: at + 1)
        wanted = LogFilter(wanted.step, wanted.attempt, wanted.stream, draw.draw(times), draw.draw(times))
    everything = expected(log, wanted, 1, count)

    assert reader.last(limit, wanted) == everything[-limit:]

    forwards: list[Entry] = []
    n = 0
    while page := reader.after(n, limit, wanted):
        assert len(page) <= limit
        n = last(page[-1])
        forwards += page
    assert forwards == everything

    backwards: list[Entry] = []
    n = count + 1
    while page := reader.before(n, limit, wanted):
        assert len(page) <= limit
        n = first(page[0])
        backwards = page + backwards
    assert backwards == everything

    n = draw.draw(st.integers(0, count + 2), "n")
    assert reader.after(n, limit, wanted) == expected(log, wanted, n + 1, count)[:limit]
    assert reader.before(n, limit, wanted) == expected(log, wanted, 1, n - 1)[-limit:]
    until = draw.draw(st.integers(0, count + 2), "until")
    linked = expected(log, wanted, n, min(until, count)) if n <= until else []
    assert reader.within(Lines(n, until), limit, wanted) == linked[:limit]
    assert reader.within(Lines(n, until), limit, wanted, newest=True) == linked[-limit:]
    compare_search(reader, log, draw, wanted, limit)
    compare_events(reader, log, draw.draw(st.sampled_from((None, "b", "^a", "zzz")), "printed"), limit)


def compare_events(reader: LogReader, log: Printed, pattern: str | None, limit: int) -> None:
    """Lines that may be events come in their order, each once, however many at a time."""
    marked = None if pattern is None else LinePattern(pattern)
    hits = set() if pattern is None else set(matching(log, pattern, 1, log.count, lambda *_: True))
    lines = [entry for entry in log.entries if isinstance(entry, Line)]
    wanted = [line for line in lines if line.spool.stream == EVENT or line.n in hits]
    found: list[Line] = []
    seen, whole = 0, False
    while not whole:
        result = reader.next_events(marked, seen, limit, 60)
        assert all(seen < line.n <= result.seen for line in result.lines)
        assert result.whole or result.seen > seen
        found += result.lines
        seen, whole = result.seen, result.whole
    assert (found, seen) == (wanted, log.count)


def compare_search(reader: LogReader, log: Printed, draw: st.DataObject, wanted: LogFilter, limit: int) -> None:
    pattern = draw.draw(st.sampled_from(("b", "^a", r"c$", "^$", "[ab]c", "x*", r"\Aa", r"a\s?b", r"\*\*\*", "zzz")))
    numbers = st.none() | st.integers(0, log.count + 2)
    after, before = draw.draw(numbers, "after"), draw.draw(numbers, "before")
    context = draw.draw(st.integers(0, 2), "context")
    low = 1 if after is None else after + 1
    high = log.count if before is None else min(before - 1, log.count)
    hits = matching(log, pattern, low, high, taker(wanted))

    result = reader.search(pattern, limit, context, after=after, before=before, wanted=wanted)

    assert result.matches == (hits[-limit:] if after is None else hits[:limit])
    assert result.matches == [n for n in hits if result.searched_from <= n <= result.searched_to]
    assert low <= result.searched_from or not result.matches
    assert not result.complete or (result.searched_from, result.searched_to) == (low, high)
    assert result.complete or len(result.matches) == limit
    shown = [
        entry
        for n in range(1, log.count + 1)
        if any(abs(n - hit) <= context for hit in result.matches)
        for entry in expected(log, LogFilter(), n, n)
    ]
    assert joined(result.entries) == joined(shown)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(steps, max_size=10) | st.lists(steps, min_size=20, max_size=40), st.data())
def test_a_log_reads_the_same_live_half_sealed_and_sealed(
    history: list[tuple[str, Spool, object]], draw: st.DataObject
) -> None:
    with everything_small():
        execution = Execution()
        watching = execution.reader(MASKER)
        try:
            closed: set[Spool] = set()
            lost: set[Spool] = set()
            sealed = 0
            for what, spool, value in history:
                if what == "print" and isinstance(value, bytes) and spool not in lost:
                    execution.prints(spool, value)
                elif what == "print and mark" and isinstance(value, bytes) and spool not in lost:
                    execution.prints(spool, value)
                    execution.mark(spool)
                elif what == "mark" and isinstance(value, int) and spool not in lost:
                    execution.mark(spool, later=value)
                elif what == "close":
                    execution.close(spool)
                    closed.add(spool)
                elif what == "power cut" and isinstance(value, int):
                    execution.mark(spool, beyond=value)
                    lost.add(spool)
                elif what == "drop" and isinstance(value, int) and spool not in lost:
                    execution.mark(spool, GAP, lines=value)
                elif what == "empty" and spool not in lost | closed and execution.path(spool).exists():
                    execution.empties(spool, sealed)
                elif what == "garbage" and isinstance(value, bytes):
                    with open(execution.run.marks, "ab") as marks:
                        marks.write(value)
                elif what == "seal":
                    sealed += execution.seal(MASKER).lines
                elif what == "look":
                    compare(watching, printed(execution, MAX_LINE, (SECRET,)), draw)
            half = execution.reader(MASKER)
            for spool in SPOOLS:
                if spool not in closed:
                    execution.close(spool)
            log = printed(execution, MAX_LINE, (SECRET,))
            compare(half, log, draw)
            execution.settle()
            assert watching.count() == (log.count, True)

            result = execution.seal(MASKER)

            assert (result.finished, result.unclosed) == (True, ())
            assert sealed + result.lines == log.count
            sealed_reader = execution.reader()
            compare(sealed_reader, log, draw)
            compare(half, log, draw)
            execution.remove()
            compare(watching, log, draw)
            assert sealed_reader.count() == (log.count, True)
        finally:
            watching.close()
            execution.end()
