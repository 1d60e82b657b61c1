"""Creating executions: every fact kept as it was said, numbers never given twice, one execution for one key."""

import json
import os
import sqlite3

import pytest

from outlast.kernel import executions
from outlast.kernel.errors import Conflict, NotFound
from outlast.kernel.home import Home
from outlast.kernel.ids import parse_id
from outlast.kernel.plan import Json, decode_plan
from outlast.kernel.status import ExecutionStatus
from outlast.storage import reading
from outlast.storage.history import Filter, page
from stored import SECOND, Hands, hands_on, plan_of, processes

PARAMS: dict[str, Json] = {
    "text": "7",
    "whole": 7,
    "large": 1 << 70,
    "real": 7.0,
    "tiny": 5e-324,
    "yes": True,
    "nothing": None,
    "list": [1, 1.0, "1", None],
    "object": {"ü": {"quote\"'": ["\u2028", "\x00"]}},
}


@pytest.mark.requirement("S3-1")
@pytest.mark.requirement("S0-1")
@pytest.mark.requirement("S1-1")
def test_everything_that_was_said_at_the_start_is_read_back(hands: Hands) -> None:
    plan = plan_of(
        params={"rows": 3},
        steps=("build", "test"),
        concurrency_key="k",
        on_conflict="reject",
        idempotency_key="i",
        labels={"team": "blue"},
        agent="planner",
        customer="acme",
    )._replace(client={"name": "desk", "session": {"id": 7}}, metadata={"ticket": [1, "zwei"]})
    created = hands.write(lambda c: executions.create(c, hands.home, plan, plan.created_at + 5))
    assert (created.number, created.id, created.already_existed) == (1, plan.id, False)
    row = hands.row(1)
    crc = row.pop("crc")
    assert isinstance(crc, int)
    assert row == {
        "number": 1,
        "id": parse_id(plan.id),
        "workflow": 1,
        "version": 1,
        "user": 1,
        "agent": 1,
        "customer": 1,
        "mode": "local-run",
        "visual": 0,
        "trigger": "cli",
        "client": '{"name":"desk","session":{"id":7}}',
        "labels": '{"team":"blue"}',
        "metadata": '{"ticket":[1,"zwei"]}',
        "binary_path": "/bin/true",
        "idempotency_key": "i",
        "request_hash": bytes(32),
        "concurrency_key": "k",
        "on_conflict": "reject",
        "priority": 0,
        "retry_of": None,
        "rollback_of": None,
        "status": "pending",
        "epoch": 0,
        "claimed_at": plan.created_at + 5,
        "claims": 1,
        "created_at": plan.created_at,
        "updated_at": plan.created_at + 5,
        "started_at": None,
        "ended_at": None,
        "boot_id": None,
        "started_boottime": None,
        "parked_us": 0,
        "duration_us": None,
        "cancel_requested_at": None,
        "cancel_requested_by": None,
        "stopping_at": None,
        "supervisor_pid": None,
        "supervisor_start": None,
        "supervisor_boot": None,
        "exit_code": None,
        "signal": None,
        "signal_certain": None,
        "reason": None,
        "compensation": None,
        "log_lines": None,
    }
    assert hands.rows("SELECT workflow_id FROM workflows") == [("report",)]
    assert hands.rows("SELECT workflow, hash, name, type, definition, source FROM workflow_versions") == [
        (1, plan.version_hash, "Report", "cost_analysis", plan.definition, plan.source)
    ]
    assert hands.rows(
        "SELECT name FROM users UNION ALL SELECT name FROM agents UNION ALL SELECT name FROM customers"
    ) == [
        ("ada",),
        ("planner",),
        ("acme",),
    ]
    assert hands.rows("SELECT no, step_id, name, status, attempt FROM steps ORDER BY no") == [
        (1, "build", "Build", "pending", 0),
        (2, "test", "Test", "pending", 0),
    ]
    ((data,),) = hands.connection.execute("SELECT plan FROM payloads").fetchall()
    assert data == plan.encode()
    assert decode_plan(data) == plan
    assert hands.events(1) == ["created"]


@pytest.mark.requirement("S3-2")
def test_parameters_keep_their_values_and_types(hands: Hands) -> None:
    hands.create(plan_of(params=PARAMS))
    found = reading.details(hands.connection, 1).params
    assert [param.name for param in found] == sorted(PARAMS)
    for param in found:
        assert param.value == PARAMS[param.name]
        assert type(param.value) is type(PARAMS[param.name])
        assert param.type == type(PARAMS[param.name]).__name__
        assert not param.secret
    kept = {str(name): json.loads(str(value)) for name, value in hands.rows("SELECT name, value FROM params")}
    assert kept == PARAMS


