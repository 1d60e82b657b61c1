"""What supervisors write: one takes over, one has the last word, and that stays for ever."""

import json
import sqlite3

import pytest

from outlast.kernel import executions, supervision
from outlast.kernel.errors import NotFound
from outlast.kernel.home import Home
from outlast.kernel.process import ProcessId
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Ending, Outcome
from outlast.storage import reading
from stored import COMPLETED, FAILED, SECOND, SUPERVISOR, Hands, hands_on, plan_of, processes

ADOPTER = ProcessId(4343, 88, "this boot")


def adopt(hands: Hands, seen: supervision.Seen) -> int | None:
    return hands.write(lambda c: supervision.adopt(c, seen, ADOPTER, hands.moment()))


def cancel(hands: Hands, number: int, by: str = "ada") -> executions.Cancelled:
    return hands.write(lambda c: executions.cancel(c, number, by, hands.tick()))


def test_taking_over_a_claim_is_written_whole(hands: Hands) -> None:
    created = hands.create()
    seen = hands.look(1)
    assert seen == (1, ExecutionStatus.PENDING, 0, True, None, False, None, 0, None, False, seen.payload)
    assert seen.payload.sound()
    assert json.loads(seen.payload.plan)["id"] == created.id
    assert hands.begin(1) == 1
    row = hands.row(1)
    assert (row["status"], row["epoch"], row["started_at"]) == ("running", 1, hands.now)
    assert (row["boot_id"], row["started_boottime"]) == ("this boot", hands.moment().boottime)
    assert (row["supervisor_pid"], row["supervisor_start"], row["supervisor_boot"]) == SUPERVISOR
    assert hands.rows("SELECT status, attempt, started_at FROM steps") == [("running", 1, hands.now)]
    assert hands.rows("SELECT status, started_at, pid FROM attempts") == [("running", hands.now, None)]
    assert hands.look(1).started == hands.moment()
    child = ProcessId(99, 5, "this boot")
    assert hands.write(lambda c: supervision.record_child(c, 1, 1, 1, 1, child))
    assert hands.rows("SELECT pid, pid_start, pid_boot FROM attempts") == [tuple(child)]
    assert hands.look(1).child_recorded


def test_of_two_supervisors_one_begins(home: Home) -> None:
    code = """
from outlast.kernel import supervision
from outlast.kernel.process import ProcessId
from stored import Hands
hands = Hands(home)
seen = hands.look(1)
say("ready")
hear()
say(hands.write(lambda c: supervision.begin(c, seen, ProcessId(os.getpid(), 1, "b"), hands.moment())))
hands.close()
"""
    with hands_on(home) as hands:
        hands.create()
        with processes(code, 3) as supervisors:
            for process in supervisors:
                assert process.says() == "ready"
            for process in supervisors:
                process.hears()
            said = {process.pid: process.ends() for process in supervisors}
        (winner,) = [pid for pid, lines in said.items() if lines == ["1"]]
        assert sorted(said.values()) == [["1"], ["None"], ["None"]]
        assert hands.row(1)["supervisor_pid"] == winner
        assert hands.events(1) == ["created", "started"]


def test_what_nobody_claimed_cannot_be_begun(hands: Hands) -> None:
    waiting = hands.queue().number
    seen = hands.look(waiting)
    assert not seen.claimed
    assert hands.write(lambda c: supervision.begin(c, seen, SUPERVISOR, hands.moment())) is None
    assert hands.statuses()[waiting] == "pending"


def test_a_supervisor_that_was_replaced_may_write_nothing_more(hands: Hands) -> None:
    hands.create()
    old = hands.begin(1)
    started = hands.now
    seen = hands.look(1)
    hands.tick()
    assert adopt(hands, seen) == old + 1
    assert adopt(hands, seen) is None, "who saw the old epoch comes too late"
    before = hands.row(1)
    assert not hands.write(lambda c: supervision.start_attempt(c, 1, old, 1, 2, hands.tick()))
    assert not hands.write(lambda c: supervision.record_child(c, 1, old, 1, 1, ADOPTER))
    hands.write(lambda c: supervision.start_stopping(c, 1, old, hands.tick()))
    assert hands.settle(1, epoch=old) is None
    assert hands.row(1) == before
    assert hands.rows("SELECT status, pid FROM attempts") == [("running", None)]
    assert hands.read(lambda c: supervision.request(c, 1, old)) == (None, False)
    assert hands.read(lambda c: supervision.request(c, 1, old + 1)) == (None, True)
    assert hands.events(1) == ["created", "started", "step_started", "adopted"]
    assert before["supervisor_pid"] == ADOPTER.pid
    assert before["started_at"] == started
    assert hands.settle(1, epoch=old + 1) == []


