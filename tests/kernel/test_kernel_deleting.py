"""Deleting an execution: all that is its own and nothing else, and only when it is over."""

import pytest

from outlast.kernel import executions
from outlast.kernel.errors import Conflict, NotFound
from outlast.storage import reading
from stored import FAILED, Hands, plan_of


def contents(hands: Hands) -> dict[str, list[tuple[object, ...]]]:
    of_an_index = "SELECT name FROM pragma_table_list WHERE type = 'shadow'"
    tables = hands.rows(f"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ({of_an_index})")
    return {str(table): sorted(hands.rows(f"SELECT * FROM {table}"), key=repr) for (table,) in tables}


def furnish(hands: Hands, number: int) -> None:
    """Something in every table that belongs to an execution."""
    for statement in (
        "INSERT INTO artifacts(execution, step_no, type, name, location, created_at)"
        " VALUES (?, 1, 'report', 'r', 's3://r', 1)",
        "INSERT INTO approvals(execution, step_no, gate, message, decided_by_kind, status, requested_at, plan_hash,"
        " params_hash) VALUES (?, 1, 'gate', 'Release?', 'human', 'pending', 1, '', '')",
        "INSERT INTO snapshots(execution, no, created_at, state) VALUES (?, 1, 1, '{}')",
        "INSERT INTO log_blocks(execution, first_line, lines, first_at, last_at, raw_bytes, codec, segments, data, crc)"
        " VALUES (?, 1, 1, 1, 1, 1, 'raw', x'', x'', 0)",
        "INSERT INTO log_seals(execution, lines, position) VALUES (?, 1, '')",
    ):
        hands.write(lambda c, statement=statement: c.execute(statement, (number,)))


@pytest.mark.requirement("S1-4")
def test_deleting_an_execution_deletes_what_is_its_own_and_nothing_else(hands: Hands) -> None:
    kept = hands.run(plan=plan_of(params={"rows": 3}, agent="planner"))
    furnish(hands, kept)
    before = contents(hands)
    gone = hands.run(FAILED, plan_of(at=hands.tick(), params={"rows": 4}, agent="planner"))
    furnish(hands, gone)
    grown = {table for table, rows in contents(hands).items() if len(rows) > len(before[table])}
    assert grown >= {"executions", "payloads", "params", "steps", "attempts", "events", "log_blocks", "log_seals"}
    assert "execution_texts" in grown
    assert grown >= {"artifacts", "approvals", "snapshots"}
    deleted = hands.write(lambda c: executions.delete(c, gone))
    assert not reading.knows(hands.connection, deleted)
    after = contents(hands)
    for table in before:
        if table == "counters":
            assert [row for row in after[table] if row[2]] == [row for row in before[table] if row[2]]
        elif table != "sqlite_sequence":
            assert after[table] == before[table], table
    with pytest.raises(NotFound):
        reading.execution(hands.connection, gone)


@pytest.mark.requirement("S1-4")
@pytest.mark.parametrize("status", ["queued", "pending", "running", "waiting", "paused", "rolling_back"])
def test_what_is_not_over_cannot_be_deleted(hands: Hands, status: str) -> None:
    created = hands.queue() if status == "queued" else hands.create()
    if status not in ("queued", "pending"):
        hands.begin(1)
        hands.write(lambda c: c.execute("UPDATE executions SET status = ?", (status,)))
    with pytest.raises(Conflict, match="only an execution that is over can be deleted") as caught:
        hands.write(lambda c: executions.delete(c, created.number))
    assert (caught.value.code, caught.value.handle_id) == ("execution_is_live", created.id)
    assert hands.rows("SELECT count(*) FROM payloads WHERE execution = ?", created.number) == [(1,)]


def test_what_retried_a_deleted_execution_stays_and_is_sound(hands: Hands) -> None:
    first = hands.run()
    retry = hands.run(plan=plan_of(at=hands.tick(), retry_of=first))
    hands.write(lambda c: executions.delete(c, first))
    assert reading.execution(hands.connection, retry).retry_of is None
