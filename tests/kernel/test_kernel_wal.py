"""The write-ahead log stays bounded, whoever reads and for how long (I25)."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import pairwise
from threading import Event, Thread

import pytest

from outlast.kernel import wal
from stored import Hands, hands_on, plan_of

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "LIMIT", 4 * MIB)
    monkeypatch.setattr(wal, "STEP", MIB)


def write(hands: Hands, mib: int) -> int:
    """Commit executions with so many MiB of parameters; the largest size of the log meanwhile, in bytes."""
    largest = 0
    for _ in range(mib * 4):
        hands.run(plan=plan_of(at=hands.tick(), params={"text": "x" * (MIB // 8)}))  # stored twice
        largest = max(largest, size(hands))
    return largest


def size(hands: Hands) -> int:
    return os.stat(hands.home.database + "-wal").st_size


@contextmanager
def reader(hands: Hands) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(hands.home.database, isolation_level=None, check_same_thread=False)) as connection:
        yield connection


def look(connection: sqlite3.Connection) -> None:
    """Begin to read the newest state, after whatever was read before."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM executions").fetchone()


@contextmanager
def overlapping(hands: Hands) -> Generator[None]:
    """Two readers that take turns, so that there is always somebody who reads."""
    over = Event()

    def read(one: sqlite3.Connection, other: sqlite3.Connection) -> None:
        while not over.is_set():
            look(one)
            one, other = other, one

    with reader(hands) as first, reader(hands) as second:
        look(first)
        look(second)
        thread = Thread(target=read, args=(first, second))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def test_reads_that_overlap_for_ever_do_not_make_the_log_grow(hands: Hands) -> None:
    with overlapping(hands):
        assert write(hands, 16) < 10 * MIB


def test_the_log_is_cut_as_soon_as_an_endless_reader_ends(hands: Hands) -> None:
    hands.connection.execute(f"PRAGMA journal_size_limit = {wal.LIMIT}")  # as in earnest: the same limit
    with reader(hands) as endless:
        look(endless)
        before = endless.execute("SELECT count(*) FROM executions").fetchone()[0]
        assert write(hands, 8) > 6 * MIB
        assert endless.execute("SELECT count(*) FROM executions").fetchone()[0] == before
    assert hands.read(lambda c: c.execute("SELECT count(*) FROM executions").fetchone()[0]) == before + 32
    write(hands, 2)
    assert size(hands) <= 4 * MIB


def test_an_endless_reader_costs_one_wait_for_each_step_that_the_log_grows_by(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def try_to_empty(_: sqlite3.Connection, __: int) -> bool:
        tried.append(size(hands))
        return False

    with reader(hands) as endless:
        look(endless)
        monkeypatch.setattr(wal, "empty", try_to_empty)
        write(hands, 8)
    assert len(tried) >= 2
    assert all(later - earlier >= MIB for earlier, later in pairwise(tried))


def test_a_disk_that_fails_while_the_log_is_emptied_does_not_undo_what_was_committed(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: sqlite3.Connection, __: int) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(wal, "empty", fail)
    with reader(hands) as endless:
        look(endless)
        write(hands, 6)
    assert hands.read(lambda c: c.execute("SELECT count(*) FROM executions").fetchone()[0]) == 24


def test_a_process_that_lives_for_a_moment_does_not_wait_for_the_same_reader(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reader(hands) as endless:
        look(endless)
        write(hands, 6)
        tried: list[int] = []
        monkeypatch.setattr(wal, "empty", lambda *_: tried.append(1))
        with hands_on(hands.home) as other:
            other.run(plan=plan_of(at=hands.tick()))
    assert tried == []


def test_once_somebody_has_emptied_it_the_limit_is_what_it_was(hands: Hands) -> None:
    with reader(hands) as endless:
        look(endless)
        write(hands, 10)
    assert wal.empty(hands.connection, 1000)
    assert write(hands, 6) < 6 * MIB


def test_so_it_is_once_sqlite_itself_has_cut_it(hands: Hands) -> None:
    hands.connection.execute(f"PRAGMA journal_size_limit = {4 * MIB}")
    with reader(hands) as endless:
        look(endless)
        write(hands, 10)
    write(hands, 1)
    assert size(hands) == 4 * MIB
    with overlapping(hands):
        assert write(hands, 8) < 10 * MIB
