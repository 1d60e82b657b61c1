"""Records of what other engines run: kept as they are told, once, and never taken for an execution of ours."""

from collections.abc import Callable

import pytest

from outlast.kernel import claims, executions, recording, supervision
from outlast.kernel.checksums import check_execution
from outlast.kernel.entities import Version
from outlast.kernel.errors import Conflict, InvalidInput, StoreDamaged
from outlast.kernel.ids import parse_id
from outlast.kernel.record import Record, RecordedArtifact, RecordedStep
from outlast.kernel.status import ExecutionStatus, StepStatus
from outlast.storage import history, reading
from outlast.storage.maintenance import examine, reconcile_directories
from outlast.storage.records import Artifact, Param, Step, StepResult
from stored import SECOND, START, SUPERVISOR, Hands, plan_of, record_of

E, S = ExecutionStatus, StepStatus


def told_in_full() -> Record:
    """A record that says everything that one can say."""
    return record_of(
        E.FAILED,
        reason="2 of 40 checks failed",
        steps=(
            RecordedStep("load", "Load data", S.COMPLETED, START + SECOND, START + 2 * SECOND, {"rows": 3}, [1, "ü"]),
            RecordedStep("check", "Check", S.FAILED, START + 3 * SECOND, START + 9 * SECOND, None, None, "too many"),
            RecordedStep("publish", "Publish", S.SKIPPED),
        ),
        artifacts=(
            RecordedArtifact("report", "r.html", "s3://r", START + 9 * SECOND, "check", 12, "text/html", {"pages": 2}),
            RecordedArtifact("log", "l.txt", "/var/l.txt", START + 9 * SECOND),
        ),
        params={"rows": 3, "ratio": 0.5, "strict": True, "name": "ü", "tags": ["a"], "limits": {"a": None}},
        output={"failed": 2},
        agent="planner",
        customer="acme",
        labels={"team": "blue"},
        metadata={"region": "eu"},
        client={"name": "elsewhere"},
    )


@pytest.mark.requirement("S3-16")
def test_everything_that_is_told_is_read_back(hands: Hands) -> None:
    told = told_in_full()
    hands.now = START + 100 * SECOND
    number = hands.record(told)
    check_execution(hands.connection, number)
    found = reading.execution(hands.connection, number)
    for field in ("id", "workflow_id", "workflow_name", "workflow_type", "user", "trigger", "created_at", "agent"):
        assert getattr(found, field) == getattr(told, field), field
    for field in ("status", "customer", "labels", "metadata", "client"):
        assert getattr(found, field) == getattr(told, field), field
    assert (found.mode, found.recorded, found.log_lines, found.updated_at) == ("cloud-run", True, 0, hands.now)
    assert found.settled is not None
    assert (found.settled.reason, found.settled.exit_code) == ("2 of 40 checks failed", None)
    assert (found.settled.started_at, found.settled.ended_at) == (told.started_at, told.ended_at)
    assert found.settled.duration_us == 90 * SECOND
    assert found.steps == (
        Step(1, "load", "Load data", S.COMPLETED, 0, START + SECOND, START + 2 * SECOND, None, None),
        Step(2, "check", "Check", S.FAILED, 0, START + 3 * SECOND, START + 9 * SECOND, None, "too many"),
        Step(3, "publish", "Publish", S.SKIPPED, 0, None, None, None, None),
    )
    details = reading.details(hands.connection, number)
    assert details.params == (
        Param("limits", "object", {"a": None}, secret=False),
        Param("name", "string", "ü", secret=False),
        Param("ratio", "number", 0.5, secret=False),
        Param("rows", "integer", 3, secret=False),
        Param("strict", "boolean", True, secret=False),
        Param("tags", "list", ["a"], secret=False),
    )
    assert (details.plan, details.output) == (None, {"failed": 2})
    assert details.results == (
        StepResult("load", {"rows": 3}, [1, "ü"], None),
        StepResult("check", None, None, "too many"),
    )
    at = START + 9 * SECOND
    assert details.artifacts == (
        Artifact("report", "r.html", "check", None, "s3://r", None, 12, "text/html", {"pages": 2}, at),
        Artifact("log", "l.txt", None, None, "/var/l.txt", None, None, None, None, at),
    )
    assert hands.events(number) == ["recorded"]
    assert hands.read(examine).problems == ()


