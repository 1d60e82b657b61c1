"""The event log: one row for everything that happened to an execution, in one sequence over all of them."""

import json
import sqlite3

from outlast.kernel.plan import Json
from outlast.kernel.queries import load

SQL = load("events")


def record(
    connection: sqlite3.Connection,
    number: int,
    at: int,
    kind: str,
    *,
    step_no: int | None = None,
    attempt: int | None = None,
    data: dict[str, Json] | None = None,
) -> None:
    """Append one event, inside the transaction that made it true."""
    text = None if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    connection.execute(SQL["record"], (number, at, kind, step_no, attempt, text))
