"""Whether what was acknowledged before a power cut is in the database that the cut left."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from disk.working import line_of
from outlast.kernel import backups, executions
from outlast.kernel.database import Database
from outlast.kernel.errors import OutlastError
from outlast.kernel.home import Home
from outlast.kernel.ids import parse_id
from outlast.kernel.seals import Block
from outlast.storage import maintenance
from outlast.storage.logs.blocks import decode
from stored import START, plan_of

TERMINAL = {"completed", "failed", "cancelled", "timeout", "lost"}
BLOCKS = (
    "SELECT first_line, lines, first_at, last_at, raw_bytes, codec, segments, data, crc FROM log_blocks"
    " WHERE execution = ? ORDER BY first_line"
)


class Promises:
    """What was acknowledged so far."""

    def __init__(self) -> None:
        self.executions: dict[int, dict[str, Any]] = {}
        self.backups: dict[str, dict[int, dict[str, Any]]] = {}
        """File name → what was promised of the executions in it."""
        self.gone: set[int] = set()
        """Numbers that a restored backup did not know; they are never given again."""
        self._returning: str | None = None
        """The backup that is being restored: either database may be there."""

    def hear(self, line: bytes) -> None:
        told: dict[str, Any] = json.loads(line)
        match told:
            case {"number": number}:
                self.executions.setdefault(number, {}).update(told)
            case {"backup": name, "numbers": numbers}:
                self.backups[name] = {n: dict(self.executions[n]) for n in numbers if n in self.executions}
            case {"restoring": name}:
                self._returning = name
            case {"restored": name}:
                self._returning = None
                self.gone |= self.executions.keys() - self.backups[name].keys()
                self.executions = {n: dict(facts) for n, facts in self.backups[name].items()}
            case _:
                raise ValueError(f"nobody knows what this says: {told}")

    def broken(self, home: Home) -> list[str]:
        """What an image of the home lacks, or has and should not have."""
        problems: list[str] = []
        try:
            database = Database(home)
            connection = database.connect()
            try:
                problems += self._missing(connection)
                plan = plan_of(at=START, idempotency_key="after the cut")
                number = database.write(connection, lambda c: executions.create(c, home, plan, START)).number
            finally:
                database.close(connection)
                database.lock.close()
            if number <= max(self.executions.keys() | self.gone, default=0):
                problems.append(f"#{number} is given again")
        except (OutlastError, sqlite3.Error) as error:
            problems.append(str(error))
        for name, promised in self.backups.items():
            problems += [f"{name}: {problem}" for problem in of_backup(Path(home.backups, name), promised)]
        return problems

    def _missing(self, connection: sqlite3.Connection) -> list[str]:
        problems = list(maintenance.examine(connection).problems)
        found = {number for (number,) in connection.execute("SELECT number FROM executions")}
        if self._returning is not None and self.executions.keys() - found:
            # The backup may be in its place already; then all of it is.
            problems += of_rows(connection, self.backups[self._returning])
        else:
            problems += of_rows(connection, self.executions)
        return problems + [f"#{number} is back, it was gone" for number in self.gone & found]

    @property
    def rows(self) -> int:
        """How many executions are looked for in an image."""
        return len(self.executions)


def of_backup(path: Path, promised: dict[int, dict[str, Any]]) -> list[str]:
    try:
        with closing(backups.open_copy(str(path))) as copy:
            return of_rows(copy, promised)
    except OutlastError as error:
        return [str(error)]


def of_rows(connection: sqlite3.Connection, promised: dict[int, dict[str, Any]]) -> list[str]:
    """What a database lacks of executions."""
    wrong: list[str] = []
    for number, facts in promised.items():
        row = connection.execute(
            "SELECT id, status, reason, exit_code FROM executions WHERE number = ?", (number,)
        ).fetchone()
        if row is None or row[0] != parse_id(facts["id"]):
            wrong.append(f"#{number} is gone")
            continue
        params = {
            name: json.loads(value)
            for name, value in connection.execute("SELECT name, value FROM params WHERE execution = ?", (number,))
        }
        if params != facts["params"]:
            wrong.append(f"#{number} has other parameters")
        status = facts.get("status", "pending")
        if status in TERMINAL:
            if row[1:] != (status, facts["reason"], facts["exit_code"]):
                wrong.append(f"#{number} is {row[1:]}, and was {status}")
        elif status == "running" and row[1] == "pending":
            wrong.append(f"#{number} is pending, and was running")
        wrong += of_lines(connection, number, facts.get("lines", 0))
    return wrong


def of_lines(connection: sqlite3.Connection, number: int, lines: int) -> list[str]:
    found = b"".join(
        piece.data for row in connection.execute(BLOCKS, (number,)).fetchall() for piece in decode(Block(*row))
    )
    count = found.count(b"\n")
    if count < lines or found != b"".join(line_of(number, n) for n in range(1, count + 1)):
        return [f"#{number} has {count} lines that are right or wrong, {lines} were sealed"]
    return []
