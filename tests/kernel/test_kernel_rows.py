"""What the schema itself holds, whoever writes: columns that agree, true counters, links that can be followed."""

import itertools
import sqlite3

import pytest

from outlast.kernel.status import ExecutionStatus, StepStatus
from stored import FAILED, Hands, plan_of, record_of

TERMINAL = [status for status in ExecutionStatus if status.terminal]
LIVE = [status for status in ExecutionStatus if not status.terminal]
UNBEGUN = {"pending", "failed", "cancelled", "lost"}
"""Statuses that an execution may have without having started."""


def accepts(hands: Hands, statement: str, *values: object) -> bool:
    """Whether the schema takes a write; it is not kept."""
    hands.connection.execute("SAVEPOINT attempt")
    try:
        hands.connection.execute(statement, values)
    except sqlite3.IntegrityError:
        return False
    finally:
        hands.connection.execute("ROLLBACK TO attempt")
        hands.connection.execute("RELEASE attempt")
    return True


def test_an_execution_has_the_facts_of_its_status_and_no_others(hands: Hands) -> None:
    hands.create()
    for status, (started, ended, reason) in itertools.product(
        ExecutionStatus, itertools.product([False, True], repeat=3)
    ):
        right = ended == status.terminal and (reason or not ended) and (started or status in UNBEGUN)
        assert right == accepts(
            hands,
            "UPDATE executions SET status = ?, started_at = ?, ended_at = ?, reason = ?",
            status,
            hands.now + 1 if started else None,
            hands.now + 2 if ended else None,
            "because" if reason else None,
        ), (status, started, ended, reason)


def test_an_end_before_the_beginning_is_no_end(hands: Hands) -> None:
    hands.create()
    end = "UPDATE executions SET status = 'failed', reason = 'x', started_at = ?, ended_at = ?"
    assert accepts(hands, end, hands.now + 5, hands.now + 5)
    assert not accepts(hands, end, hands.now + 5, hands.now + 4)
    assert not accepts(hands, end, None, hands.now - 1)


NONSENSE: list[tuple[str, object]] = [
    ("status", "done"),
    ("status", None),
    ("mode", "moon-run"),
    ("visual", 2),
    ("on_conflict", "fight"),
    ("id", b"short"),
    ("signal_certain", 2),
    ("duration_us", -1),
    ("compensation", "perhaps"),
    ("created_at", "yesterday"),
    ("exit_code", "three"),
    ("request_hash", None),
    *((link, 99) for link in ("workflow", "version", "user", "agent", "customer", "retry_of", "rollback_of")),
]


def test_an_execution_row_takes_no_nonsense(hands: Hands) -> None:
    hands.create()
    for column, wrong in NONSENSE:
        assert not accepts(hands, f"UPDATE executions SET {column} = ?", wrong), column


RECORDED_NEVER: list[tuple[str, object]] = [
    ("epoch", 1),
    ("claimed_at", 5),
    ("concurrency_key", "k"),
    ("supervisor_pid", 7),
    ("exit_code", 0),
    ("signal", 9),
]


@pytest.mark.requirement("S2-2")
def test_a_record_has_no_slot_no_key_no_supervisor_and_no_evidence_of_one(hands: Hands) -> None:
    own, told = hands.create().number, hands.record(record_of())
    for column, value in RECORDED_NEVER:
        change = f"UPDATE executions SET {column} = ? WHERE number = ?"
        assert accepts(hands, change, value, own), column
        assert not accepts(hands, change, value, told), column


def test_every_step_status_can_be_stored_and_no_other(hands: Hands) -> None:
    hands.create()
    for status in StepStatus:
        assert accepts(hands, "UPDATE steps SET status = ?", status)
        assert not accepts(hands, "UPDATE steps SET status = ?", status + "!")


ATTEMPT = "INSERT INTO attempts(execution, step_no, attempt, status, started_at, exit_code) VALUES (1, ?, ?, ?, 1, ?)"


def test_an_attempt_belongs_to_a_step_and_completes_only_with_an_exit_code_of_0(hands: Hands) -> None:
    hands.create()
    assert accepts(hands, ATTEMPT, 1, 1, "running", None)
    assert accepts(hands, ATTEMPT, 1, 1, "completed", 0)
    assert not accepts(hands, ATTEMPT, 1, 1, "completed", 1)
    assert not accepts(hands, ATTEMPT, 1, 1, "completed", None)
    assert not accepts(hands, ATTEMPT, 1, 0, "running", None)
    assert not accepts(hands, ATTEMPT, 2, 1, "running", None)
    assert not accepts(hands, ATTEMPT, 1, 1, "pending", None)


