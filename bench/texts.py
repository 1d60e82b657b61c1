"""What it costs to know the words of executions: python bench/texts.py [executions, default 1,000]

The kernel's rules create, begin and settle executions, each in its own durable transactions, with the index of words
and without, turn by turn in one run: the difference is what the index costs, in CPU time, because what the disk takes
to make a transaction durable varies by more than that. Then how long it takes to compare it with
all rows, and to make it again. Everything lies in a temporary directory below $TMPDIR.
"""

import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from outlast.kernel import executions, supervision, texts
from outlast.kernel.clock import Moment
from outlast.kernel.database import Database
from outlast.kernel.home import Home
from outlast.kernel.ids import new_id
from outlast.kernel.plan import Plan, StepPlan
from outlast.kernel.process import ProcessId
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Ending, Outcome

START = 1_700_000_000_000_000
COMPLETED = Outcome(ExecutionStatus.COMPLETED, "exit code 0", exit_code=0)
FAILED = Outcome(ExecutionStatus.FAILED, "exit code 1: KeyError: 'region' in load.py:88", exit_code=1)


def plan_of(n: int) -> Plan:
    return Plan(
        id=new_id(START + n),
        store_id="",
        workflow_id="nightly-data",
        workflow_name="Nightly data",
        workflow_type=None,
        version_hash="0" * 64,
        definition="{}",
        source=None,
        params={"path": f"/srv/data/part-{n}.csv", "region": f"eu-west-{n % 5}", "count": n},
        param_types={"path": "string", "region": "string", "count": "integer"},
        secret_params=[],
        steps=[StepPlan("run", "Run", ["/bin/true"], "/", {}, [])],
        created_at=START + n,
        user="ada",
        trigger="cli",
        request_hash="0" * 64,
        library="",
        interpreter="",
        labels={"team": "blue", "ticket": f"OPS-{n}"},
    )


class Life:
    """Executions over one home, one after the other, and how long each rule took."""

    def __init__(self) -> None:
        self.home = Home(tempfile.mkdtemp(prefix="outlast-bench-"))
        self.home.create()
        self.database = Database(self.home)
        self.connection = self.database.connect()
        self.took: dict[str, list[float]] = {"create": [], "settle, completed": [], "settle, failed": []}

    def write(self, rule: Callable[[sqlite3.Connection], object], what: str | None = None) -> None:
        begin = time.thread_time()
        self.database.write(self.connection, rule)
        if what is not None:
            self.took[what].append((time.thread_time() - begin) * 1e6)

    def one(self, n: int) -> None:
        plan, now = plan_of(n), START + n
        self.write(lambda c: executions.create(c, self.home, plan, now), "create")
        moment = Moment(now, n, "boot")
        seen = supervision.look(self.connection, plan.id)
        assert seen is not None
        self.write(lambda c: supervision.begin(c, seen, ProcessId(1, 1, "boot"), moment))
        outcome = FAILED if n % 2 else COMPLETED
        self.write(
            lambda c: supervision.settle(c, seen, seen.epoch + 1, outcome, Ending(), moment),
            "settle, failed" if n % 2 else "settle, completed",
        )

    @property
    def bytes(self) -> int:
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return self.connection.execute(query).fetchone()[0]

    def close(self) -> None:
        self.database.close(self.connection)
        self.database.lock.close()
        shutil.rmtree(self.home.root)


KEPT = texts.index, texts.settled


@contextmanager
def without_index() -> Iterator[None]:
    texts.index, texts.settled = (lambda *_: None), (lambda *_: None)
    try:
        yield
    finally:
        texts.index, texts.settled = KEPT


def seconds(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    without, having = Life(), Life()
    try:
        for n in range(1, count + 1):
            if n % 4 < 2:
                having.one(n)
            with without_index():
                without.one(n)
            if n % 4 >= 2:
                having.one(n)
        print(
            f"{count:,} executions, CPU, median without    with     the index costs   (SQLite {sqlite3.sqlite_version})"
        )
        for what in without.took:
            before, after = median(without.took[what]), median(having.took[what])
            print(f"{what:<26} {before:8.0f} µs {after:6.0f} µs {after - before:8.0f} µs")
        per_row = (having.bytes - without.bytes) / count
        print(f"bytes of the database for each: {per_row:,.0f} of {having.bytes / count:,.0f}")
        whole = seconds(lambda: list(texts.problems(having.connection)))
        print(f"compared with all rows in {whole * 1e6 / count:.0f} µs an execution")
        again = seconds(lambda: having.write(texts.rebuild))
        print(f"made again in {again * 1e6 / count:.0f} µs an execution")
    finally:
        without.close()
        having.close()


if __name__ == "__main__":
    main()
