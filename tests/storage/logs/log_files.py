"""A run directory written by hand, the store beside it, and the rules of numbering in their plainest form."""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from outlast.kernel import checksums, executions, migrating
from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.ids import new_id
from outlast.kernel.marks import CLOSE, EMPTIED, GAP, MARK, MERGED, Mark, MarkWriter, Spool
from outlast.kernel.plan import Plan, StepPlan
from outlast.storage.logs import walks
from outlast.storage.logs.lines import GAP as DROPPED
from outlast.storage.logs.lines import GONE, REASONS, Entry, Line, LogGap
from outlast.storage.logs.masking import TOKENS_ONLY, Masker
from outlast.storage.logs.reader import LogReader
from outlast.storage.logs.sealer import Sealed, remove_run_directory, seal

T = TypeVar("T")

STEPS = ("build", "test")
OUT = Spool(1, 1, MERGED)
START = 1_700_000_000_000_000


def plan_of(number: int, streams: str = "separate") -> Plan:
    return Plan(
        id=new_id(START + number * 1000),
        store_id="",
        workflow_id="w",
        workflow_name="w",
        workflow_type=None,
        version_hash="0" * 64,
        definition="{}",
        source=None,
        params={},
        param_types={},
        secret_params=[],
        steps=[StepPlan(id=step, name=step, argv=["/bin/true"], cwd="/", env={}, secret_env=[]) for step in STEPS],
        created_at=START,
        user="somebody",
        trigger="cli",
        request_hash="00" * 32,
        library="",
        interpreter="",
        streams=streams,
    )


