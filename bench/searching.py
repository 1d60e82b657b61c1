"""How long a search over the logs of all executions takes: python bench/searching.py [executions] [lines of each]

By default 1,000 executions with 1,000 lines each. All that they printed is searched for one literal that the oldest one
has, in slices as a server does it; then the same lines in one execution, for comparison. Everything lies in a temporary
directory below $TMPDIR.
"""

import sqlite3
import sys
import time
from pathlib import Path

from texts import COMPLETED, START, Life, plan_of

from outlast.kernel import executions, supervision
from outlast.kernel.clock import Moment
from outlast.kernel.home import write_durably
from outlast.kernel.marks import CLOSE, MERGED, Mark, MarkWriter, Spool
from outlast.kernel.process import ProcessId
from outlast.kernel.supervision import Ending
from outlast.storage.history import Filter
from outlast.storage.logs.reader import LogReader
from outlast.storage.logs.sealer import seal
from outlast.storage.logs.store_search import StoreQuery, StoreSearch
from outlast.storage.records import Execution

SPOOL = Spool(1, 1, MERGED).pack()
SLICE = 0.2


def lines_of(n: int, lines: int) -> bytes:
    """About 90 bytes a line, alike in form and not in content."""
    return b"".join(
        b"2026-11-26T10:%02d:%02d.%03d INFO worker-%d GET /customers/%d/orders status=200 %d ms\n"
        % (i // 60 % 60, i % 60, i * n % 1000, i % 7, (i * 7919 + n * 104729) % 1_000_003, i * n % 4001)
        for i in range(lines)
    )


def printed(life: Life, n: int, data: bytes) -> None:
    """An execution that has printed this, sealed."""
    plan, moment = plan_of(n)._replace(workflow_id="whole" if n == 0 else "part"), Moment(START + n, n, "boot")
    number = life.database.write(life.connection, lambda c: executions.create(c, life.home, plan, START + n)).number
    run = life.home.run(plan.id)
    path = run.attempt("run", 1).spool(MERGED)
    Path(path).parent.mkdir(parents=True)
    write_durably(run.plan, plan.encode())
    write_durably(path, data)
    writer = MarkWriter(run.marks)
    writer.append(Mark(SPOOL, len(data), START + n, CLOSE))
    writer.close()
    seen = supervision.look(life.connection, plan.id)
    assert seen is not None
    life.write(lambda c: supervision.begin(c, seen, ProcessId(1, 1, "boot"), moment))
    life.write(lambda c: supervision.settle(c, seen, seen.epoch + 1, COMPLETED, Ending(), moment))
    assert seal(number, run, plan, lambda rule: life.database.write(life.connection, rule)).finished


def searched(life: Life, pattern: str, workflow_id: str) -> tuple[float, int]:
    """Seconds of a search, and what it found."""

    def reader(connection: sqlite3.Connection, execution: Execution) -> LogReader:
        return LogReader(connection, execution.number, life.home.run(execution.id), ["run"])

    query = StoreQuery(pattern=pattern, executions=Filter(workflow_id=workflow_id))
    begin = time.perf_counter()
    search = StoreSearch(query, reader, limit=50)
    while not search.ended:
        search.go_on(life.connection, SLICE)
    return time.perf_counter() - begin, search.found().matches


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    lines = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    life = Life()
    try:
        life.connection.execute("PRAGMA synchronous = OFF")
        everything: list[bytes] = []
        for n in range(1, count + 1):
            data = lines_of(n, lines) + (b"the needle\n" if n == 1 else b"")
            everything.append(data)
            printed(life, n, data)
        whole = b"".join(everything)
        printed(life, 0, whole)
        print(f"{count:,} executions, {count * lines:,} lines, {len(whole) / 1e6:,.0f} MB")
        for pattern in ("the needle", "[n]eedle$", "status=200"):
            found = {where: min(searched(life, pattern, where) for _ in range(3)) for where in ("part", "whole")}
            (apart, matches), (together, _) = found["part"], found["whole"]
            print(
                f"{pattern:<12} in all {apart * 1000:7.1f} ms ({len(whole) / apart / 1e9:5.2f} GB/s, {matches} found), "
                f"in one {together * 1000:7.1f} ms; an execution costs {(apart - together) / count * 1e6:5.0f} µs"
            )
    finally:
        life.close()


if __name__ == "__main__":
    main()
