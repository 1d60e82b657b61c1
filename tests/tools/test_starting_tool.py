"""`execute_workflow`: a handle at once, or a sentence about what was wrong."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from agents import Agent, Answer
from mcp import Client
from mcp.server.mcpserver import MCPServer

from outlast.kernel.errors import StoreBusy
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime
from outlast.server.opening import Opening
from outlast.server.serving import create_server
from outlast.tools.arguments import clamped
from outlast.tools.results import USUAL_BYTES
from waiting import until

Define = Callable[[str, str], Path]


@pytest.mark.requirement("C1")
async def test_a_started_workflow_is_named_by_its_handle(agent: Agent, define: Define, tmp_path: Path) -> None:
    go = tmp_path / "go"
    define("greet", f"params:\n  name: {{type: string}}\nshell: 'until [ -e {go} ]; do sleep 0.02; done'\n")
    started = await agent.call("execute_workflow", workflow_id="greet", params={"name": "sam"})
    assert started.data.keys() == {"handle_id", "number", "workflow_id", "status", "reason", "already_existed"}
    assert (started.data["number"], started.data["workflow_id"]) == (1, "greet")
    assert started.text.splitlines() == ["#1 greet started (handle 1).", "next: get_status(1, wait_seconds=45)"]
    go.touch()
    for handle in (1, "1", "#1", started.data["handle_id"]):
        status = await agent.call("get_status", handle_id=handle, wait_seconds=30)
        assert (status.data["number"], status.data["status"]) == (1, "completed")


async def test_parameters_that_a_client_sends_as_text_arrive(modern: Agent) -> None:
    done = await modern.call("execute_workflow", workflow_id="command", params='{"argv": ["true"]}', wait_seconds=30)
    assert done.data["status"] == "completed"


async def test_the_first_starts_in_a_new_home_may_come_at_once(modern: Agent) -> None:
    answers: list[Answer] = []

    async def start() -> None:
        answers.append(await modern.call("execute_workflow", workflow_id="command", params={"argv": ["true"]}))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(start)
    assert [answer.text for answer in answers if answer.is_error] == []
    assert sorted(answer.data["number"] for answer in answers) == list(range(1, 11))
    for number in range(1, 11):
        status = await modern.call("get_status", handle_id=number, wait_seconds=30)
        assert status.data["status"] == "completed"


async def test_a_workflow_that_cannot_start_is_a_normal_answer(modern: Agent) -> None:
    started = await modern.call("execute_workflow", workflow_id="command", params={"argv": ["/no/such/program"]})
    assert not started.is_error
    assert started.data["status"] == "failed"
    assert "/no/such/program" in started.data["reason"]
    assert started.data["reason"] in started.text


@pytest.mark.requirement("X3")
async def test_the_same_key_finds_the_first_execution_and_starts_nothing(modern: Agent) -> None:
    request = {"workflow_id": "command", "params": {"argv": ["true"]}, "idempotency_key": "monday"}
    first = await modern.call("execute_workflow", **request)
    again = await modern.call("execute_workflow", **request)
    assert again.data["handle_id"] == first.data["handle_id"]
    assert (first.data["already_existed"], again.data["already_existed"]) == (False, True)
    other = await modern.call("execute_workflow", **request | {"params": {"argv": ["false"]}})
    assert other.is_error
    assert (other.data["code"], other.data["handle_id"]) == ("idempotency_conflict", first.data["handle_id"])
    assert (await modern.call("list_execution_history")).data["total"] == 1


@pytest.mark.requirement("X3")
async def test_waiting_ends_at_the_end_and_is_never_longer_than_45_seconds(modern: Agent) -> None:
    done = await modern.call("execute_workflow", workflow_id="command", params={"argv": ["true"]}, wait_seconds=3600)
    assert done.data["status"] == "completed"
    assert done.data["note"] == "wait_seconds 3600 was cut to 45; ask again to wait longer"
    assert done.data["note"] in done.text
    assert clamped(3600)[0] == 45
    assert clamped(45) == (45, None)


@pytest.mark.requirement("X12")
async def test_an_execution_knows_which_client_started_it(agent: Agent) -> None:
    await agent.run("true", agent="reviewer", customer="acme", labels={"for": "tests"})
    status = await agent.call("get_status", handle_id=1, response_format="detailed")
    client = status.data["client"]
    assert (client["name"], client["version"]) == ("tests", "7")
    assert client["protocol_version"] == agent.client.protocol_version
    known = {name: status.data[name] for name in ("trigger", "user", "agent", "customer", "labels")}
    assert known == {
        "trigger": "mcp",
        "user": "sam",
        "agent": "reviewer",
        "customer": "acme",
        "labels": {"for": "tests"},
    }


async def test_an_unknown_workflow_is_answered_with_those_there_are(modern: Agent, define: Define) -> None:
    define("nightly", "run: [true]\n".replace("true", "'true'"))
    answer = await modern.call("execute_workflow", workflow_id="nigthly")
    assert answer.is_error
    assert answer.data["code"] == "workflow_not_found"
    assert "did you mean nightly?" in answer.data["message"]
    assert answer.data["next"] == "execute_workflow with one of: command, nightly"


async def test_a_command_that_is_not_allowed_says_who_can_allow_it(home: Home, define: Define) -> None:
    define("many", "run: ['true']\n")
    async with Client(create_server(Options(home=home, trigger="mcp", user="sam"))) as client:
        answer = await Agent(client).call("execute_workflow", workflow_id="command", params={"argv": ["true"]})
    assert answer.is_error
    assert answer.data["code"] == "command_not_allowed"
    assert f"A person can switch it on with `allow_command = true` in {home.config}" in answer.data["message"]
    assert answer.data["next"] == "execute_workflow with one of: many"


async def test_wrong_parameters_are_answered_with_the_right_ones(modern: Agent, define: Define) -> None:
    often = "{type: integer, default: 1, min: 1, max: 9}"
    define(
        "greet",
        f"params:\n  name: {{type: string}}\n  often: {often}\n  how: {{enum: [loud, soft]}}\nrun: ['true']\n",
    )
    answer = await modern.call("execute_workflow", workflow_id="greet", params={"nmae": "sam"})
    assert answer.is_error
    assert answer.data["code"] == "unknown_parameter"
    assert "did you mean name?" in answer.data["message"]
    assert (
        answer.data["next"] == 'execute_workflow("greet", params={name: string, often?: integer 1..9, how: loud|soft})'
    )
    assert (await modern.call("list_execution_history")).data["total"] == 0


async def test_an_answer_to_a_thousand_mistakes_is_not_too_large(modern: Agent) -> None:
    params = {f"{'wrong' * 20} {n}": n for n in range(1000)}
    answer = await modern.call("execute_workflow", workflow_id="command", params=params)
    assert answer.is_error
    assert answer.size <= USUAL_BYTES
    assert "more characters)" in answer.data["message"]


async def test_an_agent_cannot_start_a_draft(modern: Agent, define: Define) -> None:
    define("idea", "status: draft\nrun: ['true']\n")
    answer = await modern.call("execute_workflow", workflow_id="idea")
    assert answer.is_error
    assert answer.data["code"] == "workflow_is_draft"
    assert answer.data["next"] == "execute_workflow with one of: command"


@pytest.mark.requirement("X1")
async def test_giving_up_a_call_does_not_end_what_it_started(agent: Agent) -> None:
    async with anyio.create_task_group() as group:

        async def wait_long() -> None:
            await agent.call(
                "execute_workflow",
                workflow_id="command",
                params={"argv": ["/bin/sh", "-c", "sleep 0.3; echo done"]},
                wait_seconds=45,
            )

        async def is_running() -> bool:
            return (await agent.call("list_execution_history", status="running")).data["total"] == 1

        group.start_soon(wait_long)
        await until(is_running)
        group.cancel_scope.cancel()
    [row] = (await agent.call("list_execution_history", active=True)).data["executions"]
    status = await agent.call("get_status", handle_id=row["number"], wait_seconds=30)
    assert (status.data["status"], status.data["log_lines"]) == ("completed", 1)


async def test_an_error_after_the_start_names_the_execution(
    server: MCPServer[Opening], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    argv = ["/bin/sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done"]
    failures = iter((StoreBusy("Somebody else writes.", next="try again"), RuntimeError("a secret path")))

    async def outcomes(self: Runtime, workflow_id: str) -> None:
        raise next(failures)

    monkeypatch.setattr(Runtime, "outcomes", outcomes)
    async with Client(server) as client:
        agent = Agent(client)
        codes: list[str] = []
        for _ in range(2):
            go.unlink(missing_ok=True)
            answer = await agent.call("execute_workflow", workflow_id="command", params={"argv": argv})
            go.touch()
            assert answer.is_error
            assert "secret" not in answer.text
            codes.append(answer.data["code"])
            handle = answer.data["handle_id"]
            assert f"handle: {handle}" in answer.text
            status = await agent.call("get_status", handle_id=handle, wait_seconds=30)
            assert status.data["status"] == "completed"
    assert codes == ["store_busy", "internal_error"]
    assert "a secret path" in caplog.text
