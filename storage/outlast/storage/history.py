"""Listings of executions: filters, pages by cursor or offset, true totals."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from outlast.kernel import claims
from outlast.kernel.checksums import check_execution
from outlast.kernel.errors import InvalidInput, StoreDamaged
from outlast.kernel.ids import format_id
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus
from outlast.storage.records import Page, Summary
from outlast.storage.words import match_of

SQL = load("history")

MAX_LIMIT = 500
PAGE_SIZE = 50
"""Rows of a page that is asked for by its number."""
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
    """`local-run`: run by Outlast itself; `cloud-run`: recorded, run elsewhere."""
    visual_only: bool = False
    """Only those of which there is a recording of the screen."""
    label: tuple[str, str] | None = None
    active: bool | None = None
    """True: not over yet; False: over."""
    since: int | None = None
    """Created at or after, µs."""
    until: int | None = None
    """Created before, µs."""
    text: str | None = None
    """Words that stand in the id or name of the workflow, in values of parameters, in labels or in the reason of the
    end; the last one may be the beginning of one."""
    lasting: int | None = None
    """Not over before then, µs."""
    printed: bool = False
    """Without those that are known to have printed nothing."""


NAMED = {"workflow_id": "workflow", "user": "user", "agent": "agent", "customer": "customer"}
CONDITIONS = {
    "workflow": "e.workflow = :workflow",
    "user": "e.user = :user",
    "agent": "e.agent = :agent",
    "customer": "e.customer = :customer",
    "status": "e.status = :status",
    "mode": "e.mode = :mode",
    "visual": "e.visual = 1",
    # Not a JSON path: in those SQLite has no way to write a quotation mark.
    "label": "EXISTS (SELECT 1 FROM json_each(e.labels) WHERE key = :label_key AND value = :label_value)",
    "active": "e.ended_at IS NULL",
    "over": "e.ended_at IS NOT NULL",
    "since": "e.created_at >= :since",
    "until": "e.created_at < :until",
    # Not through an index: what stands in `from` leaves few others, and they are wanted in the order of numbers.
    "lasting": "(+e.ended_at IS NULL OR +e.ended_at >= :lasting)",
    "from": "e.number >= :from",
    "printed": "e.log_lines IS NOT 0",
    "before": "e.number < :before",
    "text": "t.execution_texts MATCH :text",
    "all": "TRUE",
}
# A partial index on what few executions are serves a statement only when it says so itself.
ODD = {
    "status": "e.status = :status AND e.status <> 'completed'",
    "mode": "e.mode = :mode AND e.mode <> 'local-run'",
}
USUAL = {"status": "completed", "mode": "local-run"}
COUNTED = {("all",), *((kind,) for kind in ("status", "mode", *NAMED.values()))} | {
    ("workflow", "status"),
    ("user", "status"),
}
"""Filters whose totals are kept in counters."""


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
    total = counted(connection, names, values)
    if cursor is not None:
        names = [*names, "before"]
        values = values | {"before": parse_cursor(cursor)}
    statement = listing("numbers", names, values)
    found_numbers = connection.execute(statement, values | {"limit": limit + 1, "offset": offset}).fetchall()
    numbers = [number for (number,) in found_numbers]
    found: list[Summary] = []
    damaged: list[int] = []
    for number in numbers[:limit]:
        try:
            check_execution(connection, number)
        except StoreDamaged:
            damaged.append(number)
        else:
            found.append(summary(connection, number))
    waiting = claims.why_waiting(connection, [one.number for one in found if one.status is ExecutionStatus.PENDING])
    found = [replace(one, reason=waiting[one.number]) if one.number in waiting else one for one in found]
    more = len(numbers) > limit
    return Page(tuple(found), total, f"k{numbers[limit - 1]}" if more else None, tuple(damaged))


def numbers(connection: sqlite3.Connection, wanted: Filter, *, below: int | None = None, limit: int) -> list[int]:
    """The numbers of executions, newest first; with `below` only those under it."""
    names, values = conditions(connection, wanted)
    if names is None:
        return []
    if below is not None:
        names = [*names, "before"]
        values = values | {"before": below}
    statement = listing("numbers", names, values)
    return [n for (n,) in connection.execute(statement, values | {"limit": limit, "offset": 0})]


def summary(connection: sqlite3.Connection, number: int) -> Summary:
    row = connection.execute(SQL["row"], (number,)).fetchone()
    number, raw_id, workflow_id, name, status, *rest, pinned = row
    return Summary(number, format_id(raw_id), workflow_id, name, ExecutionStatus(status), *rest, pinned=bool(pinned))


def offset_of(page: int, page_size: int) -> int:
    """How many rows lie in front of a page; pages count from 1. Raises InvalidInput naming the field."""
    if not 1 <= page_size <= MAX_LIMIT:
        raise InvalidInput(f"page_size: {page_size} is not between 1 and {MAX_LIMIT}.")
    if not 1 <= page <= 1 << 53:
        raise InvalidInput(f"page: {page} is none; the first page is 1.")
    return (page - 1) * page_size


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
    if wanted.text is not None:
        names.append("text")
        values["text"] = match_of(wanted.text)
    if wanted.printed:
        names.append("printed")
    if wanted.lasting is not None:
        names += ["lasting", "from"]
        values["lasting"] = wanted.lasting
        # Without it the search for what lasted until then would not end before the oldest execution.
        values["from"] = connection.execute(SQL["oldest_lasting"], values).fetchone()[0]
    if wanted.visual_only:
        names.append("visual")
    if wanted.active is not None:
        names.append("active" if wanted.active else "over")
    if wanted.label is not None:
        names.append("label")
        values["label_key"], values["label_value"] = wanted.label
    return names or ["all"], values


def listing(what: Literal["numbers", "count"], names: list[str], values: Mapping[str, int | str | None]) -> str:
    """The statement for the numbers of executions, or for how many they are."""
    if "text" not in names:
        return SQL[what].replace("{where}", where(names, values))
    text = SQL[f"{what}_by_text"].replace("{where}", where([name for name in names if name != "before"], values))
    # In the index itself, so that what comes before a page is not read for it.
    return text.replace("{before}", "AND t.rowid < :before" if "before" in names else "")


def where(names: list[str], values: Mapping[str, int | str | None]) -> str:
    odd = {name for name, usual in USUAL.items() if name in names and values[name] != usual}
    return " AND ".join(ODD[name] if name in odd else CONDITIONS[name] for name in names)


def counted(connection: sqlite3.Connection, names: list[str], values: Mapping[str, int | str | None]) -> int:
    """The true total: from the counters for the usual filters, else by counting."""
    if tuple(names) in COUNTED:
        key = " ".join(str(values[name]) for name in names if name != "all")
        return connection.execute(SQL["counter"], (" ".join(names), key)).fetchone()[0]
    if names == ["over"]:
        return counted(connection, ["all"], values) - counted(connection, ["active"], values)
    statement = listing("count", names, values)
    return connection.execute(statement, values).fetchone()[0]


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
