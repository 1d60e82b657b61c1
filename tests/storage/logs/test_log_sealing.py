"""Sealing: nothing twice, nothing left out, one sealer at a time."""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from log_files import OUT, STEPS, Execution, numbers, prints_lines, rows

from outlast.kernel import checksums, seals
from outlast.kernel.marks import EVENT, MERGED, STDERR, STDOUT, Spool
from outlast.storage.logs import sealer, walks
from outlast.storage.logs.blocks import BLOCK, BlockBuilder
from outlast.storage.logs.lines import Line
from outlast.storage.logs.masking import TOKENS_ONLY
from outlast.storage.logs.positions import Position
from outlast.storage.logs.sealer import Sealed, seal
from outlast.storage.logs.walks import SpoolFiles, Walk

T = TypeVar("T")


def test_blocks_are_dense_and_at_most_64_kib(execution: Execution) -> None:
    prints_lines(execution, 40_000)
    execution.prints(OUT, b"long " * 20_000 + b"\nshort\n")
    execution.close(OUT)
    execution.settle()
    sealed = execution.seal()
    assert sealed == Sealed(40_002, len(rows(execution)), True)
    expected = 1
    for first_line, lines, raw_bytes in rows(execution):
        assert first_line == expected
        assert raw_bytes <= BLOCK or lines == 1
        expected += lines
    assert expected == 40_003
    full = [raw for _, lines, raw in rows(execution)[:-3] if lines > 1]
    assert min(full) > BLOCK * 15 // 16 - 60


def test_a_live_log_is_sealed_in_full_blocks_and_batches(execution: Execution) -> None:
    prints_lines(execution, 8_000)
    assert execution.seal() == Sealed(0, 0, False), "fewer than eight blocks wait"
    prints_lines(execution, 7_500)
    sealed = execution.seal()
    assert sealed.blocks >= 8
    assert 0 < sealed.lines < 15_500
    assert not sealed.finished
    assert execution.seal() == Sealed(0, 0, False)
    assert numbers(execution.reader().after(sealed.lines - 2, 4)) == list(range(sealed.lines - 1, sealed.lines + 3))


def test_a_settled_log_is_finished(execution: Execution) -> None:
    prints_lines(execution, 10)
    execution.close(OUT)
    execution.settle()
    assert execution.seal() == Sealed(10, 1, True)
    assert execution.connection.execute("SELECT log_lines FROM executions").fetchone() == (10,)
    checksums.check_execution(execution.connection, execution.number)
    assert execution.seal() == Sealed(0, 0, True)
    assert execution.reader().count() == (10, True)


def test_a_settled_log_without_a_line_is_finished(execution: Execution) -> None:
    execution.settle()
    assert execution.seal() == Sealed(0, 0, True)
    assert execution.reader().count() == (0, True)
    execution.remove()


def test_a_settled_execution_that_never_began_is_finished(execution: Execution) -> None:
    Path(execution.run.marks).unlink()
    execution.settle()
    assert execution.seal() == Sealed(0, 0, True)


def test_bytes_are_not_given_up_because_a_closing_mark_is_missing(execution: Execution) -> None:
    prints_lines(execution, 10)
    execution.prints(OUT, b"the last words")
    execution.settle()
    assert execution.seal() == Sealed(10, 1, False, (OUT,))
    assert execution.reader().count() == (10, True)
    execution.close(OUT)
    assert execution.seal() == Sealed(1, 1, True)


@pytest.mark.parametrize(("streams", "spools"), [("merged", (MERGED, EVENT)), ("separate", (STDOUT, STDERR, EVENT))])
def test_late_bytes_of_all_spools_are_counted(streams: str, spools: tuple[int, ...]) -> None:
    execution = Execution(streams)
    for stream in spools:
        spool = Spool(2, 1, stream)
        execution.prints(spool, b"in time\n")
        execution.close(spool)
        execution.prints(spool, b"late")
    execution.settle()
    assert execution.seal() == Sealed(len(spools), 1, True)
    assert execution.connection.execute("SELECT late_bytes FROM log_seals").fetchone() == (4 * len(spools),)
    execution.end()


def test_times_never_go_back_over_a_seal(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "FEWEST_BLOCKS", 1)
    prints_lines(execution, 4000)
    assert execution.seal().lines
    execution.prints(OUT, b"after the clock was put back\n")
    execution.mark(OUT, later=-60_000_000)
    execution.close(OUT)
    execution.settle()
    execution.seal()
    times = [entry.at for entry in execution.reader().last(1000) if isinstance(entry, Line)]
    assert times == sorted(times)


