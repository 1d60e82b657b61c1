"""What a supervisor writes: taking an execution over, its child, its end. Every write compares status and epoch."""

import json
import sqlite3
from typing import NamedTuple

from outlast.kernel import claims, events, texts
from outlast.kernel.checksums import crc, stamped
from outlast.kernel.clock import Moment, elapsed
from outlast.kernel.ids import parse_id
from outlast.kernel.plan import Json
from outlast.kernel.process import ProcessId
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus, check_move

SQL = load("supervision")


class Seen(NamedTuple):
    """An execution as its supervisor finds it."""

    number: int
    status: ExecutionStatus
    epoch: int
    claimed: bool
    cancel_requested_by: str | None
    stopping: bool
    """An earlier supervisor had begun to stop it: for the cancel request, or else because its time was up."""
    started: Moment | None
    parked_us: int
    attempted_boot: str | None
    """The boot in which its attempt was recorded; None where none was."""
    child_recorded: bool
    """Whether a process of its attempt was recorded, which was started after its files were made."""
    payload: "Payload"


class Payload(NamedTuple):
    """The plan as the store holds it, with what its checksum also covers."""

    plan: bytes
    output: str | None
    leftovers: str | None
    crc: int

    def sound(self) -> bool:
        """Whether it is what was written."""
        return crc(self.plan, self.output, self.leftovers) == self.crc

    def with_plan(self, plan: bytes) -> "Payload":
        """The same with another copy of the plan, to see whether that is the sound one."""
        return self._replace(plan=plan)


class Outcome(NamedTuple):
    """How an attempt, its step and the execution ended."""

    status: ExecutionStatus
    reason: str
    """The first cause, for people."""
    exit_code: int | None = None
    signal: int | None = None
    signal_certain: bool | None = None


class Ending(NamedTuple):
    """What is recorded beside the outcome."""

    output: dict[str, Json] | None = None
    output_problem: str | None = None
    """What the child left instead of an output: `not a JSON object` …"""
    leftovers: list[dict[str, Json]] | None = None
    """Processes still alive after a normal exit: pid and command."""


def look(connection: sqlite3.Connection, execution_id: str) -> Seen | None:
    """The execution's row; None when it is gone (deleted, or the database was restored from a backup)."""
    row = connection.execute(SQL["look"], (parse_id(execution_id),)).fetchone()
    if row is None:
        return None
    (
        number,
        status,
        epoch,
        claimed_at,
        by,
        stopping_at,
        started_at,
        boottime,
        boot_id,
        parked,
        attempted,
        pid,
        *payload,
    ) = row
    started = None if started_at is None else Moment(started_at, boottime, boot_id)
    return Seen(
        number,
        ExecutionStatus(status),
        epoch,
        claimed_at is not None,
        by,
        stopping_at is not None,
        started,
        parked,
        attempted,
        pid is not None,
        Payload(*payload),
    )


def begin(connection: sqlite3.Connection, seen: Seen, supervisor: ProcessId, moment: Moment) -> int | None:
    """pending → running, with a new epoch. None when somebody else moved it: then nothing may be started."""
    check_move(seen.status, ExecutionStatus.RUNNING)
    with stamped(connection, seen.number):
        changed = connection.execute(
            SQL["begin"],
            {
                "number": seen.number,
                "epoch": seen.epoch,
                "now": moment.now,
                "boottime": moment.boottime,
                "boot_id": moment.boot_id,
                "pid": supervisor.pid,
                "pid_start": supervisor.start,
                "pid_boot": supervisor.boot_id,
            },
        ).rowcount
        if not changed:
            return None
        events.record(connection, seen.number, moment.now, "started")
    return seen.epoch + 1


def adopt(connection: sqlite3.Connection, seen: Seen, supervisor: ProcessId, moment: Moment) -> int | None:
    """Take over an execution whose supervisor died. None when somebody else did, or it is over."""
    with stamped(connection, seen.number):
        changed = connection.execute(
            SQL["adopt"],
            {
                "number": seen.number,
                "epoch": seen.epoch,
                "now": moment.now,
                "pid": supervisor.pid,
                "pid_start": supervisor.start,
                "pid_boot": supervisor.boot_id,
            },
        ).rowcount
        if not changed:
            return None
        events.record(connection, seen.number, moment.now, "adopted", data={"epoch": seen.epoch + 1})
    return seen.epoch + 1


