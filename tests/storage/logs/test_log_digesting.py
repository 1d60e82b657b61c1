"""Digests of logs that are live, half sealed or sealed: the same, made once, and made anew where they are damaged."""

import pytest
from log_files import OUT, START, Execution
from test_log_digest import table

from outlast.kernel import digests, retention
from outlast.kernel.errors import InvalidInput
from outlast.kernel.marks import MERGED, Spool
from outlast.storage.logs import digesting, sealed
from outlast.storage.logs.digest import FORMAT
from outlast.storage.logs.digesting import Digested, Digesting, load
from outlast.storage.logs.lines import Line
from outlast.storage.logs.reader import LogReader

BLOCK = b"Traceback (most recent call last):\n  File \"x.py\", line 3, in f\nKeyError: 'region'\n"
OTHER = Spool(2, 1, MERGED)


def prints(execution: Execution, count: int, spool: Spool = OUT, *, then: bytes = BLOCK) -> None:
    execution.prints(
        spool, b"".join(b"%08d: what a build tool prints about its work\n" % n for n in range(count)) + then
    )
    execution.mark(spool)


def whole(reader: LogReader, step: str | None = None) -> Digested:
    while not (found := reader.digest(step, seconds=60)).whole:
        pass
    return found


def keep(execution: Execution, rounds: int = 1 << 30) -> Digesting:
    """What is done in the background: the stored digest goes further, `rounds` blocks at a time."""
    done = False
    while not done:
        work = Digesting.begin(execution.connection, execution.number)
        left = iter(range(rounds))
        done = work.advance(execution.connection, lambda left=left: next(left, None) is None)
        row = work.row()
        assert execution.write(lambda c, work=work, row=row: work.keep(c, row))
        work.kept(row)
    return work


@pytest.mark.requirement("X4", "S3-3")
def test_a_live_a_half_sealed_and_a_sealed_log_have_one_digest(execution: Execution) -> None:
    reader = execution.reader()
    prints(execution, 20_000)
    live = table(whole(reader).digest)
    assert not execution.seal().finished
    assert table(whole(reader).digest) == table(whole(execution.reader()).digest) == live
    prints(execution, 20_000, OTHER)
    live = table(whole(reader).digest)
    execution.seal()
    keep(execution)
    prints(execution, 3_000, then=b"ERROR at the end\n")
    execution.close(OUT)
    execution.close(OTHER)
    newest = table(whole(reader).digest)
    assert len(newest) == len(live) + 1
    execution.settle()
    assert execution.seal().finished
    keep(execution)
    for one in (reader, execution.reader()):
        found = whole(one)
        assert table(found.digest) == newest
        assert found.count == (found.seen, True)


@pytest.mark.requirement("X4")
def test_a_digest_taken_further_in_rounds_is_that_of_the_whole_log(execution: Execution) -> None:
    prints(execution, 40_000)
    execution.seal()
    keep(execution, rounds=1)
    _, digest = load(execution.connection, execution.number)
    assert table(digest) == table(at_once(execution))
    prints(execution, 40_000)
    execution.seal()
    keep(execution, rounds=7)
    _, digest = load(execution.connection, execution.number)
    assert table(digest) == table(at_once(execution))


def at_once(execution: Execution) -> digesting.Digest:
    work = Digesting(execution.number, None, digesting.Digest())
    assert work.advance(execution.connection, lambda: False)
    return work.digest