def test_secret_parameters_say_so(hands: Hands) -> None:
    plan = plan_of(params={"token": "***"})._replace(secret_params=["token"])
    hands.create(plan)
    (param,) = reading.details(hands.connection, 1).params
    assert (param.value, param.secret) == ("***", True)


@pytest.mark.requirement("X3")
def test_a_repeated_request_finds_the_first_execution(hands: Hands) -> None:
    first = hands.create(plan_of(idempotency_key="k", request="aa"))
    again = hands.create(plan_of(idempotency_key="k", request="aa"))
    assert (again.number, again.id, again.already_existed, again.claimed) == (first.number, first.id, True, [])
    hands.begin(first.number)
    hands.settle(first.number)
    again = hands.create(plan_of(idempotency_key="k", request="aa"))
    assert (again.number, again.already_existed) == (first.number, True)
    assert hands.statuses() == {first.number: "completed"}
    assert hands.events(first.number).count("created") == 1


@pytest.mark.requirement("X3")
def test_a_key_used_for_another_request_is_a_conflict_that_names_the_first(hands: Hands) -> None:
    first = hands.create(plan_of(idempotency_key="k", request="aa"))
    with pytest.raises(Conflict, match=r"'k' was used for #1 with another workflow or other parameters") as caught:
        hands.create(plan_of(idempotency_key="k", request="bb"))
    assert (caught.value.code, caught.value.handle_id) == ("idempotency_conflict", first.id)
    assert caught.value.next == "get_status(1), or use a new idempotency_key"
    assert len(hands.statuses()) == 1


def test_another_user_may_use_the_same_key(hands: Hands) -> None:
    assert hands.create(plan_of(idempotency_key="k", user="ada")).number == 1
    assert not hands.create(plan_of(idempotency_key="k", user="bob")).already_existed
    assert not hands.create(plan_of(user="ada")).already_existed
    assert not hands.create(plan_of(user="ada")).already_existed


def test_a_key_is_free_again_when_its_execution_is_deleted(hands: Hands) -> None:
    number = hands.run(plan=plan_of(idempotency_key="k"))
    hands.write(lambda c: executions.delete(c, number))
    created = hands.create(plan_of(idempotency_key="k"))
    assert (created.number, created.already_existed) == (number + 1, False)


@pytest.mark.requirement("X3")
@pytest.mark.requirement("X2")
def test_ten_processes_with_one_key_get_one_execution(home: Home) -> None:
    code = """
from stored import Hands, plan_of
hands = Hands(home)
say("ready")
hear()
created = hands.create(plan_of(idempotency_key="only once"))
say(created.number)
say(created.id)
say(created.already_existed)
hands.close()
"""
    with processes(code, 10) as askers:
        for process in askers:
            assert process.says() == "ready"
        for process in askers:
            process.hears()
        said = [process.ends() for process in askers]
    assert {number for number, _, _ in said} == {"1"}
    assert len({execution_id for _, execution_id, _ in said}) == 1
    assert sorted(existed for _, _, existed in said) == ["False"] + ["True"] * 9
    with hands_on(home) as hands:
        assert hands.statuses() == {1: "pending"}
        assert hands.events(1) == ["created"]


def test_numbers_are_unique_and_without_gaps_over_processes(home: Home) -> None:
    code = """
from stored import Hands
hands = Hands(home)
hands.now += os.getpid()
say("ready")
hear()
for _ in range(20):
    say(hands.create().number)
hands.close()
"""
    with processes(code, 4) as creators:
        for process in creators:
            assert process.says() == "ready"
        for process in creators:
            process.hears()
        numbers = [int(line) for process in creators for line in process.ends()]
    assert sorted(numbers) == list(range(1, 81))


def test_a_number_is_not_given_again_after_the_newest_was_deleted(hands: Hands) -> None:
    assert [hands.run(), hands.run()] == [1, 2]
    hands.write(lambda c: executions.delete(c, 2))
    assert hands.create().number == 3
    with hands_on(hands.home) as others:
        assert others.create().number == 4


def test_a_number_is_not_given_again_over_an_older_copy_of_the_database(home: Home) -> None:
    with hands_on(home) as hands:
        hands.run()
        hands.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(home.database, "rb") as file:
            older = file.read()
        assert [hands.run(), hands.run()] == [2, 3]
    with open(home.database, "wb") as file:
        file.write(older)
    with hands_on(home) as hands:
        assert hands.statuses() == {1: "completed"}
        assert hands.create().number == 4


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 21, b"x", b"-4", None], ids=["empty", "zeros", "x", "below 0", "gone"]
)
def test_a_number_file_that_a_power_cut_spoiled_stops_nobody(hands: Hands, content: bytes | None) -> None:
    hands.create()
    if content is None:
        os.unlink(hands.home.numbers)
    else:
        with open(hands.home.numbers, "wb") as file:
            file.write(content)
    assert hands.create().number == 2
    with open(hands.home.numbers, "rb") as file:
        assert int(file.read()) == 2


