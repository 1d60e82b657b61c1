"""Looking at a home from outside, after everything: at the database, the run directories and /proc, through no code
of the product. What contradicts an invariant of the design (I1 …) is said."""

import json
import os
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from chaos.processes import commands
from chaos.work import Work

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TERMINAL = {"completed", "failed", "cancelled", "timeout", "lost"}
EXPECTED = {
    "child": {"failed"},
    "wrapper": {"lost"},
    "power": {"lost"},
    "cancel": {"cancelled"},
    "perhaps": {"cancelled", "completed", "failed"},
}
"""The statuses that are true, by what ended the work; of what ends by itself, its exit code says which."""
SIGKILLED = 137


class Snapshot:
    """The database at one moment, read as any program could."""

    def __init__(self, home: str) -> None:
        with closing(connect(home)) as connection:
            self.executions = {
                str(uuid.UUID(bytes=row["id"])): row for row in rows(connection, "SELECT * FROM executions")
            }
            self.events = grouped(rows(connection, "SELECT * FROM events ORDER BY seq"))
            self.attempts = grouped(rows(connection, "SELECT * FROM attempts"))
            self.blocks = grouped(rows(connection, "SELECT * FROM log_blocks ORDER BY execution, first_line"))
            self.leftovers = {
                row["execution"]: {one["pid"] for one in json.loads(row["leftovers"] or "[]")}
                for row in rows(connection, "SELECT execution, leftovers FROM payloads")
            }
            self.sound = [row["integrity_check"] for row in rows(connection, "PRAGMA integrity_check")] == ["ok"]


def inspect(home: str, works: list[Work]) -> list[str]:
    """What is wrong after everything has come to its end and all logs were sealed."""
    snapshot = Snapshot(home)
    wrong = [] if snapshot.sound else ["the database is damaged"]
    keys = [row["idempotency_key"] for row in snapshot.executions.values()]
    for work in works:
        if work.handle is None or work.handle not in snapshot.executions:
            wrong.append(f"{work.key}: {work.handle} was acknowledged and is not in history (I1)")
        elif keys.count(work.key) != 1:
            wrong.append(f"{work.key}: {keys.count(work.key)} executions have its idempotency key (I3)")
        else:
            row = snapshot.executions[work.handle]
            problems = [*of_status(row, work), *of_events(row, snapshot), *of_log(row, work, snapshot)]
            wrong += [f"#{row['number']} ({work.key}): {problem}" for problem in problems]
    asked = {work.key for work in works}
    wrong += [
        f"#{row['number']} was asked for by nobody"
        for row in snapshot.executions.values()
        if row["idempotency_key"] not in asked
    ]
    wrong += [
        f"runs/{name} has a number and no row (I1)"
        for name in os.listdir(f"{home}/runs")
        if name not in snapshot.executions and os.path.exists(f"{home}/runs/{name}/number")
    ]
    wrong += of_processes(home, snapshot)
    sealed = {name for name, row in snapshot.executions.items() if row["log_lines"] is not None}
    wrong += [f"runs/{name} is left, its log is sealed" for name in sealed.intersection(os.listdir(f"{home}/runs"))]
    return wrong


def of_status(row: dict[str, Any], work: Work) -> Iterator[str]:
    status, code = row["status"], row["exit_code"]
    if status not in TERMINAL:
        yield f"is {status} (I8)"
        return
    starts = len(work.pids())
    if starts != 1 and not (starts == 0 and work.ends_by in ("cancel", "perhaps")):
        yield f"was started {starts} times"
    if work.ends_by == "itself":
        if (status, code) != ("completed" if work.code == 0 else "failed", work.code):
            yield f"is {status} ({code}, {row['reason']}), its exit code was {work.code} (I7)"
    elif status not in EXPECTED[work.ends_by]:
        yield f"is {status} ({code}, {row['reason']}), ended by {work.ends_by}"
    if work.ends_by == "child" and code != SIGKILLED:
        yield f"has the exit code {code}, its command was killed"
    if status == "completed" and code != 0:
        yield f"is completed with the exit code {code} (I7)"
    if not row["reason"]:
        yield "has no reason"
    begun = row["started_at"] or row["created_at"]
    if row["ended_at"] < begun or row["duration_us"] < 0:
        yield f"ends before it starts: {begun}, {row['ended_at']}, {row['duration_us']} µs (I10)"