def test_only_what_runs_is_adopted(hands: Hands) -> None:
    hands.create()
    assert adopt(hands, hands.look(1)) is None
    hands.begin(1)
    hands.settle(1)
    assert adopt(hands, hands.look(1)) is None
    assert hands.row(1)["epoch"] == 1


@pytest.mark.requirement("S3-1")
@pytest.mark.requirement("S0-1")
def test_the_end_of_an_execution_is_written_whole(hands: Hands) -> None:
    number = hands.create(plan_of(steps=("build", "test"))).number
    hands.begin(number)
    ending = Ending({"rows": 3, "ü": [None]}, "the output was cut", [{"pid": 7, "command": "sleep 9"}])
    hands.tick(4)
    assert hands.settle(number, Outcome(ExecutionStatus.FAILED, "signal 9", 137, 9, False), ending) == []
    row = hands.row(number)
    assert (row["status"], row["reason"], row["exit_code"], row["signal"], row["signal_certain"]) == (
        "failed",
        "signal 9",
        137,
        9,
        0,
    )
    assert (row["ended_at"], row["updated_at"], row["duration_us"]) == (hands.now, hands.now, 5 * SECOND)
    assert hands.rows("SELECT status, exit_code, signal, signal_certain, reason, ended_at FROM attempts") == [
        ("failed", 137, 9, 0, "signal 9", hands.now)
    ]
    assert hands.rows("SELECT status, error, ended_at FROM steps ORDER BY no") == [
        ("failed", "signal 9", hands.now),
        ("cancelled", None, hands.now),
    ]
    details = reading.details(hands.connection, number)
    assert details.output == {"rows": 3, "ü": [None]}
    assert details.leftovers == [{"pid": 7, "command": "sleep 9"}]
    assert hands.events(number) == ["created", "started", "step_started", "failed"]
    ((data,),) = hands.rows("SELECT data FROM events WHERE kind = 'failed'")
    assert json.loads(str(data)) == {"reason": "signal 9", "output_problem": "the output was cut"}
    settled = reading.execution(hands.connection, number).settled
    assert settled is not None
    assert (settled.signal_certain, settled.duration_us) == (False, 5 * SECOND)


@pytest.mark.requirement("S1-1")
@pytest.mark.parametrize(
    "outcome",
    [
        COMPLETED,
        FAILED,
        Outcome(ExecutionStatus.CANCELLED, "cancelled by ada"),
        Outcome(ExecutionStatus.TIMEOUT, "over its 2 s"),
        Outcome(ExecutionStatus.LOST, "the host restarted"),
    ],
    ids=lambda outcome: str(outcome.status),
)
def test_the_last_word_is_said_once_and_stays(hands: Hands, outcome: Outcome) -> None:
    hands.create()
    epoch = hands.begin(1)
    assert hands.settle(1, outcome) == []
    row = hands.row(1)
    assert (row["status"], row["reason"]) == (outcome.status, outcome.reason)
    for other in (COMPLETED, FAILED, outcome):
        assert hands.settle(1, other, epoch=epoch) is None
    assert not hands.write(lambda c: supervision.start_attempt(c, 1, epoch, 1, 2, hands.tick()))
    assert cancel(hands, 1) == (1, outcome.status, False)
    assert adopt(hands, hands.look(1)) is None
    hands.write(lambda c: supervision.start_stopping(c, 1, epoch, hands.tick()))
    assert hands.row(1) == row
    assert hands.events(1)[-1] == outcome.status
    assert hands.events(1).count(outcome.status) == 1


@pytest.mark.parametrize(
    "column", ["status = 'running', ended_at = NULL", "status = 'failed'", "reason = 'x'", "exit_code = 1"]
)
def test_a_settled_execution_cannot_be_changed_past_the_rules_either(hands: Hands, column: str) -> None:
    hands.run()
    row = hands.row(1)
    with pytest.raises(sqlite3.IntegrityError, match="a settled execution never changes"):
        hands.write(lambda c: c.execute(f"UPDATE executions SET {column} WHERE number = 1"))
    with pytest.raises(sqlite3.IntegrityError):
        hands.write(lambda c: c.execute(f"UPDATE OR IGNORE executions SET {column} WHERE number = 1"))
    assert hands.row(1) == row


def test_a_move_that_is_none_is_refused(hands: Hands) -> None:
    hands.create()
    with pytest.raises(ValueError, match="cannot go from pending to completed"):
        hands.settle(1)
    with pytest.raises(ValueError, match="cannot go from pending to timeout"):
        hands.settle(1, Outcome(ExecutionStatus.TIMEOUT, "x"))
    hands.begin(1)
    seen = hands.look(1)
    with pytest.raises(ValueError, match="cannot go from running to running"):
        hands.write(lambda c: supervision.begin(c, seen, SUPERVISOR, hands.moment()))
    assert hands.statuses() == {1: "running"}


