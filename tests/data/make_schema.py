"""Writes schema-NNNN.sql, a database of the present schema with an execution in every kind of state.

Run it once, when a schema is released, with the tests folder on the path; the file then stays for ever:
later code must open it. `PYTHONPATH=tests python tests/data/make_schema.py`
"""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from outlast.kernel import executions, supervision
from outlast.kernel.database import Connection
from outlast.kernel.home import Home, write_durably
from outlast.kernel.marks import CLOSE, MERGED, Mark, MarkWriter, Spool
from outlast.kernel.migrating import SCHEMA_VERSION
from outlast.kernel.plan import Json, Plan
from outlast.kernel.record import RecordedArtifact
from outlast.kernel.supervision import Ending
from outlast.storage.logs.sealer import seal
from stored import FAILED, START, Hands, hands_on, plan_of, record_of

PARAMS: dict[str, Json] = {"rows": 3, "ratio": 0.5, "name": "ü"}
FILE = RecordedArtifact("report", "report.html", "s3://reports/report.html", START)


def fill(hands: Hands) -> None:
    hands.limit(2)

    def plan() -> Plan:
        return plan_of(
            at=hands.tick(),
            params=PARAMS,
            labels={"team": "blue"},
            agent="planner",
            customer="acme",
            idempotency_key=f"key {hands.now}",
        )

    print_and_seal(hands, plan())
    failed = hands.create(plan()).number
    hands.begin(failed)
    hands.settle(failed, FAILED, Ending(output={"rows": 3}, leftovers=[{"pid": 7, "command": "sleep"}]))
    for _ in range(2):  # both slots
        hands.begin(hands.create(plan()).number)
    hands.write(lambda c: executions.cancel(c, failed + 2, "ada", hands.tick()))
    epoch = hands.look(failed + 2).epoch
    hands.write(lambda c: supervision.start_stopping(c, failed + 2, epoch, hands.tick()))
    cancelled = hands.create(plan()).number
    hands.write(lambda c: executions.cancel(c, cancelled, "ada", hands.tick()))
    hands.limit(3)
    hands.create(plan())  # gets the third slot
    hands.create(plan())  # waits for one
    hands.record(record_of(at=hands.tick(), params=PARAMS, artifacts=(FILE,)))


def print_and_seal(hands: Hands, plan: Plan) -> None:
    """An execution that has printed two lines, now in the store."""
    number = hands.create(plan).number
    run = hands.home.run(plan.id)
    spool = run.attempt("run", 1).spool(MERGED)
    os.makedirs(os.path.dirname(spool))
    write_durably(run.plan, plan.encode())
    write_durably(spool, "hello\nwörld".encode())
    hands.begin(number)
    writer = MarkWriter(run.marks)
    writer.append(Mark(Spool(1, 1, MERGED).pack(), os.path.getsize(spool), hands.now, CLOSE))
    writer.close()
    hands.settle(number)
    assert seal(number, run, plan, hands.write).finished


def dump(connection: Connection) -> Iterator[str]:
    """The database as statements. What Python's own dump makes of a virtual table cannot be read back."""
    tables = "SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow') AND name LIKE 'execution_texts%'"
    names = "|".join(name for (name,) in connection.execute(tables))
    theirs = re.compile(
        rf"(CREATE (VIRTUAL )?TABLE|INSERT INTO) ['\"]?({names})\b|PRAGMA writable_schema|INSERT INTO sqlite_master"
    )
    *lines, commit = (line for line in connection.iterdump() if not theirs.match(line))
    yield from lines
    yield from (
        f"{sql};" for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'execution_texts'")
    )
    columns = ("rowid", "workflow", "params", "labels", "reason")
    values = " || ', ' || ".join(f"quote({column})" for column in columns)
    for (row,) in connection.execute(f"SELECT {values} FROM execution_texts ORDER BY rowid"):
        yield f"INSERT INTO execution_texts({', '.join(columns)}) VALUES ({row});"
    yield commit


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(folder)
        home.create()
        with hands_on(home) as hands:
            fill(hands)
            lines = list(dump(hands.connection))
    path = Path(__file__).with_name(f"schema-{SCHEMA_VERSION:04d}.sql")
    text = "\n".join(["PRAGMA foreign_keys = OFF;", *lines, f"PRAGMA user_version = {SCHEMA_VERSION};"])
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
