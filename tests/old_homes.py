"""Homes with executions that were over long ago, their logs in the store; and what a home must hold at any time."""

import os
from pathlib import Path

from outlast.kernel import executions
from outlast.kernel.clock import Clock
from outlast.kernel.home import write_durably
from outlast.kernel.ids import format_id
from outlast.kernel.marks import CLOSE, MERGED, Mark, MarkWriter, Spool
from outlast.kernel.supervision import Outcome
from outlast.storage.logs.sealer import remove_run_directory, seal
from stored import COMPLETED, START, Hands, plan_of

DAY = 86_400_000_000
NOW = START + 1000 * DAY
"""µs: when the tests look back."""


class Then(Clock):
    """Stands still at NOW."""

    def now(self) -> int:
        return NOW


def over(
    hands: Hands,
    days: float = 100,
    outcome: Outcome = COMPLETED,
    *,
    log: bytes = b"hello\n",
    workflow_id: str = "report",
    sealed: bool = True,
    directory: bool = False,
    retry_of: int | None = None,
) -> int:
    """An execution that ended about so many days before NOW and has printed `log`; its number. `directory`: its run
    directory is still there though everything is sealed."""
    hands.now = NOW - int(days * DAY) - 10_000_000
    plan = plan_of(at=hands.tick(), workflow_id=workflow_id, params={"rows": 3}, retry_of=retry_of)
    run = hands.home.run(plan.id)
    spool = run.attempt("run", 1).spool(MERGED)
    os.makedirs(os.path.dirname(spool))
    write_durably(run.plan, plan.encode())
    write_durably(spool, log)
    hands.limit(100)
    number = hands.create(plan).number
    write_durably(run.number, b"%d\n" % number)
    hands.begin(number)
    writer = MarkWriter(run.marks)
    writer.append(Mark(Spool(1, 1, MERGED).pack(), len(log), hands.now, CLOSE))
    writer.close()
    hands.settle(number, outcome)
    if sealed:
        assert seal(number, run, plan, hands.write).finished
        if not directory:
            assert remove_run_directory(run)
    return number


def furnish(hands: Hands, number: int) -> None:
    """Something in the tables that nothing writes yet."""
    for statement in (
        "INSERT INTO artifacts(execution, step_no, type, name, location, created_at)"
        " VALUES (?, 1, 'report', 'r', 's3://r', 1)",
        "INSERT INTO approvals(execution, step_no, gate, message, decided_by_kind, status, requested_at, plan_hash,"
        " params_hash) VALUES (?, 1, 'gate', 'Release?', 'human', 'cancelled', 1, '', '')",
        "INSERT INTO snapshots(execution, no, created_at, state) VALUES (?, 1, 1, '{}')",
    ):
        hands.write(lambda c, statement=statement: c.execute(statement, (number,)))


def live_retry(hands: Hands, of: int) -> int:
    """An execution that is not over and retries another."""
    plan = plan_of(at=hands.tick(), retry_of=of)
    number = hands.write(lambda c: executions.create(c, hands.home, plan, hands.now)).number
    hands.begin(number)
    return number


def run_path(hands: Hands, number: int) -> Path:
    (raw_id,) = hands.connection.execute("SELECT id FROM executions WHERE number = ?", (number,)).fetchone()
    return Path(hands.home.run(format_id(raw_id)).path)
