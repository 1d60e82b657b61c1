"""An agent learns what it can start without starting anything."""

from collections.abc import Callable
from pathlib import Path

import pytest
from agents import Agent
from mcp import Client
from mcp.server.mcpserver import MCPServer

from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.server.serving import create_server
from outlast.tools.results import USUAL_BYTES

Define = Callable[[str, str], Path]

RELEASE = """\
name: Build and publish
description: |
  Builds the package.
  Then publishes it.
params:
  target: {type: string, enum: [staging, production], default: staging, description: Where to}
  level: {type: integer, min: 1, max: 9}
  token: {type: string, secret: true, required: false}
run: ["true"]
"""


@pytest.mark.requirement("S0-8")
async def test_a_listing_is_short_and_one_workflow_is_told_in_full(agent: Agent, define: Define) -> None:
    define("release", RELEASE)
    define("sketch", "status: draft\nrun: [echo]\n")
    await agent.call("execute_workflow", workflow_id="release", params={"level": 3}, wait_seconds=30)
    listed = await agent.call("list_workflows")
    rows = {row["workflow_id"]: row for row in listed.data["workflows"]}
    assert set(rows) == {"command", "release", "sketch"}
    assert rows["release"]["params"] == "target?: string, level: integer, token?: secret"
    assert rows["release"]["description"] == "Builds the package."
    assert (rows["release"]["last_status"], rows["release"]["last_number"]) == ("completed", 1)
    assert "sketch() [draft: only people start it]" in listed.text
    told = await agent.call("list_workflows", workflow_id="release")
    assert told.data["params"]["level"] == {"type": "integer", "required": True, "min": 1, "max": 9}
    assert told.data["params"]["target"]["enum"] == ["staging", "production"]
    assert told.data["params"]["token"] == {"type": "string", "required": False, "secret": True}
    assert told.data["last_execution"]["number"] == 1
    assert "level: integer, required, 1 to 9" in told.text
    assert 'execute_workflow("release", params={level: …})' in told.text


@pytest.mark.parametrize("workflow_id", ["../../bin/sh", "nothing", "", "x" * 5000, "\ud800"])
async def test_what_is_no_workflow_is_said_to_be_none(agent: Agent, define: Define, workflow_id: str) -> None:
    define("release", RELEASE)
    for tool in ("list_workflows", "execute_workflow"):
        answer = await agent.call(tool, workflow_id=workflow_id)
        assert answer.is_error
        assert answer.data["code"] == "workflow_not_found"
        assert answer.data["next"]
        assert answer.size < 4096


async def test_an_empty_listing_says_where_workflows_go_and_what_was_skipped(home: Home) -> None:
    broken = Path(home.workflows, "broken.yaml")
    broken.write_text("id: broken\n")
    async with Client(create_server(Options(home=home, trigger="mcp"))) as client:
        answer = await Agent(client).call("list_workflows")
    assert answer.data["workflows"] == []
    assert answer.data["directories"] == [home.workflows]
    assert [row["path"] for row in answer.data["skipped"]] == [str(broken)]
    for part in (home.workflows, "outlast demo", "outlast workflows new", "1 file was skipped"):
        assert part in answer.text


async def test_hundreds_of_workflows_fit_into_a_reply_that_says_what_it_left_out(
    server: MCPServer, define: Define
) -> None:
    for n in range(300):
        define(f"workflow-{n:03}", f"description: {'What it does. ' * 8}\nrun: [echo, '{n}']\n")
    async with Client(server) as client:
        answer = await Agent(client).call("list_workflows")
    assert answer.size <= USUAL_BYTES
    assert answer.data["omitted"] == 301 - len(answer.data["workflows"]) > 0
    assert f"{answer.data['omitted']} more do not fit" in answer.text