def test_recording_twice_adds_nothing_and_changes_nothing(hands: Hands) -> None:
    told = told_in_full()
    first = hands.write(lambda c: recording.record(c, hands.home, told, hands.tick()))
    before = list(hands.connection.iterdump())
    again = hands.write(
        lambda c: recording.record(c, hands.home, told._replace(output="other", user="eve"), hands.tick())
    )
    assert (first.already_existed, again) == (False, first._replace(already_existed=True))
    assert list(hands.connection.iterdump()) == before


def test_the_id_of_an_execution_of_ours_is_taken(hands: Hands) -> None:
    own = hands.create()
    with pytest.raises(Conflict, match="is no record") as caught:
        hands.record(record_of(id=own.id))
    assert (caught.value.code, caught.value.handle_id) == ("id_is_taken", own.id)


def test_the_same_steps_are_the_same_version(hands: Hands) -> None:
    for steps in (("a", "b"), ("a", "b"), ("a", "c")):
        hands.record(record_of(steps=tuple(RecordedStep(step, step, S.PENDING) for step in steps)))
    versions = [reading.execution(hands.connection, number).version for number in (1, 2, 3)]
    assert versions[0] == versions[1] != versions[2]
    assert isinstance(recording.known_version(record_of()), Version)


STEP = RecordedStep("run", "Run", S.RUNNING, START + SECOND)
DONE = RecordedStep("run", "Run", S.COMPLETED, START + SECOND, START + 2 * SECOND)
FILE = RecordedArtifact("report", "r", "s3://r", START)


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (record_of(id="142"), "id: '142' is no UUID"),
        (record_of(user=""), "user: must be 1 to 200 printable characters"),
        (record_of(agent="a\nb"), "agent: must be 1 to 200 printable characters"),
        (record_of(E.LOST, reason="x" * 2001), "reason: has 2,001 characters, more than 2,000"),
        (record_of(steps=(STEP,) * 101), "steps: there are 101, more than 100"),
        (record_of(steps=(STEP._replace(error="x" * 2001),)), r"steps\[0\].error: has 2,001 characters"),
        (record_of(started_at=None), "started_at: is missing: what is running has started"),
        (record_of(started_at=START - 1), "started_at: is before what came first"),
        (record_of(ended_at=START + 9 * SECOND), "ended_at: is there of what is not over"),
        (record_of(E.LOST, ended_at=None), "ended_at: is missing of what is over"),
        (record_of(E.LOST, ended_at=START), "ended_at: is before what came first"),
        (record_of(E.CANCELLED, reason=None), "reason: is missing: say why it is cancelled"),
        (record_of(E.COMPLETED, steps=(STEP,)), r"steps\[0\].status: is running, but the execution is over"),
        (record_of(E.COMPLETED, steps=(DONE._replace(status=S.FAILED),)), "is failed, but the execution completed"),
        (record_of(steps=(DONE, STEP)), "steps: two have the same id"),
        (record_of(steps=(DONE._replace(name=""),)), r"steps\[0\].name: must be 1 to 200 printable characters"),
        (record_of(steps=(DONE._replace(ended_at=None),)), r"steps\[0\].ended_at: is missing of what is over"),
        (record_of(steps=(DONE._replace(ended_at=START),)), r"steps\[0\].ended_at: is before what came first"),
        (record_of(steps=(STEP._replace(started_at=None),)), r"steps\[0\].started_at: is missing"),
        (record_of(steps=(STEP._replace(started_at=START),)), r"steps\[0\].started_at: is before what came first"),
        (
            record_of(artifacts=(FILE._replace(location=""),)),
            r"artifacts\[0\].location: must have 1 to 2,000 characters",
        ),
        (record_of(artifacts=(FILE, FILE._replace(step="x"))), r"artifacts\[1\].step: 'x' is none of its steps"),
        (record_of(artifacts=(FILE._replace(size=-1),)), r"artifacts\[0\].size: is negative"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(hands: Hands, told: Record, problem: str) -> None:
    with pytest.raises(InvalidInput, match=f"{problem}.*; nothing was recorded"):
        hands.record(told)
    assert hands.statuses() == {}


@pytest.mark.parametrize("status", E)
def test_every_status_can_be_recorded(hands: Hands, status: ExecutionStatus) -> None:
    assert reading.execution(hands.connection, hands.record(record_of(status))).status is status


def test_a_record_takes_no_slot_and_no_place_in_the_queue(hands: Hands) -> None:
    hands.limit(1)
    hands.record(record_of(E.RUNNING))
    hands.record(record_of(E.PENDING))
    own = hands.create()
    assert [claim.number for claim in own.claimed] == [own.number]
    hands.begin(own.number)
    assert hands.settle(own.number) == []
    assert claims.next_in_queue(hands.connection) == []
    assert claims.why_waiting(hands.connection, [1, 2]) == {}


def test_nothing_looks_after_a_record(hands: Hands) -> None:
    told = hands.record(record_of(E.RUNNING))
    over = hands.record(record_of(E.COMPLETED))
    hands.write(lambda c: c.execute("UPDATE executions SET log_lines = NULL"))
    assert reading.live(hands.connection) == ()
    assert reading.live_row(hands.connection, told) is None
    assert reading.unsealed(hands.connection) == []
    assert reading.libraries_in_use(hands.connection) == set()
    assert {told, over} == set(hands.statuses())


def test_no_supervisor_takes_a_record_over(hands: Hands) -> None:
    told = record_of(E.RUNNING)
    number = hands.record(told)
    assert hands.read(lambda c: supervision.look(c, told.id)) is None
    row = hands.row(number)
    # Even with an execution of ours in its place.
    seen = hands.look(hands.create().number)._replace(number=number, status=E.RUNNING)
    assert hands.write(lambda c: supervision.adopt(c, seen, SUPERVISOR, hands.moment())) is None
    assert hands.row(number) == row


def test_restoring_does_not_lose_a_record(hands: Hands) -> None:
    hands.record(record_of(E.RUNNING))
    lost, reinserted = hands.write(lambda c: reconcile_directories(c, hands.home, hands.tick()))
    assert (lost, reinserted) == ([], [])
    assert hands.statuses() == {1: "running"}


def test_a_record_says_nothing_of_how_long_a_workflow_takes_here(hands: Hands) -> None:
    hands.record(record_of(E.COMPLETED))
    assert history.outcomes(hands.connection, "report") == []
    hands.run()
    assert len(history.outcomes(hands.connection, "report")) == 1


@pytest.mark.parametrize("status", [E.PENDING, E.RUNNING, E.WAITING])
def test_a_record_is_cancelled_where_it_runs(hands: Hands, status: ExecutionStatus) -> None:
    told = record_of(status)
    number = hands.record(told)
    with pytest.raises(Conflict, match="only recorded here") as caught:
        hands.write(lambda c: executions.cancel(c, number, "ada", hands.tick()))
    error = caught.value
    assert (error.code, error.next, error.handle_id) == ("recorded_elsewhere", "cancel it where it runs", told.id)
    over = hands.record(record_of(E.COMPLETED))
    assert not hands.write(lambda c: executions.cancel(c, over, "ada", hands.tick())).requested


@pytest.mark.parametrize("status", [E.RUNNING, E.COMPLETED])
def test_a_record_can_be_deleted_at_any_time(hands: Hands, status: ExecutionStatus) -> None:
    kept = hands.create().number
    told = told_in_full() if status.terminal else record_of(status)
    number = hands.record(told)
    assert hands.write(lambda c: executions.delete(c, number)) == told.id
    assert set(hands.statuses()) == {kept}
    assert hands.rows("SELECT count(*) FROM artifacts") == [(0,)]


DAMAGE: list[Callable[[int], str]] = [
    lambda number: f"DELETE FROM params WHERE execution = {number} AND name = 'rows'",
    lambda number: f"UPDATE payloads SET output = '7' WHERE execution = {number}",
]


@pytest.mark.parametrize("statement", DAMAGE)
def test_damage_to_a_record_is_noticed(hands: Hands, statement: Callable[[int], str]) -> None:
    number = hands.record(told_in_full())
    hands.write(lambda c: c.execute(statement(number)))
    with pytest.raises(StoreDamaged):
        reading.details(hands.connection, number)


def test_a_record_has_nothing_to_run(hands: Hands) -> None:
    told = record_of()
    number = hands.record(told)
    hands.create(plan_of(at=hands.tick()))
    assert hands.rows("SELECT plan FROM payloads WHERE execution = ?", number) == [(None,)]
    assert hands.rows("SELECT count(*) FROM attempts WHERE execution = ?", number) == [(0,)]
    assert parse_id(told.id) in {raw for (raw,) in hands.rows("SELECT id FROM executions")}
