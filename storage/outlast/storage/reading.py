"""Queries for one execution, and for what is live. Each function runs on a connection's thread."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from outlast.kernel import claims
from outlast.kernel.checksums import check_execution, crc, damaged
from outlast.kernel.executions import not_found
from outlast.kernel.ids import format_id, is_id, parse_handle, parse_id
from outlast.kernel.permalinks import handle_of
from outlast.kernel.plan import decode_plan
from outlast.kernel.process import ProcessId
from outlast.kernel.queries import load
from outlast.kernel.recording import request_hash
from outlast.kernel.states import Parked, Pending, Running, Settled, State
from outlast.kernel.status import ExecutionStatus, StepStatus
from outlast.storage.records import Approval, Artifact, Details, Ended, Execution, LiveRow, Param, Step, StepResult

SQL = load("reading")
KNOWN = frozenset(ExecutionStatus)


def number_of(connection: sqlite3.Connection, handle: str | int) -> int:
    """The number that a handle (UUID, 142, "142", "#142") names, also with lines behind it. NotFound where there is no
    such execution."""
    parsed = parse_handle(handle_of(handle))
    row = None
    if isinstance(parsed, int):
        row = connection.execute(SQL["exists"], (parsed,)).fetchone() and (parsed,)
    elif parsed is not None:
        row = connection.execute(SQL["number_of"], (parsed,)).fetchone()
    if row is None:
        raise not_found(handle)
    return row[0]


def knows(connection: sqlite3.Connection, execution_id: str) -> bool:
    """Whether there is an execution with this id."""
    return connection.execute(SQL["number_of"], (parse_id(execution_id),)).fetchone() is not None


def execution(connection: sqlite3.Connection, number: int) -> Execution:
    """One execution with its steps. NotFound; StoreDamaged where the row is not what was written."""
    # First: a damaged row may have nothing to be joined with.
    check_execution(connection, number)
    row = rows(connection).execute(SQL["by_number"], (number,)).fetchone()
    if row is None:
        raise not_found(number)
    return Execution(
        number=number,
        id=format_id(row["id"]),
        workflow_id=row["workflow_id"],
        workflow_name=row["workflow_name"],
        workflow_type=row["workflow_type"],
        version=row["version_hash"],
        marked_events=row["events"] == "markers",
        state=state_of(connection, row),
        user=row["user_name"],
        agent=row["agent_name"],
        customer=row["customer_name"],
        mode=row["mode"],
        trigger=row["trigger"],
        client=_decoded(row["client"]),
        labels=_decoded(row["labels"]),
        metadata=_decoded(row["metadata"]),
        binary_path=row["binary_path"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        cancel_requested_by=row["cancel_requested_by"],
        parked_us=row["parked_us"],
        compensation=row["compensation"],
        retry_of=row["retry_of"],
        rollback_of=row["rollback_of"],
        log_lines=row["log_lines"],
        supervisor=supervisor_of(row),
        steps=steps(connection, number),
        approvals=approvals(connection, number),
        pinned=bool(row["pinned"]),
        log_removed_at=row["log_removed_at"],
    )


def rows(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """A cursor whose rows know their columns' names."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor


def state_of(connection: sqlite3.Connection, row: sqlite3.Row) -> State:
    status = ExecutionStatus(row["status"])
    if status.terminal:
        return Settled(
            status=status,
            reason=row["reason"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            duration_us=row["duration_us"],
            exit_code=row["exit_code"],
            signal=row["signal"],
            signal_certain=None if row["signal_certain"] is None else bool(row["signal_certain"]),
        )
    if status is ExecutionStatus.PENDING:
        return Pending(row["claimed_at"], claims.why_waiting(connection, [row["number"]]).get(row["number"]))
    if status in (ExecutionStatus.WAITING, ExecutionStatus.PAUSED):
        return Parked(row["started_at"], paused=status is ExecutionStatus.PAUSED)
    return Running(row["started_at"], row["epoch"], rolling_back=status is ExecutionStatus.ROLLING_BACK)


def supervisor_of(row: sqlite3.Row) -> ProcessId | None:
    if row["supervisor_pid"] is None:
        return None
    return ProcessId(row["supervisor_pid"], row["supervisor_start"], row["supervisor_boot"])


def steps(connection: sqlite3.Connection, number: int) -> tuple[Step, ...]:
    """An execution's steps in order."""
    found: list[Step] = []
    for no, step_id, name, status, attempt, started_at, ended_at, exit_code, error in connection.execute(
        SQL["steps"], (number,)
    ):
        found.append(Step(no, step_id, name, StepStatus(status), attempt, started_at, ended_at, exit_code, error))
    return tuple(found)


def approvals(connection: sqlite3.Connection, number: int) -> tuple[Approval, ...]:
    """An execution's gates, the earliest first."""
    return tuple(Approval(*row) for row in connection.execute(SQL["approvals"], (number,)))


def artifacts(connection: sqlite3.Connection, number: int) -> tuple[Artifact, ...]:
    """What an execution made, the earliest first."""
    return tuple(
        Artifact(kind, name, step, attempt, location, sha256, size, content_type, _decoded(metadata), created_at)
        for kind, name, step, attempt, location, sha256, size, content_type, metadata, created_at in connection.execute(
            SQL["artifacts"], (number,)
        )
    )


def results(connection: sqlite3.Connection, number: int) -> tuple[StepResult, ...]:
    """What went into an execution's steps and came out of them, of those that have any of it."""
    return tuple(
        StepResult(step_id, _decoded(given), _decoded(output), error)
        for step_id, given, output, error in connection.execute(SQL["results"], (number,))
    )


def details(connection: sqlite3.Connection, number: int) -> Details:
    """What only a full report shows. StoreDamaged where a parameter or the payload is not what was written."""
    params: list[Param] = []
    for name, kind, value, secret, checksum in connection.execute(SQL["params"], (number,)):
        if crc(number, name, kind, value, secret) != checksum:
            raise damaged(number, f"parameter {name!r}")
        params.append(Param(name, kind, json.loads(value), bool(secret)))
    row = connection.execute(SQL["payload"], (number,)).fetchone()
    if row is None:
        raise damaged(number, "its payload")
    plan, output, leftovers, checksum, definition, source, late_bytes, masked, workflow_id, request = row
    if crc(plan, output, leftovers) != checksum:
        raise damaged(number, "its payload")
    whole = (
        request_hash(workflow_id, {param.name: param.value for param in params}) == request
        if plan is None
        else json.loads(plan)["params"].keys() == {param.name for param in params}
    )
    if not whole:
        raise damaged(number, "a parameter")  # its key: the row is another execution's, or nobody's
    (problem,) = connection.execute(SQL["output_problem"], (number,)).fetchone() or (None,)
    return Details(
        params=tuple(params),
        plan=plan,
        output=_decoded(output),
        output_problem=problem,
        results=results(connection, number),
        artifacts=artifacts(connection, number),
        leftovers=_decoded(leftovers) or [],
        definition=definition,
        source=source,
        late_bytes=late_bytes,
        log_masked=masked,
    )


def plan(connection: sqlite3.Connection, number: int) -> bytes:
    """The bytes of an execution's plan. NotFound where there is none to be run, also of what is only recorded;
    StoreDamaged where they are not what was written."""
    row = connection.execute(SQL["plan"], (number,)).fetchone()
    if row is None:
        raise not_found(number)
    *payload, checksum = row
    if crc(*payload) != checksum:
        raise damaged(number, "its payload")
    return payload[0]


def live(connection: sqlite3.Connection) -> tuple[LiveRow, ...]:
    """Every execution that is not over. A row whose status is no word any more is damaged: nobody may act on it."""
    return tuple(live_row_of(row) for row in rows(connection).execute(SQL["live"]) if row["status"] in KNOWN)


def live_row(connection: sqlite3.Connection, number: int) -> LiveRow | None:
    """One execution that is not over; None when it is, or is not there."""
    row = rows(connection).execute(SQL["live_row"], (number,)).fetchone()
    return None if row is None or row["status"] not in KNOWN else live_row_of(row)


def live_row_of(row: sqlite3.Row) -> LiveRow:
    return LiveRow(
        number=row["number"],
        id=format_id(row["id"]),
        status=ExecutionStatus(row["status"]),
        claimed_at=row["claimed_at"],
        cancel_requested_at=row["cancel_requested_at"],
        stopping=row["stopping_at"] is not None,
        supervisor=supervisor_of(row),
    )


def unsealed(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """Number and id of the settled executions whose output is still in their run directories."""
    return [(number, format_id(raw_id)) for number, raw_id in connection.execute(SQL["unsealed"])]


def finished(connection: sqlite3.Connection, execution_ids: list[str]) -> list[str]:
    """Those of the given ids whose executions are over and sealed completely."""
    return [i for i in execution_ids if is_id(i) and connection.execute(SQL["finished"], (parse_id(i),)).fetchone()]


def ended(connection: sqlite3.Connection, execution_ids: Iterable[str]) -> dict[str, Ended]:
    """Of the given ids those whose executions are over."""
    found: dict[str, Ended] = {}
    for each in execution_ids:
        row = connection.execute(SQL["ended"], (parse_id(each),)).fetchone()
        if row is not None and row[1] in KNOWN:
            found[each] = Ended(row[0], ExecutionStatus(row[1]), row[2])
    return found


def libraries_in_use(connection: sqlite3.Connection) -> set[str]:
    """The libraries that live plans name."""
    used: set[str] = set()
    for (data,) in connection.execute(SQL["live_plans"]):
        try:
            used.add(decode_plan(data).library)
        except ValueError:
            continue  # damaged: whoever takes it over cannot read it either
    return used


def max_running(connection: sqlite3.Connection) -> int:
    """How many executions may hold a slot at once."""
    return int(connection.execute(SQL["meta"], ("max_running",)).fetchone()[0])


def store_id(connection: sqlite3.Connection) -> str:
    return connection.execute(SQL["meta"], ("store_id",)).fetchone()[0]


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