@pytest.mark.requirement("X4")
def test_what_is_in_the_stored_digest_is_not_read_again(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    prints(execution, 60_000)
    execution.seal()
    keep(execution)
    decoded: list[int] = []
    decode = sealed.decode
    monkeypatch.setattr(sealed, "decode", lambda block: decoded.append(block.first_line) or decode(block))
    found = whole(execution.reader())
    assert found.digest.lines == 60_003
    assert decoded == []
    prints(execution, 60_000)
    execution.seal()
    reader = execution.reader()
    whole(reader)
    assert decoded
    assert min(decoded) > digesting.FEWEST_LINES
    decoded.clear()
    whole(reader)
    assert decoded == []


@pytest.mark.parametrize("change", ["data = x'00'", "crc = crc + 1", "lines = lines - 1", "format = 0"])
def test_a_damaged_digest_is_made_anew(execution: Execution, change: str) -> None:
    prints(execution, 60_000)
    execution.seal()
    keep(execution)
    expected = table(whole(execution.reader()).digest)
    execution.write(lambda c: c.execute(f"UPDATE log_digests SET {change}"))
    assert table(whole(execution.reader()).digest) == expected
    keep(execution)
    row = digests.look(execution.connection, execution.number)
    assert row is not None
    assert (row.format, row.lines) == (FORMAT, load(execution.connection, execution.number)[1].lines)


def test_of_two_that_take_a_digest_further_one_wins(execution: Execution) -> None:
    prints(execution, 30_000)
    execution.seal()
    first, second = (Digesting.begin(execution.connection, execution.number) for _ in range(2))
    for work in (first, second):
        work.advance(execution.connection, lambda: False)
    assert execution.write(lambda c: first.keep(c, first.row()))
    assert not execution.write(lambda c: second.keep(c, second.row()))


def test_a_digest_of_more_than_is_sealed_is_not_kept(execution: Execution) -> None:
    prints(execution, 30_000)
    execution.seal()
    work = Digesting.begin(execution.connection, execution.number)
    work.advance(execution.connection, lambda: False)
    execution.write(lambda c: c.execute("UPDATE log_seals SET lines = 5"))  # a backup was put back
    assert not execution.write(lambda c: work.keep(c, work.row()))
    assert digests.look(execution.connection, execution.number) is None


def test_errors_and_warnings_of_each_block_are_counted(execution: Execution) -> None:
    prints(execution, 20_000, then=b"WARNING a\nWARNING b\nERROR c\n")
    prints(execution, 20_000, then=b"fine\n")
    execution.seal()
    keep(execution)
    rows = execution.connection.execute("SELECT first_line FROM log_blocks ORDER BY first_line").fetchall()
    counted = [digests.levels_of_block(execution.connection, execution.number, first) for (first,) in rows]
    assert None not in counted
    assert sum(c.errors for c in counted if c) == 1
    assert sum(c.warnings for c in counted if c) == 2
    execution.write(lambda c: c.execute("UPDATE log_levels SET errors = 0, warnings = 0 WHERE errors > 0"))
    again = [digests.levels_of_block(execution.connection, execution.number, first) for (first,) in rows]
    assert again.count(None) == 1


def test_a_damaged_block_is_a_gap_and_nobody_knows_its_errors(execution: Execution) -> None:
    prints(execution, 20_000)
    execution.seal()
    (first, lines) = execution.connection.execute(
        "SELECT first_line, lines FROM log_blocks LIMIT 1 OFFSET 1"
    ).fetchone()
    execution.write(lambda c: c.execute("UPDATE log_blocks SET crc = crc + 1 WHERE first_line = ?", (first,)))
    work = keep(execution)
    assert work.digest.unseen == lines
    assert sum(t.lines for t in work.digest.templates()) + lines == work.digest.lines
    assert digests.levels_of_block(execution.connection, execution.number, first) is None


def test_a_digest_can_be_of_one_step(execution: Execution) -> None:
    prints(execution, 100, then=b"ERROR in build\n")
    prints(execution, 50, OTHER, then=b"ERROR in test\n")
    reader = execution.reader()
    found = whole(reader, "test")
    assert [(t.count, t.first, t.last) for t in found.digest.templates()] == [(50, 102, 151), (1, 152, 152)]
    assert found.seen == found.count.lines == 152
    with pytest.raises(InvalidInput, match="there is no step 'deploy'"):
        reader.digest("deploy", 1)


def test_little_time_gives_a_beginning_and_whoever_asks_again_gets_further(execution: Execution) -> None:
    prints(execution, 20_000)
    execution.seal()
    reader = execution.reader()
    seen = [reader.digest(None, seconds=0).seen]
    while not (found := reader.digest(None, seconds=0)).whole:
        seen.append(found.seen)
    assert len(seen) > 3
    assert seen == sorted(set(seen))
    assert table(found.digest) == table(whole(execution.reader()).digest)


def test_a_spool_that_was_emptied_is_not_in_the_digest_any_more(execution: Execution) -> None:
    prints(execution, 10, then=b"ERROR before\n")
    reader = execution.reader()
    assert len(whole(reader).digest.templates()) == 2
    execution.empties(OUT)
    execution.prints(OUT, b"after\n")
    execution.mark(OUT)
    found = whole(reader)
    (line,) = (entry for entry in reader.last(5) if isinstance(entry, Line))
    assert [(t.text, t.first) for t in found.digest.templates()] == [(line.data, line.n)]
    assert found.digest.unseen == line.n - 1


def test_of_a_removed_log_nothing_is_told_and_nothing_kept(execution: Execution) -> None:
    prints(execution, 60_000)
    execution.close(OUT)
    execution.settle()
    assert execution.seal().finished
    keep(execution)
    reader = execution.reader()
    assert len(whole(reader).digest.templates()) == 2
    late = Digesting(execution.number, None, digesting.Digest())
    late.advance(execution.connection, lambda: False)
    assert execution.write(lambda c: retention.remove_logs(c, [execution.number], START)) == [execution.number]
    for one in (reader, execution.reader()):
        found = whole(one)
        assert found.digest.templates() == []
        assert found.digest.unseen == found.count.lines == 60_003
    assert not execution.write(lambda c: late.keep(c, late.row()))
    for table_name in ("log_digests", "log_levels"):
        assert execution.connection.execute(f"SELECT count(*) FROM {table_name}").fetchone() == (0,)
