"""Executions made by the kernel's own rules, without any process behind them; and processes that share a home."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from outlast.kernel import executions, recording, supervision
from outlast.kernel.checksums import stamped
from outlast.kernel.claims import Claim
from outlast.kernel.clock import Moment
from outlast.kernel.database import Connection, Database
from outlast.kernel.executions import Created
from outlast.kernel.home import Home
from outlast.kernel.ids import new_id
from outlast.kernel.plan import Json, Plan, StepPlan
from outlast.kernel.process import ProcessId
from outlast.kernel.record import Record, RecordedStep
from outlast.kernel.status import ExecutionStatus, StepStatus
from outlast.kernel.supervision import Ending, Outcome, Seen

T = TypeVar("T")

TESTS = Path(__file__).parent
START = 1_700_000_000_000_000
"""µs since the epoch: when the executions of a test begin."""
SECOND = 1_000_000
SUPERVISOR = ProcessId(4242, 77, "this boot")

COMPLETED = Outcome(ExecutionStatus.COMPLETED, "exit code 0", exit_code=0)
FAILED = Outcome(ExecutionStatus.FAILED, "exit code 3", exit_code=3)


def plan_of(
    *,
    at: int = START,
    workflow_id: str = "report",
    version: str = "1",
    params: dict[str, Json] | None = None,
    steps: tuple[str, ...] = ("run",),
    request: str = "00",
    user: str = "ada",
    concurrency_key: str | None = None,
    on_conflict: str = "queue",
    idempotency_key: str | None = None,
    retry_of: int | None = None,
    labels: dict[str, str] | None = None,
    agent: str | None = None,
    customer: str | None = None,
) -> Plan:
    """A plan with an id of its own; nothing in it is ever run."""
    return Plan(
        id=new_id(at),
        store_id="",
        workflow_id=workflow_id,
        workflow_name=workflow_id.title(),
        workflow_type="cost_analysis",
        version_hash=version.rjust(64, "0"),
        definition=f'{{"version":"{version}"}}',
        source=f"/workflows/{workflow_id}.yaml",
        params=params or {},
        param_types={name: type(value).__name__ for name, value in (params or {}).items()},
        secret_params=[],
        steps=[StepPlan(step, step.title(), ["/bin/true"], "/", {"LANG": "C.UTF-8"}, []) for step in steps],
        created_at=at,
        user=user,
        trigger="cli",
        request_hash=request.rjust(64, "0"),
        library="0123456789abcdef",
        interpreter="/usr/bin/python3",
        concurrency_key=concurrency_key,
        on_conflict=on_conflict,
        idempotency_key=idempotency_key,
        retry_of=retry_of,
        labels=labels,
        agent=agent,
        customer=customer,
    )


def change(connection: Connection, number: int, assignment: str) -> None:
    """Change an execution's row as no rule would, its checksum included."""
    with stamped(connection, number):
        connection.execute(f"UPDATE executions SET {assignment} WHERE number = ?", (number,))


def record_of(status: ExecutionStatus = ExecutionStatus.RUNNING, *, at: int = START, **fields: object) -> Record:
    """A record of what another engine runs, with an id of its own and one step; over 90 s after its start."""
    over = status.terminal
    began = None if status is ExecutionStatus.PENDING else at + SECOND
    ended = at + 91 * SECOND if over else None
    live = StepStatus.PENDING if began is None else StepStatus.RUNNING
    step = RecordedStep("run", "Run", StepStatus(status) if over else live, began, ended)
    told = Record(
        id=new_id(at),
        workflow_id="report",
        workflow_name="Report",
        workflow_type="cost_analysis",
        status=status,
        user="ada",
        trigger="schedule",
        created_at=at,
        started_at=began,
        ended_at=ended,
        reason="told so" if over else None,
        steps=(step,),
    )
    return told._replace(**fields)  # type: ignore[arg-type]  # fields of Record