def test_a_supervisor_may_say_that_nothing_was_started(hands: Hands) -> None:
    hands.create()
    assert hands.settle(1, Outcome(ExecutionStatus.FAILED, "no such program")) == []
    row = hands.row(1)
    assert (row["status"], row["started_at"], row["duration_us"]) == ("failed", None, 0)
    assert hands.rows("SELECT status FROM steps") == [("cancelled",)]


def test_completed_is_only_said_with_an_exit_code_of_0(hands: Hands) -> None:
    hands.create()
    hands.begin(1)
    for code in (None, 3):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            hands.settle(1, Outcome(ExecutionStatus.COMPLETED, "?", exit_code=code))
    assert hands.statuses() == {1: "running"}


def test_an_end_is_never_before_its_start_and_a_duration_never_negative(hands: Hands) -> None:
    hands.create()
    hands.begin(1)
    seen = hands.look(1)
    back = hands.moment()._replace(now=hands.now - 100 * SECOND, boottime=hands.moment().boottime + 7)
    assert hands.write(lambda c: supervision.settle(c, seen, 1, COMPLETED, Ending(), back)) == []
    row = hands.row(1)
    assert (row["ended_at"], row["duration_us"]) == (row["started_at"], 7)


def test_after_another_boot_the_wall_clock_tells_the_duration(hands: Hands) -> None:
    hands.create()
    hands.begin(1)
    seen = hands.look(1)
    later = hands.moment()._replace(now=hands.now + 60 * SECOND, boottime=1, boot_id="next boot")
    hands.write(lambda c: supervision.settle(c, seen, 1, FAILED, Ending(), later))
    assert hands.row(1)["duration_us"] == 60 * SECOND


def test_what_nobody_has_claimed_is_cancelled_at_once(hands: Hands) -> None:
    number = hands.queue().number
    assert cancel(hands, number, "bob") == (number, ExecutionStatus.CANCELLED, False)
    row = hands.row(number)
    assert (row["status"], row["reason"]) == ("cancelled", "cancelled by bob before it started")
    assert (row["ended_at"], row["cancel_requested_at"], row["cancel_requested_by"]) == (hands.now, hands.now, "bob")
    steps = hands.rows("SELECT status, ended_at FROM steps WHERE execution = ?", number)
    assert steps == [("cancelled", hands.now)] * 2
    assert hands.events(number) == ["created", "cancelled"]


def test_what_a_supervisor_has_is_asked_to_end_once(hands: Hands) -> None:
    for begun in (False, True):
        number = hands.create().number
        if begun:
            hands.begin(number)
        status = ExecutionStatus.RUNNING if begun else ExecutionStatus.PENDING
        assert cancel(hands, number, "bob") == (number, status, True)
        at = hands.now
        assert cancel(hands, number, "eve") == (number, status, True)
        row = hands.row(number)
        assert (row["status"], row["cancel_requested_at"], row["cancel_requested_by"]) == (status, at, "bob")
        assert hands.events(number).count("cancel_requested") == 1
    epoch = hands.look(2).epoch
    assert hands.read(lambda c: supervision.request(c, 2, epoch)) == ("bob", True)
    assert not hands.look(2).stopping
    hands.write(lambda c: supervision.start_stopping(c, 2, epoch, hands.tick()))
    assert hands.look(2).stopping
    assert hands.row(2)["stopping_at"] == hands.now
    # Whoever adopts it goes on with the stopping, and has its own time for it.
    hands.tick()
    adopt(hands, hands.look(2))
    assert hands.look(2).stopping
    assert hands.row(2)["stopping_at"] == hands.now
    assert hands.look(2).cancel_requested_by == "bob"


def test_there_is_nothing_to_cancel_or_delete_where_nothing_is(hands: Hands) -> None:
    with pytest.raises(NotFound):
        cancel(hands, 7)
    with pytest.raises(NotFound):
        hands.write(lambda c: executions.delete(c, 7))
    assert hands.read(lambda c: supervision.look(c, "01234567-89ab-7def-8123-456789abcdef")) is None
    assert hands.read(lambda c: supervision.request(c, 7, 1)) is None


def test_what_can_be_lost_is_lost_with_its_steps(hands: Hands) -> None:
    hands.create(plan_of(steps=("a", "b")))
    hands.begin(1)
    hands.write(lambda c: executions.lose(c, 1, "its directory is gone", hands.tick()))
    row = hands.row(1)
    assert (row["status"], row["reason"], row["ended_at"], row["duration_us"]) == (
        "lost",
        "its directory is gone",
        hands.now,
        SECOND,
    )
    assert hands.rows("SELECT status, reason FROM attempts") == [("lost", "its directory is gone")]
    assert hands.rows("SELECT status FROM steps ORDER BY no") == [("lost",), ("cancelled",)]
    assert reading.execution(hands.connection, 1).status is ExecutionStatus.LOST