def test_a_refused_creation_leaves_nothing_but_perhaps_a_gap(hands: Hands) -> None:
    plan = plan_of()
    hands.create(plan)
    with pytest.raises(sqlite3.IntegrityError):
        hands.create(plan)  # the same id
    assert hands.statuses() == {1: "pending"}
    assert hands.rows("SELECT count(*) FROM payloads") == [(1,)]
    assert hands.create().number in (2, 3)


@pytest.mark.requirement("S0-8")
def test_a_changed_definition_is_a_version_of_its_own_and_each_execution_keeps_its_own(hands: Hands) -> None:
    for version, workflow in [("a", "report"), ("b", "report"), ("a", "report"), ("a", "other")]:
        hands.create(plan_of(at=hands.tick(), version=version, workflow_id=workflow))
    assert hands.rows(
        "SELECT w.workflow_id, v.hash FROM workflow_versions v JOIN workflows w ON w.id = v.workflow"
    ) == [
        ("report", "a".rjust(64, "0")),
        ("report", "b".rjust(64, "0")),
        ("other", "a".rjust(64, "0")),
    ]
    versions = [reading.execution(hands.connection, number).version[-1] for number in (1, 2, 3, 4)]
    assert versions == ["a", "b", "a", "a"]
    assert reading.details(hands.connection, 2).definition == '{"version":"b"}'
    assert reading.details(hands.connection, 3).definition == '{"version":"a"}'
    assert reading.details(hands.connection, 3).source == "/workflows/report.yaml"
    before = hands.rows("SELECT * FROM workflow_versions ORDER BY id")
    hands.create(plan_of(at=hands.tick(), version="a"))
    assert hands.rows("SELECT * FROM workflow_versions ORDER BY id") == before, "a version is never rewritten"


@pytest.mark.requirement("S1-8")
def test_agents_customers_and_users_are_entities_that_executions_are_linked_to(hands: Hands) -> None:
    hands.create(plan_of(at=hands.tick(), agent="planner", customer="acme"))
    hands.create(plan_of(at=hands.tick(), agent="planner", customer="zenith", user="bob"))
    hands.create(plan_of(at=hands.tick()))
    assert hands.rows("SELECT id, name FROM agents") == [(1, "planner")]
    assert hands.rows("SELECT id, name FROM customers") == [(1, "acme"), (2, "zenith")]
    assert hands.rows("SELECT id, name FROM users") == [(1, "ada"), (2, "bob")]
    assert hands.rows("SELECT agent, customer, user FROM executions ORDER BY number") == [
        (1, 1, 1),
        (1, 2, 2),
        (None, None, 1),
    ]
    assert [e.number for e in page(hands.connection, Filter(agent="planner")).executions] == [2, 1]
    assert [e.number for e in page(hands.connection, Filter(customer="zenith")).executions] == [2]
    assert [e.number for e in page(hands.connection, Filter(agent="planner", active=True)).executions] == [2, 1]
    for table in ("agents", "customers", "users", "workflows", "workflow_versions"):
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            hands.write(lambda c, table=table: c.execute(f"DELETE FROM {table} WHERE id = 1"))


def test_an_execution_keeps_what_it_retries_where_that_is_known(hands: Hands) -> None:
    first = hands.run()
    assert hands.row(hands.create(plan_of(retry_of=first)).number)["retry_of"] == first
    assert hands.row(hands.create(plan_of(retry_of=77)).number)["retry_of"] is None


@pytest.mark.parametrize("handle", ["7", 7, "#7", "", "x", "01234567-89ab-7def-8123-456789abcdef", 10**14])
def test_a_handle_that_names_nothing_is_not_found(hands: Hands, handle: str | int) -> None:
    hands.create()
    with pytest.raises(NotFound, match="No execution") as caught:
        reading.number_of(hands.connection, handle)
    assert (caught.value.code, caught.value.next) == (
        "execution_not_found",
        "list_execution_history shows the ones that exist",
    )


@pytest.mark.requirement("S3-1")
def test_an_execution_is_found_by_every_form_of_its_handle(hands: Hands) -> None:
    created = hands.create()
    for handle in (created.id, created.id.upper(), 1, "1", "#1", " #1 "):
        assert reading.number_of(hands.connection, handle) == 1
    assert reading.knows(hands.connection, created.id)
    execution = reading.execution(hands.connection, 1)
    assert execution.status is ExecutionStatus.PENDING
    assert execution.created_at == hands.now
    assert execution.updated_at - execution.created_at < SECOND
