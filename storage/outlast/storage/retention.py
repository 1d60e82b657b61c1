"""What is due to be removed: by age, by number, by size."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from outlast.kernel import retention
from outlast.kernel.errors import InvalidInput, NotFound
from outlast.kernel.ids import format_id
from outlast.kernel.queries import load
from outlast.kernel.retention import Kept

SQL = load("retention")
FACTOR = 2
"""How many times as long what did not complete stays, by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What stays; whatever any of the three limits leaves out is due. An execution that failed, timed out, was
    cancelled or lost counts as `failed_factor` times younger than it is."""

    max_age: int | None = None
    """µs since the end."""
    keep: int | None = None
    """Executions of each workflow that are over."""
    max_bytes: int | None = None
    """Of all logs in the store, compressed."""
    failed_factor: int = FACTOR
    workflow_id: str | None = None
    """Only of this workflow; `max_bytes` is then that of its logs."""
    logs_only: bool = False
    """Executions stay, their logs go."""

    @property
    def given(self) -> bool:
        return any(limit is not None for limit in (self.max_age, self.keep, self.max_bytes))

    def check(self) -> None:
        """Raise InvalidInput naming the field."""
        if not self.given:
            raise InvalidInput(
                "Nothing says what stays.", next="--older-than 30d, --keep 100, --max-size 2GB; or the settings keep_…"
            )
        for field in ("max_age", "keep", "max_bytes"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < 1 << 62:
                raise InvalidInput(f"{field}: {value} must be 0 or more.")
        if not 1 <= self.failed_factor <= 1000:
            raise InvalidInput(f"failed_factor: {self.failed_factor} is not between 1 and 1000.")


@dataclass(frozen=True, slots=True)
class Due:
    """An execution that is to go, or its log."""

    number: int
    id: str
    workflow_id: str
    status: str
    ended_at: int
    bytes: int
    """Of its log in the store, compressed; what is not sealed yet not counted."""
    sealed: bool
    """Otherwise its log has to be moved into the store first."""


@dataclass(frozen=True, slots=True)
class Plan:
    due: tuple[Due, ...]
    """By number."""
    kept: dict[Kept, int]
    """How many others would go by the limits, and why they do not."""
    more: bool
    """There are further ones: `most` were found."""

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.due)


def plan(connection: sqlite3.Connection, limits: Limits, now: int, most: int | None = None) -> Plan:
    """What is due at `now` (µs), at most about `most` executions. NotFound for an unknown workflow."""
    limits.check()
    return Planning(connection, limits, now, most).run()


class Planning:
    """One look at everything."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits, now: int, most: int | None) -> None:
        self._connection = connection
        self._limits = limits
        self._most = most
        self._due: dict[int, Due] = {}
        self._kept: dict[int, Kept] = {}
        self._now = now
        self._values = {"now": now, "factor": limits.failed_factor, "workflow": self._workflow()}

    def run(self) -> Plan:
        limits, now = self._limits, self._now
        if limits.max_age is not None:
            before = {"completed_before": now - limits.max_age}
            before["others_before"] = now - limits.max_age * limits.failed_factor
            self._take(self._numbers("by_age", **before))
        if limits.keep is not None:
            for workflow in list(self._numbers("crowded", keep=limits.keep)):
                self._take(self._numbers("by_count", keep=limits.keep, workflow=workflow))
        if limits.max_bytes is not None:
            (taken,) = self._connection.execute(SQL["log_bytes"], self._values).fetchone()
            excess = taken - limits.max_bytes - sum(due.bytes for due in self._due.values())
            if excess > 0:
                self._take(self._numbers("by_size"), excess)
        kept = list(self._kept.values())
        return Plan(
            tuple(due for _, due in sorted(self._due.items())),
            {reason: kept.count(reason) for reason in Kept if reason in kept},
            self._full,
        )

    def _workflow(self) -> int | None:
        wanted = self._limits.workflow_id
        if wanted is None:
            return None
        row = self._connection.execute(SQL["workflow"], (wanted,)).fetchone()
        if row is None:
            raise NotFound(
                f"No execution of a workflow {wanted[:80]!r}.", code="workflow_not_found", next="list_workflows()"
            )
        return row[0]

    def _numbers(self, name: str, **values: int | None) -> Iterable[int]:
        return (number for (number,) in self._connection.execute(SQL[name], self._values | values))

    @property
    def _full(self) -> bool:
        return self._most is not None and len(self._due) >= self._most

    def _take(self, numbers: Iterable[int], excess: int | None = None) -> None:
        """Those that may go become due; with `excess`, only until so many bytes are."""
        for number in numbers:
            if self._full or (excess is not None and excess <= 0):
                return
            if number in self._due or number in self._kept:
                continue
            why = retention.kept(self._connection, number)
            if why is not None and why is not Kept.UNSEALED:
                self._kept[number] = why
                continue
            due = self._look(number, sealed=why is None)
            if self._limits.logs_only and due.sealed and not self._has_log(number):
                continue
            self._due[number] = due
            if excess is not None:
                excess -= due.bytes

    def _look(self, number: int, *, sealed: bool) -> Due:
        raw_id, workflow_id, status, ended_at, size = self._connection.execute(SQL["candidate"], (number,)).fetchone()
        return Due(number, format_id(raw_id), workflow_id, status, ended_at, size, sealed)

    def _has_log(self, number: int) -> bool:
        return self._connection.execute(SQL["has_log"], (number,)).fetchone() is not None