def of_events(row: dict[str, Any], snapshot: Snapshot) -> Iterator[str]:
    """Its moves: each epoch once, one end, nothing behind it."""
    kinds = [event["kind"] for event in snapshot.events[row["number"]]]
    ends = [kind for kind in kinds if kind in TERMINAL]
    if ends != [row["status"]] or kinds[-1:] != ends:
        yield f"has the events {kinds} and is {row['status']} (I5, I6)"
    taken = sum(kind in ("started", "adopted") for kind in kinds)
    if taken != row["epoch"]:
        yield f"was taken over {taken} times, its epoch is {row['epoch']}"
    for attempt in snapshot.attempts.get(row["number"], []):
        if attempt["status"] == "running":
            yield "has an attempt that runs for ever"
        if attempt["status"] == "completed" and attempt["exit_code"] != 0:
            yield f"has a completed attempt with the exit code {attempt['exit_code']} (I7)"


def of_log(row: dict[str, Any], work: Work, snapshot: Snapshot) -> Iterator[str]:
    """Its lines: dense from 1, each once, in order, all that were printed."""
    printed, number = b"", 1
    for block in snapshot.blocks.get(row["number"], []):
        if block["first_line"] != number:
            yield f"has line {block['first_line']} where {number} should be (I13)"
        number = block["first_line"] + block["lines"]
        printed += zstd.decompress(block["data"]) if block["codec"] == "zstd" else block["data"]
    lines = printed.split(b"\n")
    if lines.pop() or len(lines) != number - 1 or row["log_lines"] != len(lines):
        yield f"has {len(lines)} lines, {number - 1} numbers and says {row['log_lines']} (I13, I14)"
    if len(lines) < work.least:
        yield f"has {len(lines)} lines, {work.least} were printed before it was ended (I14)"
    expected = work.expected()
    if work.ends_by != "itself":
        # It was stopped somewhere; what is there must be the beginning, whole lines and perhaps a cut one.
        expected = expected[: len(lines)]
        if lines and expected and lines[-1] != expected[-1] and expected[-1].startswith(lines[-1]):
            expected[-1] = lines[-1]
    if lines != expected:
        yield f"has {len(lines)} lines, and they are not the {len(expected)} that were printed (I14, I15)"


def of_processes(home: str, snapshot: Snapshot) -> Iterator[str]:
    for pid, execution_id in commands(home).items():
        row = snapshot.executions.get(execution_id)
        if row is None:
            yield f"process {pid} belongs to {execution_id}, which is no execution (I2)"
        elif row["status"] in TERMINAL and pid not in snapshot.leftovers[row["number"]]:
            yield f"process {pid} of #{row['number']} is alive, and that is {row['status']} (I2, I12)"


def live(connection: sqlite3.Connection) -> dict[str, str]:
    """The status of each execution that is not over, by its id; `queued` where it waits for a slot."""
    found = connection.execute(
        "SELECT id, CASE WHEN status = 'pending' AND claimed_at IS NULL THEN 'queued' ELSE status END"
        " FROM executions WHERE ended_at IS NULL"
    )
    return {str(uuid.UUID(bytes=raw)): status for raw, status in found}


def made(home: str) -> bool:
    """Whether there is a database by now."""
    try:
        with closing(connect(home)) as connection:
            return connection.execute("SELECT count(*) FROM executions").fetchone() is not None
    except sqlite3.OperationalError:
        return False


def find(home: str, key: str) -> str | None:
    """The id of the execution with an idempotency key."""
    if not made(home):
        return None
    with closing(connect(home)) as connection:
        found = connection.execute("SELECT id FROM executions WHERE idempotency_key = ?", (key,)).fetchone()
    return None if found is None else str(uuid.UUID(bytes=found[0]))


def state(home: str, execution_id: str) -> tuple[str, int]:
    """An execution's status, and how many supervisors have taken it over."""
    with closing(connect(home)) as connection:
        found = connection.execute(
            "SELECT status, epoch FROM executions WHERE id = ?", (uuid.UUID(execution_id).bytes,)
        )
        return found.fetchone()


def connect(home: str) -> sqlite3.Connection:
    path = Path(home, "executions.db")
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)


def rows(connection: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def grouped(found: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    by_execution: dict[int, list[dict[str, Any]]] = {}
    for row in found:
        by_execution.setdefault(row["execution"], []).append(row)
    return by_execution
