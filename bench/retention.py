"""What removing old executions costs: python bench/retention.py [executions, default 1,000] [lines, default 1,000]

A home with executions that ended long ago is pruned: with an archive, then another one without, then one with a single
execution that has as many lines as all of them together. Beside each the longest that the store lock was held by one
transaction, and how much smaller the file got. Everything lies in a temporary directory below $TMPDIR.
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from outlast.kernel import executions, faults
from outlast.kernel.database import Database, StoreConnection
from outlast.kernel.home import Home
from outlast.kernel.ids import new_id
from outlast.kernel.marks import CLOSE, MERGED, Mark, MarkWriter, Spool
from outlast.kernel.plan import Plan, StepPlan
from outlast.runtime.observer import open_observer
from outlast.runtime.options import Options
from outlast.storage.logs.sealer import remove_run_directory, seal
from outlast.storage.retention import Limits

SPOOL = Spool(1, 1, MERGED)
START = 1_700_000_000_000_000
"""µs since the epoch: long ago."""


def plan_of(n: int) -> Plan:
    return Plan(
        id=new_id(START + n * 1000),
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
        created_at=START + n * 1000,
        user="bench",
        trigger="bench",
        request_hash="00" * 32,
        library="",
        interpreter="",
    )


def lines(chance: random.Random, count: int) -> bytes:
    return b"".join(
        b"2026-01-01T00:%02d:%02d.%03dZ INFO worker-%d request %032x handled in %d ms, %d bytes\n"
        % (n // 60_000, n // 1000 % 60, n % 1000, n % 16, chance.getrandbits(128), n * 7 % 2000, n * 31 % 1048576)
        for n in range(count)
    )


def fill(home: Home, count: int, each: int) -> int:
    """So many executions with so many lines; bytes of all lines."""
    database = Database(home)
    connection = database.connect()
    connection.execute("PRAGMA synchronous = OFF")  # filling is not what is measured
    chance, size = random.Random(7), 0
    try:
        for n in range(count):
            size += add(home, database, connection, plan_of(n), lines(chance, each))
    finally:
        database.close(connection)
        database.lock.close()
    return size


def add(home: Home, database: Database, connection: StoreConnection, plan: Plan, text: bytes) -> int:
    number = database.write(connection, lambda c: executions.create(c, home, plan, plan.created_at)).number
    database.write(connection, lambda c: executions.lose(c, number, "bench", plan.created_at + 1))
    run = home.run(plan.id)
    spool = Path(run.attempt("run", 1).spool(MERGED))
    spool.parent.mkdir(parents=True)
    spool.write_bytes(text)
    marks = MarkWriter(run.marks)
    marks.append(Mark(SPOOL.pack(), len(text), plan.created_at, CLOSE))
    marks.close()
    assert seal(number, run, plan, lambda rule: database.write(connection, rule)).finished
    assert remove_run_directory(run)
    return len(text)


class Holds:
    """How long each transaction held the store lock, in seconds."""

    def __init__(self) -> None:
        self.longest = self.since = 0.0

    def __call__(self, name: str) -> None:
        if name == "store.locked":
            self.since = time.perf_counter()
        elif name == "store.committed":
            self.longest = max(self.longest, time.perf_counter() - self.since)


@contextmanager
def home_of(count: int, each: int) -> Iterator[tuple[Home, int]]:
    home = Home(tempfile.mkdtemp(prefix="outlast-bench-"))
    try:
        home.create()
        yield home, fill(home, count, each)
    finally:
        shutil.rmtree(home.root)


async def prune(home: Home, archive: Path | None) -> tuple[float, float, int, int]:
    """Seconds to plan and to prune; bytes by which the file got smaller, and how many executions went."""
    async with open_observer(Options(home=home, trigger="bench")) as observer:
        begin = time.perf_counter()
        plan = await observer.pruner.plan(Limits(max_age=0))
        planned = time.perf_counter()
        pruned = await observer.pruner.prune(plan.due, archive=archive)
        return planned - begin, time.perf_counter() - planned, pruned.freed, len(pruned.removed)


def measure(what: str, count: int, each: int, *, archive: bool) -> None:
    with home_of(count, each) as (home, size):
        before = Path(home.database).stat().st_size
        place = Path(home.root, "archive.db") if archive else None
        holds = Holds()
        faults.listen(holds)
        planning, pruning, freed, removed = anyio.run(prune, home, place)
        faults.listen(None)
        assert removed == count, "all of them are old"
        print(
            f"{what:<44} {size / 1e6:7,.0f} MB of lines  {before / 1e6:6.1f} MB file  plan {planning * 1000:6.1f} ms  "
            f"prune {pruning:6.2f} s  longest hold {holds.longest * 1000:6.1f} ms  {freed / 1e6:6.1f} MB given back"
        )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    measure(f"{count:,} executions of {each:,} lines, archived", count, each, archive=True)
    measure(f"{count:,} executions of {each:,} lines", count, each, archive=False)
    measure(f"1 execution of {count * each:,} lines", 1, count * each, archive=False)


if __name__ == "__main__":
    main()