def start_attempt(
    connection: sqlite3.Connection, number: int, epoch: int, step_no: int, attempt: int, now: int
) -> bool:
    """Record that an attempt is about to start; False when this supervisor is no longer the one."""
    if not current(connection, number, epoch):
        return False
    connection.execute(SQL["start_step"], {"number": number, "no": step_no, "attempt": attempt, "now": now})
    if connection.execute(SQL["start_attempt"], (number, step_no, attempt, now)).rowcount:
        events.record(connection, number, now, "step_started", step_no=step_no, attempt=attempt)
    return True


def record_child(
    connection: sqlite3.Connection, number: int, epoch: int, step_no: int, attempt: int, child: ProcessId
) -> bool:
    """Record the process of an attempt."""
    if not current(connection, number, epoch):
        return False
    connection.execute(SQL["record_child"], (child.pid, child.start, child.boot_id, number, step_no, attempt))
    return True


def settle(
    connection: sqlite3.Connection, seen: Seen, epoch: int, outcome: Outcome, ending: Ending, moment: Moment
) -> list[claims.Claim] | None:
    """Give an execution its terminal status, once, and its slot to the next. None: not this supervisor's to say.

    Also settles its attempt and its step. Returns what now holds a slot and needs a supervisor.
    """
    row = connection.execute(SQL["for_settling"], (seen.number, epoch)).fetchone()
    if row is None:
        return None
    status, started_at, boottime, boot_id, created_at = row
    check_move(ExecutionStatus(status), outcome.status)
    begun = started_at if started_at is not None else created_at
    # The wall clock may have been set back; an end before the start would be a lie of another kind.
    ended_at = max(moment.now, begun)
    duration = 0 if started_at is None else elapsed(Moment(started_at, boottime, boot_id), moment)
    facts = {
        "number": seen.number,
        "status": outcome.status,
        "now": ended_at,
        "duration": duration,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "signal_certain": outcome.signal_certain,
        "reason": outcome.reason,
    }
    with stamped(connection, seen.number):
        connection.execute(SQL["settle_attempts"], facts)
        output = None if ending.output is None else json.dumps(ending.output, ensure_ascii=False)
        error = None if outcome.status is ExecutionStatus.COMPLETED else outcome.reason
        connection.execute(SQL["settle_steps"], facts | {"output": output, "error": error})
        connection.execute(SQL["cancel_pending_steps"], facts)
        connection.execute(SQL["settle"], facts)
        texts.settled(connection, seen.number, outcome.status)
        leftovers = None if not ending.leftovers else json.dumps(ending.leftovers, ensure_ascii=False)
        # Where no sound copy of the plan was found, its checksum stays as wrong as it was.
        payload = Payload(seen.payload.plan, output, leftovers, seen.payload.crc)
        if seen.payload.sound():
            payload = payload._replace(crc=crc(*payload[:3]))
        connection.execute(SQL["settle_payload"], {"number": seen.number, **payload._asdict()})
        data: dict[str, Json] = {"reason": outcome.reason}
        if ending.output_problem is not None:
            data["output_problem"] = ending.output_problem
        events.record(connection, seen.number, moment.now, outcome.status, data=data)
    return claims.claim_next(connection, moment.now)


def current(connection: sqlite3.Connection, number: int, epoch: int) -> bool:
    """Whether this epoch's supervisor is still the one that may write."""
    return connection.execute(SQL["current"], (number, epoch)).fetchone() is not None


def start_stopping(connection: sqlite3.Connection, number: int, epoch: int, now: int) -> None:
    """Say that a request to stop has been seen, so that nobody takes this supervisor for a mute one."""
    with stamped(connection, number):
        if connection.execute(SQL["stopping"], {"number": number, "epoch": epoch, "now": now}).rowcount:
            events.record(connection, number, now, "stopping")


class Request(NamedTuple):
    """What others want of a running supervisor."""

    cancel_by: str | None
    current: bool
    """False when another epoch has taken over, or the execution is over: this supervisor has nothing more to say."""


def request(connection: sqlite3.Connection, number: int, epoch: int) -> Request | None:
    """What has been asked; None when the row is gone."""
    row = connection.execute(SQL["request"], (epoch, number)).fetchone()
    return None if row is None else Request(row[0], bool(row[1]))
