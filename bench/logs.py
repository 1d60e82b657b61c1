"""How fast logs are sealed and read: python bench/logs.py [lines, default 2,000,000]

Sealing is compared with `zstd -1` by the same library over the same bytes in the same run: ratios travel between
machines, times do not. Everything lies in a temporary directory below $TMPDIR.
"""

import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeVar

from outlast.kernel import executions, migrating
from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.ids import new_id
from outlast.kernel.marks import CLOSE, MERGED, Mark, MarkWriter, Spool
from outlast.kernel.plan import Plan, StepPlan
from outlast.storage.logs.blocks import LEVEL, zstd
from outlast.storage.logs.reader import LogReader
from outlast.storage.logs.sealer import seal

T = TypeVar("T")

SPOOL = Spool(1, 1, MERGED)
CHUNK = 1 << 20
MARK_EVERY = 8 << 20
"""Bytes: a child that prints about 160 MB/s, marked every 50 ms."""


def make_log(run: RunDirectory, count: int) -> int:
    """Write `count` lines of about 130 bytes, many with a UUID, and their marks; returns their bytes."""
    chance = random.Random(7)
    levels = ("INFO",) * 17 + ("DEBUG",) * 2 + ("WARNING",)
    path = Path(run.attempt("run", 1).spool(MERGED))
    path.parent.mkdir(parents=True)
    marks = MarkWriter(run.marks)
    size = marked = 0
    now = time.time_ns() // 1000
    with path.open("wb", buffering=1 << 20) as file:
        for n in range(count):
            identity = f"{chance.getrandbits(128):032x}"
            size += file.write(
                f"2026-01-01T00:{n // 60_000 % 60:02d}:{n // 1000 % 60:02d}.{n % 1000:03d}Z {levels[n % 20]} "
                f"worker-{n % 16} request {identity} {'needle ' if n == count // 3 else ''}handled in "
                f"{chance.randrange(2000)} ms, {chance.randrange(1 << 20)} bytes, queue {n % 97}\n".encode()
            )
            if size - marked >= MARK_EVERY:
                marked = size
                marks.append(Mark(SPOOL.pack(), size, now + size // 160))
    marks.append(Mark(SPOOL.pack(), size, now + size // 160, CLOSE))
    marks.close()
    return size


def timed(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def often(function: Callable[[], object], times: int = 50) -> float:
    return median(timed(function) for _ in range(times))


def compress_alone(path: Path) -> float:
    compressor = zstd.ZstdCompressor(level=LEVEL)
    begin = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            compressor.compress(data)
    compressor.flush()
    return time.perf_counter() - begin


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    home = Home(tempfile.mkdtemp(prefix="outlast-bench-"))
    try:
        home.create()
        connection = sqlite3.connect(home.database, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrating.migrate(connection, home)
        measure(home, connection, count)
        connection.close()
    finally:
        shutil.rmtree(home.root)


def measure(home: Home, connection: sqlite3.Connection, count: int) -> None:
    plan = Plan(
        id=new_id(time.time_ns() // 1000),
        store_id="",
        workflow_id="bench",
        workflow_name="bench",
        workflow_type=None,
        version_hash="0" * 64,
        definition="{}",
        source=None,
        params={},
        param_types={},
        secret_params=[],
        steps=[StepPlan(id="run", name="run", argv=["/bin/true"], cwd="/", env={}, secret_env=[])],
        created_at=time.time_ns() // 1000,
        user="bench",
        trigger="bench",
        request_hash="00" * 32,
        library="",
        interpreter="",
    )
    number = executions.create(connection, home, plan, plan.created_at).number
    connection.execute("UPDATE executions SET status = 'cancelled', ended_at = created_at, reason = 'bench'")
    run = home.run(plan.id)
    size = make_log(run, count)
    spool = Path(run.attempt("run", 1).spool(MERGED))
    os.sync()  # writing the log to disk is not what is measured
    table: list[tuple[str, str]] = [("log", f"{count:,} lines, {size / 1e6:,.0f} MB")]

    def row(what: str, seconds: float, note: str = "") -> None:
        value = f"{seconds * 1000:,.2f} ms" if seconds < 0.5 else f"{seconds:,.2f} s"
        table.append((what, value + note))

    def pages(kind: str) -> None:
        reader = LogReader(connection, number, run, ["run"])
        if kind == "live":
            begin = timed(reader.count)
            row("live: index from nothing", begin, f", {size / begin / 1e6:,.0f} MB/s")
        row(f"{kind}: last 100", often(lambda: reader.last(100)))
        row(f"{kind}: 100 after the middle", often(lambda: reader.after(count // 2, 100)))
        row(f"{kind}: 100 before the middle", often(lambda: reader.before(count // 2, 100)))
        row(f"{kind}: last 100 of a common word", often(lambda: reader.search("WARNING", 100), 9))
        for what, pattern in (("one literal", "needle"), ("a class", r"queue [0-9]+ x"), ("nothing", "zzz.*qqq")):
            seconds = timed(lambda pattern=pattern: reader.search(pattern, seconds=600.0))
            row(f"{kind}: search all for {what}", seconds, f", {size / seconds / 1e6:,.0f} MB/s")
        reader.close()

    def write(rule: Callable[[sqlite3.Connection], T]) -> T:
        connection.execute("BEGIN IMMEDIATE")
        result = rule(connection)
        connection.execute("COMMIT")
        return result

    pages("live")
    alone = median(compress_alone(spool) for _ in range(3))
    row("zstd -1 alone", alone, f", {size / alone / 1e6:,.0f} MB/s")
    cpu = time.process_time()
    sealing = timed(lambda: seal(number, run, plan, write))
    cpu = time.process_time() - cpu
    row(
        "sealing",
        sealing,
        f", {size / sealing / 1e6:,.0f} MB/s = {alone / sealing:.0%} of zstd -1 alone, CPU {cpu:.2f} s",
    )
    stored = connection.execute("SELECT sum(length(data) + length(segments)), count(*) FROM log_blocks").fetchone()
    table.append(
        ("stored", f"{stored[1]:,} blocks, {stored[0] / count:.1f} bytes a line, {stored[0] / size:.0%} of raw")
    )
    pages("sealed")
    width = max(len(what) for what, _ in table)
    for what, value in table:
        sys.stdout.write(f"{what:<{width}}  {value}\n")


if __name__ == "__main__":
    main()