class Execution:
    """An execution in a store of its own that prints what the test says. Only its files and rows are real."""

    def __init__(self, streams: str = "separate") -> None:
        self.home = Home(os.path.realpath(tempfile.mkdtemp(prefix="ol-")))
        self.home.create()
        self.connection = self.connect()
        migrating.migrate(self.connection, self.home)
        self.plan = plan_of(1, streams)
        self.number = self.write(lambda c: executions.create(c, self.home, self.plan, START)).number
        self.run: RunDirectory = self.home.run(self.plan.id)
        Path(self.run.path).mkdir()
        Path(self.run.plan).write_bytes(self.plan.encode())
        self.marks = MarkWriter(self.run.marks)
        self.written: list[Mark] = []
        self.now = START
        self.origins: dict[Spool, int] = {}
        """Where the lines of a spool begin anew: the last gap."""
        self.starts: dict[Spool, int] = {}
        """Where a line of a spool begins, before its last mark."""
        self.before: dict[Spool, bytes] = {}
        """What was printed to a spool before it was emptied."""
        self.gone: list[tuple[int, int, int]] = []
        """Each emptying: the packed spool, its offset, and how many lines were sealed before."""

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.home.database, isolation_level=None)

    def write(self, rule: Callable[[sqlite3.Connection], T]) -> T:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = rule(self.connection)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return result

    def path(self, spool: Spool) -> Path:
        return Path(self.run.attempt(STEPS[spool.step - 1], spool.attempt).spool(spool.stream))

    def content(self, spool: Spool) -> bytes:
        """All that was printed to it, what is gone included."""
        path = self.path(spool)
        return self.before.get(spool, b"") + (path.read_bytes() if path.exists() else b"")

    def prints(self, spool: Spool, data: bytes) -> None:
        path = self.path(spool)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
        # Its marks have times of their own making; what was written later than its CLOSE would count as emptied late.
        os.utime(path, (0, 0))

    def mark(
        self, spool: Spool, kind: int = MARK, *, later: int = 50_000, lines: int | None = None, beyond: int = 0
    ) -> None:
        """Note that the spool has grown, `later` µs after the last mark. `beyond`: bytes that a power cut took away.
        `lines`: what the mark says it holds; by default what is true."""
        self.now += later
        marked = self.marks.end(spool.pack())
        end = max(marked, len(self.content(spool))) + beyond
        if lines is None:
            lines = self.line_ends(spool, marked, last=kind == CLOSE)
        mark = Mark(spool.pack(), end, self.now, kind, lines)
        # Past the writer, which would not let the time go back.
        os.write(self.marks.fd, mark.encode())
        self.marks.reader.read(self.marks.fd)
        self.written.append(mark)
        if kind == EMPTIED or (kind == GAP and end > marked):  # one that reaches no further says nothing
            self.origins[spool] = end

    def line_ends(self, spool: Spool, behind: int, *, last: bool = False) -> int:
        """How many lines end behind an offset of the spool, which never goes back. `last`: an unfinished one at its
        end counts too."""
        data, start, count = self.content(spool), max(self.origins.get(spool, 0), self.starts.get(spool, 0)), 0
        while start < len(data):
            newline = data.find(b"\n", start, start + walks.MAX_LINE)
            if newline < 0 and len(data) - start < walks.MAX_LINE:
                return count + last
            start = newline + 1 if newline >= 0 else start + walks.MAX_LINE
            if start <= behind:
                self.starts[spool] = start
            count += start > behind
        return count

    def empties(self, spool: Spool, sealed: int = 0) -> None:
        """Truncate a spool as `> /dev/stderr` does, and note that. `sealed`: how many lines are in blocks by now."""
        end = self.marks.end(spool.pack())
        self.before[spool] = self.content(spool)[:end]
        unfinished = self.line_ends(spool, end, last=True)
        self.path(spool).write_bytes(b"")
        os.utime(self.path(spool), (0, 0))
        self.mark(spool, EMPTIED, lines=unfinished)
        self.gone.append((spool.pack(), end, sealed))

    def close(self, spool: Spool) -> None:
        self.mark(spool, CLOSE)

    def settle(self) -> None:
        def rule(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE executions SET status = 'cancelled', ended_at = created_at, reason = 'test' WHERE number = ?",
                (self.number,),
            )
            checksums.stamp(connection, self.number)

        self.write(rule)

    def seal(self, masker: Masker = TOKENS_ONLY) -> Sealed:
        return seal(self.number, self.run, self.plan, self.write, masker=masker)

    def remove(self) -> None:
        assert remove_run_directory(self.run)
        assert not Path(self.run.path).exists()

    def reader(self, masker: Masker = TOKENS_ONLY) -> LogReader:
        return LogReader(self.connection, self.number, self.run, STEPS, masker)

    def end(self) -> None:
        self.marks.close()
        self.connection.close()
        shutil.rmtree(self.home.root)


class Printed(NamedTuple):
    """What the rules of numbering, followed byte by byte, make of marks and spools."""

    entries: list[Entry]
    times: list[int]
    spools: list[int]

    @property
    def count(self) -> int:
        return last(self.entries[-1]) if self.entries else 0


def last(entry: Entry) -> int:
    return entry.last if isinstance(entry, LogGap) else entry.n


def first(entry: Entry) -> int:
    return entry.first if isinstance(entry, LogGap) else entry.n