def test_while_somebody_seals_nobody_else_does(execution: Execution) -> None:
    prints_lines(execution, 10)
    execution.close(OUT)
    execution.settle()
    fd = os.open(execution.run.seal_lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert execution.seal() == Sealed(0, 0, False)
    assert rows(execution) == []
    os.close(fd)
    assert execution.seal().finished


def test_two_sealers_cannot_both_win(execution: Execution) -> None:
    prints_lines(execution, 10)
    execution.close(OUT)
    with SpoolFiles(execution.run, list(STEPS)) as files:
        block = BlockBuilder(Walk(files, Position()), TOKENS_ONLY).next(rest=True)
    assert block is not None
    number = execution.number
    seen = seals.look(execution.connection, number)
    assert seen == seals.Seal(0, None, False, None)
    moved = execution.write(lambda c: seals.append(c, number, seen, [block], "{}"))
    assert moved == seals.Seal(10, "{}", False, None)
    assert execution.write(lambda c: seals.append(c, number, seen, [block], "{}")) is None
    assert execution.write(lambda c: seals.append(c, number, moved._replace(position="other"), [], "{}")) is None
    assert len(rows(execution)) == 1
    assert not execution.write(lambda c: seals.finish(c, number, seen, 0))
    with pytest.raises(ValueError, match="begins with line 1 instead of 11"):
        execution.write(lambda c: seals.append(c, number, moved, [block], "{}"))
    assert seals.look(execution.connection, number + 1) is None


def test_a_finished_log_takes_no_more(execution: Execution) -> None:
    execution.settle()
    execution.seal()
    seen = seals.look(execution.connection, execution.number)
    assert seen is not None
    assert seen.log_lines == 0
    assert execution.write(lambda c: seals.append(c, execution.number, seen, [], "{}")) is None
    assert not execution.write(lambda c: seals.finish(c, execution.number, seen, 0))


def test_a_live_log_is_never_finished(execution: Execution) -> None:
    seen = seals.look(execution.connection, execution.number)
    assert seen is not None
    assert not execution.write(lambda c: seals.finish(c, execution.number, seen, 0))


def test_a_sealer_that_lost_stops(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a store was put back, or a file system does not keep locks."""
    monkeypatch.setattr(sealer, "MOST_BLOCKS", 8)
    prints_lines(execution, 100_000)
    writes = 0

    def write(rule: Callable[[sqlite3.Connection], T]) -> T:
        nonlocal writes
        writes += 1
        if writes == 3:
            execution.write(lambda c: c.execute("UPDATE log_seals SET position = 'elsewhere'"))
        return execution.write(rule)

    sealed = seal(execution.number, execution.run, execution.plan, write)
    assert writes == 3
    assert not sealed.finished
    assert sealed.blocks == len(rows(execution)) == sealer.MOST_BLOCKS


def test_what_the_store_says_was_read_is_durable_before(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    prints_lines(execution, 100_000)
    synced: list[str] = []
    before_commits: list[list[str]] = []
    fsync = walks.os.fsync

    def noted(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        fsync(fd)

    def write(rule: Callable[[sqlite3.Connection], T]) -> T:
        before_commits.append(list(synced))
        return execution.write(rule)

    monkeypatch.setattr(walks.os, "fsync", noted)
    assert seal(execution.number, execution.run, execution.plan, write).blocks > sealer.MOST_BLOCKS
    assert before_commits[0] == [], "looking"
    assert before_commits[1] == before_commits[2] == ["out", "marks"], "one fsync serves all that was there"


def test_sealing_what_is_not_in_the_store_does_nothing(execution: Execution) -> None:
    assert seal(999, execution.run, execution.plan, execution.write) == Sealed(0, 0, False)


def test_a_reader_survives_that_an_older_store_is_put_back(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "FEWEST_BLOCKS", 1)
    prints_lines(execution, 5000)
    execution.seal()
    reader = execution.reader()
    assert reader.count().lines == 5000
    execution.write(lambda c: [c.execute("DELETE FROM log_blocks"), c.execute("DELETE FROM log_seals")])
    assert numbers(reader.after(0, 5)) == [1, 2, 3, 4, 5]
    assert reader.count().lines == 5000
