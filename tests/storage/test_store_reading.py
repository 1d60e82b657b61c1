"""One execution as it is read: each state with the facts that it has and no others."""

import pytest

from outlast.kernel import executions
from outlast.kernel.checksums import stamp
from outlast.kernel.database import Connection
from outlast.kernel.errors import NotFound
from outlast.kernel.home import Home
from outlast.kernel.process import ProcessId
from outlast.kernel.states import Parked, Pending, Running, Settled
from outlast.kernel.status import ExecutionStatus, StepStatus
from outlast.kernel.supervision import Ending, Outcome
from outlast.storage import reading
from outlast.storage.records import Execution, LiveRow, Param, Step, StepResult
from outlast.storage.store import open_store
from stored import FAILED, SECOND, SUPERVISOR, Hands, hands_on, plan_of


def put(hands: Hands, number: int, status: str) -> None:
    """A status that no rule gives yet, in a row that is sound."""

    def rule(connection: Connection) -> None:
        connection.execute("UPDATE executions SET status = ? WHERE number = ?", (status, number))
        stamp(connection, number)

    hands.write(rule)


@pytest.mark.requirement("S3-1")
@pytest.mark.requirement("S0-1")
@pytest.mark.requirement("S1-1")
async def test_everything_of_an_execution_is_read_in_a_later_session(home: Home) -> None:
    with hands_on(home) as hands:
        plan = plan_of(
            steps=("build", "test"),
            params={"rows": 3},
            labels={"team": "blue"},
            agent="planner",
            customer="acme",
        )._replace(client={"name": "desk"}, metadata={"ticket": 7})
        hands.now = plan.created_at
        number = hands.create(plan).number
        hands.begin(number)
        hands.write(lambda c: executions.cancel(c, number, "bob", hands.tick()))
        hands.settle(number, Outcome(ExecutionStatus.CANCELLED, "cancelled by bob", 143, 15, True), Ending({"rows": 3}))
        end = hands.now
    async with open_store(home) as store:
        found = await store.read(lambda c: reading.execution(c, number))
        details = await store.read(lambda c: reading.details(c, number))
        assert await store.read(lambda c: reading.plan(c, number)) == plan.encode()
        assert await store.read(reading.live) == ()
        assert await store.read(reading.unsealed) == [(number, plan.id)]
        assert await store.read(lambda c: reading.finished(c, [plan.id, "x"])) == []
    started = plan.created_at + SECOND
    assert found == Execution(
        number=number,
        id=plan.id,
        workflow_id="report",
        workflow_name="Report",
        workflow_type="cost_analysis",
        version=plan.version_hash,
        marked_events=False,
        state=Settled(
            status=ExecutionStatus.CANCELLED,
            reason="cancelled by bob",
            started_at=started,
            ended_at=end,
            duration_us=end - started,
            exit_code=143,
            signal=15,
            signal_certain=True,
        ),
        user="ada",
        agent="planner",
        customer="acme",
        mode="local-run",
        trigger="cli",
        client={"name": "desk"},
        labels={"team": "blue"},
        metadata={"ticket": 7},
        binary_path="/bin/true",
        created_at=plan.created_at,
        updated_at=end,
        cancel_requested_by="bob",
        parked_us=0,
        compensation=None,
        retry_of=None,
        rollback_of=None,
        log_lines=None,
        supervisor=SUPERVISOR,
        steps=(
            Step(1, "build", "Build", StepStatus.CANCELLED, 1, started, end, 143, "cancelled by bob"),
            Step(2, "test", "Test", StepStatus.CANCELLED, 0, None, end, None, None),
        ),
        approvals=(),
    )
    assert found.settled is found.state
    assert details.params == (Param("rows", "int", 3, secret=False),)
    assert (details.plan, details.output, details.leftovers) == (plan.encode(), {"rows": 3}, [])
    assert details.results == (StepResult("build", None, {"rows": 3}, "cancelled by bob"),)
    assert details.artifacts == ()
    assert (details.definition, details.source, details.late_bytes) == (plan.definition, plan.source, 0)


def test_each_state_has_the_facts_it_has(hands: Hands) -> None:
    hands.limit(1)
    hands.create()
    claimed = hands.now
    hands.create()

    def state(number: int) -> object:
        found = reading.execution(hands.connection, number)
        assert (found.settled is None) == (not found.status.terminal)
        return found.state

    assert state(1) == Pending(claimed)
    assert state(2) == Pending(None, "waits for a slot (1 of 1 are taken)")
    hands.begin(1)
    begun = hands.now
    assert state(1) == Running(begun, 1)
    put(hands, 1, "waiting")
    assert state(1) == Parked(begun, paused=False)
    put(hands, 1, "paused")
    assert state(1) == Parked(begun, paused=True)
    put(hands, 1, "rolling_back")
    assert state(1) == Running(begun, 1, rolling_back=True)
    hands.settle(1, FAILED)
    assert state(1) == Settled(ExecutionStatus.FAILED, "exit code 3", begun, hands.now, SECOND, 3, None, None)
    assert hands.look(2).claimed


def test_what_is_live_is_what_is_not_over(hands: Hands) -> None:
    hands.limit(2)
    created = [hands.create() for _ in range(4)]
    claimed = hands.now - 2 * SECOND
    hands.begin(1)
    hands.begin(2)
    hands.settle(1)
    hands.write(lambda c: executions.cancel(c, 2, "ada", hands.tick()))
    at = hands.now
    rows = {row.number: row for row in reading.live(hands.connection)}
    assert rows.keys() == {2, 3, 4}
    assert rows[2] == LiveRow(2, created[1].id, ExecutionStatus.RUNNING, claimed, at, False, SUPERVISOR)
    assert rows[3].claimed_at is not None
    assert rows[4] == LiveRow(4, created[3].id, ExecutionStatus.PENDING, None, None, False, None)
    assert isinstance(rows[2].supervisor, ProcessId)
    assert reading.live_row(hands.connection, 2) == rows[2]
    assert reading.live_row(hands.connection, 1) is None
    assert reading.live_row(hands.connection, 9) is None
    assert reading.libraries_in_use(hands.connection) == {"0123456789abcdef"}


def test_what_is_not_there_is_not_found(hands: Hands) -> None:
    for ask in (reading.execution, reading.plan):
        with pytest.raises(NotFound):
            ask(hands.connection, 7)
    assert not reading.knows(hands.connection, "01234567-89ab-7def-8123-456789abcdef")


async def test_a_store_has_a_name_of_its_own(home: Home) -> None:
    async with open_store(home) as store:
        first = await store.read(reading.store_id)
    async with open_store(home) as store:
        assert await store.read(reading.store_id) == first
