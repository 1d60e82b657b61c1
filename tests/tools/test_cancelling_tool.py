"""An agent ends an execution, and is told when nothing of it is left."""

import pytest
from agents import Agent

SLEEP = {"argv": ["sleep", "300"]}


@pytest.mark.requirement("C1")
async def test_a_cancelled_execution_is_over_with_its_reason(agent: Agent) -> None:
    started = await agent.call("execute_workflow", workflow_id="command", params=SLEEP)
    asked = await agent.call("cancel_execution", handle_id=started.data["number"], reason="wrong target")
    assert (asked.data["handle_id"], asked.data["cancel_requested"]) == (started.data["handle_id"], True)
    ended = await agent.call("get_status", handle_id=1, wait_seconds=30)
    assert ended.data["status"] == "cancelled"
    assert ended.data["reason"].endswith("sam: wrong target")
    again = await agent.call("cancel_execution", handle_id=1)
    assert not again.is_error
    assert again.data["status"] == "cancelled"


async def test_cancelling_can_wait_for_the_end(modern: Agent) -> None:
    await modern.call("execute_workflow", workflow_id="command", params=SLEEP)
    answer = await modern.call("cancel_execution", handle_id=1, wait_seconds=30)
    assert answer.data["status"] == "cancelled"
    assert "cancelled after" in answer.text


async def test_what_is_over_stays_as_it_is(modern: Agent) -> None:
    await modern.run("true")
    answer = await modern.call("cancel_execution", handle_id=1)
    assert (answer.data["status"], answer.data["cancel_requested"]) == ("completed", False)


async def test_cancelling_nothing_names_the_next_call(modern: Agent) -> None:
    answer = await modern.call("cancel_execution", handle_id=7)
    assert (answer.is_error, answer.data["code"]) == (True, "execution_not_found")
    assert "list_execution_history" in answer.data["next"]