def printed(execution: Execution, max_line: int, masks: tuple[bytes, ...] = ()) -> Printed:
    result = Printed([], [], [])
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    closed: set[int] = set()
    at = 0

    def add(mark: Mark, data: bytes, *, cut: bool = False, ended: bool = True) -> None:
        for mask in masks:
            data = data.replace(mask, b"***")
        result.entries.append(Line(result.count + 1, mark.at, Spool.unpack(mark.spool), data, cut, ended))
        result.times.append(mark.at)
        result.spools.append(mark.spool)

    for mark in execution.written:
        if mark.spool in closed or (mark.offset <= ends.get(mark.spool, 0) and mark.kind not in (CLOSE, EMPTIED)):
            continue
        ends[mark.spool] = mark.offset
        at = max(at, mark.at)
        mark = mark._replace(at=at)
        data = execution.content(Spool.unpack(mark.spool))[: mark.offset]
        start = starts.get(mark.spool, 0)
        first_here = result.count + 1
        if mark.kind in (GAP, EMPTIED):
            starts[mark.spool] = mark.offset
            if mark.lines:
                reason = REASONS[DROPPED if mark.kind == GAP else GONE]
                result.entries.append(LogGap(first_here, first_here + mark.lines - 1, reason))
                result.times.append(mark.at)
                result.spools.append(mark.spool)
            continue
        while True:
            newline = data.find(b"\n", start, start + max_line)
            if newline >= 0:
                add(mark, data[start:newline])
                start = newline + 1
            elif len(data) - start >= max_line:
                add(mark, data[start : start + max_line], cut=True, ended=False)
                start += max_line
            else:
                break
        if mark.kind == CLOSE:
            closed.add(mark.spool)
            if start < len(data):
                add(mark, data[start:], ended=False)
            missing = mark.offset - max(len(data), starts.get(mark.spool, 0))
            if missing > 0 and execution.path(Spool.unpack(mark.spool)).exists():
                lose(result, mark, missing)
        starts[mark.spool] = start
        for spool, offset, sealed in execution.gone:
            kept = max(first_here, sealed + 1)
            if spool == mark.spool and mark.offset <= offset and result.count >= kept:
                hide(result, kept)
                break
    return result


def lose(log: Printed, mark: Mark, missing: int) -> None:
    """Bytes that marks have counted are not there."""
    n = log.count + 1
    log.entries.append(LogGap(n, n, f"{missing:,} bytes were lost: the power went before they were on the disk"))
    log.times.append(mark.at)
    log.spools.append(mark.spool)


def hide(log: Printed, low: int) -> None:
    """The lines from `low` on are gone; they came with one mark."""
    lines = log.count - low + 1
    gap = LogGap(low, log.count, REASONS[GONE])
    log.entries[-lines:] = [gap]
    del log.times[len(log.entries) :], log.spools[len(log.entries) :]


def clipped(entry: Entry, low: int, high: int) -> Entry | None:
    if last(entry) < low or first(entry) > high:
        return None
    if isinstance(entry, LogGap):
        return LogGap(max(low, entry.first), min(high, entry.last), entry.reason)
    return entry


def matching(log: Printed, pattern: str, low: int, high: int, wanted: Callable[[int, int], bool]) -> list[int]:
    """The numbers of the lines that a pattern of Python's re matches."""
    return [
        entry.n
        for entry, at, spool in zip(log.entries, log.times, log.spools, strict=True)
        if isinstance(entry, Line)
        and low <= entry.n <= high
        and wanted(spool, at)
        and re.search(pattern.encode(), entry.data)
    ]


def texts(entries: list[Entry]) -> list[bytes]:
    return [entry.data for entry in entries if isinstance(entry, Line)]


def count_reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    read = {"bytes": 0, "calls": 0}
    pread = walks.os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        read["bytes"] += len(data)
        read["calls"] += 1
        return data

    monkeypatch.setattr(walks.os, "pread", counted)
    return read


def many_lines(execution: Execution, count: int, marks: int = 1) -> None:
    for part in range(marks):
        numbers = range(part * count // marks, (part + 1) * count // marks)
        execution.prints(OUT, b"".join(b"%07d: what a build tool prints about its work\n" % n for n in numbers))
        execution.mark(OUT)


def prints_lines(execution: Execution, count: int, spool: Spool = OUT) -> None:
    execution.prints(spool, b"".join(b"%08d and forty more bytes, so that there is text\n" % n for n in range(count)))
    execution.mark(spool)


def numbers(entries: list[Entry]) -> list[int]:
    return [entry.n for entry in entries if isinstance(entry, Line)]


def rows(execution: Execution) -> list[tuple[int, int, int]]:
    return execution.connection.execute(
        "SELECT first_line, lines, raw_bytes FROM log_blocks ORDER BY first_line"
    ).fetchall()