class Hands:
    """One process's connection to a home's database, with the rules of the kernel at hand. Time is its own."""

    def __init__(self, home: Home, *, lock_timeout: float = 10.0) -> None:
        self.home = home
        self.database = Database(home, lock_timeout=lock_timeout)
        self.connection = self.database.connect()
        self.now = START

    def close(self) -> None:
        self.database.close(self.connection)
        self.database.lock.close()

    def tick(self, seconds: float = 1) -> int:
        self.now += int(seconds * SECOND)
        return self.now

    def moment(self) -> Moment:
        return Moment(self.now, self.now - START, "this boot")

    def write(self, rule: Callable[[Connection], T]) -> T:
        return self.database.write(self.connection, rule)

    def read(self, query: Callable[[Connection], T]) -> T:
        return self.database.read(self.connection, query)

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """What the database holds, past all rules."""
        return self.connection.execute(statement, values).fetchall()

    def tables(self) -> list[str]:
        """The tables that somebody has made; not those in which SQLite keeps what is in another one."""
        found = self.rows("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')")
        return [str(name) for (name,) in found if name != "sqlite_schema"]

    def row(self, number: int) -> dict[str, object]:
        """An execution's row, by column."""
        cursor = self.connection.execute("SELECT * FROM executions WHERE number = ?", (number,))
        (values,) = cursor.fetchall()
        return dict(zip((column[0] for column in cursor.description), values, strict=True))

    def change(self, number: int, assignment: str) -> None:
        self.write(lambda c: change(c, number, assignment))

    def statuses(self) -> dict[int, str]:
        return dict(self.connection.execute("SELECT number, status FROM executions"))

    def events(self, number: int) -> list[str]:
        return [
            k for (k,) in self.connection.execute("SELECT kind FROM events WHERE execution = ? ORDER BY seq", (number,))
        ]

    def create(self, plan: Plan | None = None) -> Created:
        plan = plan or plan_of(at=self.tick())
        return self.write(lambda c: executions.create(c, self.home, plan, max(self.now, plan.created_at)))

    def record(self, told: Record) -> int:
        """Record what another engine runs; the number."""
        return self.write(lambda c: recording.record(c, self.home, told, self.now)).number

    def queue(self) -> Created:
        """An execution with two steps that waits behind another for the only slot."""
        self.limit(1)
        self.create()
        return self.create(plan_of(at=self.tick(), steps=("a", "b")))

    def look(self, number: int) -> Seen:
        (raw_id,) = self.connection.execute("SELECT id FROM executions WHERE number = ?", (number,)).fetchone()
        seen = self.read(lambda c: supervision.look(c, raw_id.hex()))
        assert seen is not None
        return seen

    def begin(self, number: int) -> int:
        """A supervisor takes a claimed execution over and starts its first step; the epoch."""
        seen = self.look(number)
        self.tick()
        epoch = self.write(lambda c: supervision.begin(c, seen, SUPERVISOR, self.moment()))
        assert epoch is not None
        assert self.write(lambda c: supervision.start_attempt(c, number, epoch, 1, 1, self.now))
        return epoch

    def settle(
        self, number: int, outcome: Outcome = COMPLETED, ending: Ending | None = None, *, epoch: int | None = None
    ) -> list[Claim] | None:
        """The supervisor's last word."""
        seen = self.look(number)
        self.tick()
        return self.write(
            lambda c: supervision.settle(
                c, seen, seen.epoch if epoch is None else epoch, outcome, ending or Ending(), self.moment()
            )
        )

    def run(self, outcome: Outcome = COMPLETED, plan: Plan | None = None) -> int:
        """A whole life: created, begun, settled; the number."""
        number = self.create(plan).number
        self.begin(number)
        assert self.settle(number, outcome) is not None
        return number

    def limit(self, running: int) -> None:
        self.write(lambda c: executions.set_max_running(c, running))


@contextmanager
def quick_home() -> Generator[Home]:
    """A home for tests that start no process: to look for what they left behind would cost more than most of them."""
    home = Home(os.path.realpath(tempfile.mkdtemp(prefix="ol-")))
    home.create()
    try:
        yield home
    finally:
        shutil.rmtree(home.root)


@contextmanager
def hands_on(home: Home, *, lock_timeout: float = 10.0) -> Generator[Hands]:
    hands = Hands(home, lock_timeout=lock_timeout)
    try:
        yield hands
    finally:
        hands.close()


class Process:
    """A Python process that runs `code`, where `home` is the home and `say(line)` and `hear()` reach the test."""

    PREAMBLE = (
        "import os, sys\n"
        "from outlast.kernel.home import Home\n"
        "home = Home(os.environ['OUTLAST_HOME'])\n"
        "def say(text): print(text, flush=True)\n"
        "def hear(): return sys.stdin.readline().strip()\n"
    )

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", self.PREAMBLE + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def hears(self, text: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def says(self) -> str:
        """Its next line; empty when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ends(self, seconds: float = 60) -> list[str]:
        """Wait for its end, which must be a good one; what else it said."""
        said, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0
        return said.splitlines()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=60)


@contextmanager
def processes(code: str, count: int = 1) -> Generator[list[Process]]:
    """Processes that run the same code; none is left afterwards. A silent one ends with the test's time limit."""
    started: list[Process] = []
    try:
        started.extend(Process(code) for _ in range(count))
        yield started
    finally:
        for process in started:
            process.kill()