APPROVAL = (
    "INSERT INTO approvals(execution, step_no, gate, message, decided_by_kind, status, requested_at, decided_at,"
    " decided_by, plan_hash, params_hash) VALUES (1, 1, 'gate', '?', ?, ?, 1, ?, ?, '', '')"
)


def test_a_decision_says_when_and_by_whom(hands: Hands) -> None:
    hands.create()
    for status in ("pending", "approved", "rejected", "expired", "cancelled"):
        undecided = status in ("pending", "expired", "cancelled")
        assert accepts(hands, APPROVAL, "human", status, 5, "ada")
        assert accepts(hands, APPROVAL, "human", status, None, None) is undecided
        assert accepts(hands, APPROVAL, "human", status, 5, None) is undecided
        assert not accepts(hands, APPROVAL, "robot", status, 5, "ada")


def test_secrets_checksums_and_hashes_have_their_form(hands: Hands) -> None:
    hands.create(plan_of(params={"a": 1}))
    assert not accepts(hands, "UPDATE params SET secret = 2")
    assert not accepts(hands, "UPDATE params SET crc = NULL")
    assert not accepts(hands, "UPDATE workflow_versions SET hash = 'short'")
    assert not accepts(hands, "UPDATE steps SET no = 0")


def counters(hands: Hands) -> dict[tuple[object, ...], object]:
    return {(kind, key): n for kind, key, n in hands.rows("SELECT kind, key, n FROM counters") if n}


def counted(hands: Hands) -> dict[tuple[object, ...], object]:
    found: dict[tuple[object, ...], object] = {}
    for kind in ("all", "status", "mode", "workflow", "user", "agent", "customer", "workflow status", "user status"):
        columns = kind.replace(" ", " || ' ' || ")
        key = "''" if kind == "all" else f"CAST({columns} AS TEXT)"
        for key_found, n in hands.rows(f"SELECT {key}, count(*) FROM executions WHERE {key} IS NOT NULL GROUP BY 1"):
            found[kind, key_found] = n
    return found


def test_counters_are_what_counting_gives(hands: Hands) -> None:
    hands.limit(3)
    for user, workflow in [("ada", "a"), ("ada", "b"), ("bob", "a"), ("bob", "a"), ("eve", "c")]:
        agent, customer = (None, "acme") if workflow == "a" else ("planner", None)
        hands.create(plan_of(at=hands.tick(), user=user, workflow_id=workflow, agent=agent, customer=customer))
        assert counters(hands) == counted(hands)
    hands.record(record_of())
    assert counters(hands) == counted(hands)
    hands.begin(1)
    hands.settle(1, FAILED)
    assert counters(hands) == counted(hands)
    with pytest.raises(ZeroDivisionError):
        hands.write(lambda c: 1 // (c.execute("DELETE FROM executions").rowcount * 0))
    assert counters(hands) == counted(hands) != {}
    hands.write(lambda c: c.execute("DELETE FROM executions WHERE number IN (1, 3)"))
    assert counters(hands) == counted(hands)
    hands.write(lambda c: c.execute("UPDATE executions SET priority = 3"))
    assert counters(hands) == counted(hands)
    hands.write(lambda c: c.execute("DELETE FROM executions"))
    assert counters(hands) == counted(hands) == {}


def test_every_link_can_be_followed_backwards_without_a_scan(hands: Hands) -> None:
    """Deleting a parent looks for its children: without an index that reads a whole table for each of them."""
    tables = [str(name) for (name,) in hands.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    links = [
        (
            table,
            parent,
            [
                column
                for (column,) in hands.rows(
                    'SELECT "from" FROM pragma_foreign_key_list(?) WHERE id = ? ORDER BY seq', table, link
                )
            ],
        )
        for table in tables
        for link, parent in hands.rows('SELECT DISTINCT id, "table" FROM pragma_foreign_key_list(?)', table)
    ]
    assert len(links) > 15
    for table, parent, columns in links:
        where = " AND ".join(f'"{column}" = 1' for column in columns)
        plan = hands.rows(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {where}")
        assert str(plan[0][3]).startswith("SEARCH"), (table, parent, columns, plan)


def test_every_table_is_strict(hands: Hands) -> None:
    lax = hands.rows(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict AND name NOT LIKE 'sqlite_%'"
        " AND type NOT IN ('virtual', 'shadow')"
    )
    assert lax == []
