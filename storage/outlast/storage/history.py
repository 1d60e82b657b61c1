"""Listings of executions: filters, pages by cursor or offset, true totals."""

import sqlite3
from dataclasses import dataclass, replace

from outlast.kernel import claims
from outlast.kernel.checksums import check_execution
from outlast.kernel.errors import InvalidInput, StoreDamaged
from outlast.kernel.ids import format_id
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus
from outlast.storage.records import Page, Summary

SQL = load("history")

MAX_LIMIT = 500
KNOWN = frozenset(ExecutionStatus)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listing shows. Everything that is given must hold."""

    workflow_id: str | None = None
    status: ExecutionStatus | None = None
    user: str | None = None
    agent: str | None = None
    customer: str | None = None
    mode: str | None = None
    label: tuple[str, str] | None = None
    active: bool | None = None
    """True: not over yet; False: over."""
    since: int | None = None
    """Created at or after, µs."""
    until: int | None = None
    """Created before, µs."""


NAMED = {"workflow_id": "workflow", "user": "user", "agent": "agent", "customer": "customer"}
CONDITIONS = {
    "workflow": "e.workflow = :workflow",
    "user": "e.user = :user",
    "agent": "e.agent = :agent",
    "customer": "e.customer = :customer",
    "status": "e.status = :status",
    "mode": "e.mode = :mode",
    # Not a JSON path: in those SQLite has no way to write a quotation mark.
    "label": "EXISTS (SELECT 1 FROM json_each(e.labels) WHERE key = :label_key AND value = :label_value)",
    "active": "e.ended_at IS NULL",
    "over": "e.ended_at IS NOT NULL",
    "since": "e.created_at >= :since",
    "until": "e.created_at < :until",
    "before": "e.number < :before",
    "all": "TRUE",
}
# The partial index on what is not completed serves a status only when the statement itself says which.
ODD = "e.status = :status AND e.status <> 'completed'"


def page(
    connection: sqlite3.Connection, wanted: Filter, *, limit: int = 10, offset: int = 0, cursor: str | None = None
) -> Page:
    """One page, newest first. `cursor` (from an earlier page) and `offset` exclude each other.

    Raises InvalidInput for a limit outside 1 to 500, a negative offset or a cursor that is none.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit: {limit} is not between 1 and {MAX_LIMIT}.")
    if not 0 <= offset < 1 << 63 or (cursor is not None and offset):
        raise InvalidInput("offset: must be 0 or more, and 0 together with a cursor.")
    names, values = conditions(connection, wanted)
    if names is None:
        return Page((), 0, None)
    total = counted(connection, wanted, names, values)
    if cursor is not None:
        names = [*names, "before"]
        values = values | {"before": parse_cursor(cursor)}
    statement = SQL["page"].replace("{where}", where(names, wanted))
    rows = connection.execute(statement, values | {"limit": limit + 1, "offset": offset}).fetchall()
    found: list[Summary] = []
    damaged: list[int] = []
    for number, raw_id, workflow_id, name, status, *rest in rows[:limit]:
        try:
            check_execution(connection, number)
        except StoreDamaged:
            damaged.append(number)
        else:
            found.append(Summary(number, format_id(raw_id), workflow_id, name, ExecutionStatus(status), *rest))
    waiting = claims.why_waiting(connection, [one.number for one in found if one.status is ExecutionStatus.PENDING])
    found = [replace(one, reason=waiting[one.number]) if one.number in waiting else one for one in found]
    more = len(rows) > limit
    return Page(tuple(found), total, f"k{rows[limit - 1][0]}" if more else None, tuple(damaged))


def conditions(connection: sqlite3.Connection, wanted: Filter) -> tuple[list[str] | None, dict[str, int | str | None]]:
    """The names of the conditions and their values; None where a name is unknown, so that nothing can match."""
    names: list[str] = []
    values: dict[str, int | str | None] = {}
    for field, name in NAMED.items():
        given = getattr(wanted, field)
        if given is None:
            continue
        row = connection.execute(SQL[f"{name}_row"], (given,)).fetchone()
        if row is None:
            return None, {}
        names.append(name)
        values[name] = row[0]
    for name in ("status", "mode", "since", "until"):
        given = getattr(wanted, name)
        if given is not None:
            names.append(name)
            values[name] = given
    if wanted.active is not None:
        names.append("active" if wanted.active else "over")
    if wanted.label is not None:
        names.append("label")
        values["label_key"], values["label_value"] = wanted.label
    return names or ["all"], values


def where(names: list[str], wanted: Filter) -> str:
    odd = wanted.status is not None and wanted.status is not ExecutionStatus.COMPLETED
    return " AND ".join(ODD if name == "status" and odd else CONDITIONS[name] for name in names)


def counted(
    connection: sqlite3.Connection, wanted: Filter, names: list[str], values: dict[str, int | str | None]
) -> int:
    """The true total: from the counters for the usual filters, else by counting."""
    match names:
        case ["all"]:
            kind, key = "all", ""
        case [("status" | "workflow" | "user") as kind]:
            key = str(values[kind])
        case _:
            statement = SQL["count"].replace("{where}", where(names, wanted))
            return connection.execute(statement, values).fetchone()[0]
    return connection.execute(SQL["counter"], (kind, key)).fetchone()[0]


def parse_cursor(cursor: str) -> int:
    if cursor[:1] == "k" and cursor[1:].isdecimal() and len(cursor) < 20:
        return int(cursor[1:])
    raise InvalidInput(
        f"cursor: {cursor[:40]!r} is not one; pass next_cursor of an earlier page.", next="list_execution_history()"
    )


def outcomes(connection: sqlite3.Connection, workflow_id: str, limit: int = 100) -> list[tuple[ExecutionStatus, int]]:
    """Status and duration (µs) of a workflow's latest settled executions, newest first."""
    found = connection.execute(SQL["outcomes"], (workflow_id, limit))
    return [(ExecutionStatus(status), duration) for status, duration in found if status in KNOWN]
