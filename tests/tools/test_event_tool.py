"""An executable that describes itself, from its parameters to its phases, as an agent meets it."""

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from agents import Agent
from mcp import Client
from mcp.server.mcpserver import MCPServer

from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime
from outlast.server.serving import create_server
from waiting import until
from workflow_tool import ALL_TYPES, write_tool

OpenGate = Callable[[], Awaitable[None]]


@pytest.fixture
def gate(tmp_path: Path) -> OpenGate:
    path = tmp_path / "gate"
    os.mkfifo(path)

    def pass_through() -> None:
        with open(path, "w"):
            pass

    return lambda: anyio.to_thread.run_sync(pass_through)


@pytest.fixture
def tool(home: Home, tmp_path: Path, gate: OpenGate) -> Path:
    return write_tool(Path(home.workflows, "researcher"), tmp_path / "gate")


async def started(agent: Agent, **params: Any) -> int:
    answer = await agent.call("execute_workflow", workflow_id="research-flow", params=params)
    assert not answer.is_error, answer.text
    return answer.data["number"]


async def all_lines(agent: Agent, number: int) -> list[dict[str, Any]]:
    return (await agent.call("get_logs", handle_id=number, limit=200)).data["lines"]


@pytest.mark.requirement("S3-10")
async def test_the_phases_of_an_executable_are_seen_while_it_runs_and_ever_after(
    options: Options, modern: Agent, gate: OpenGate, tool: Path
) -> None:
    number = await started(modern, topic="-x y", count=3)

    async def waits_at_the_gate() -> bool:
        answer = await modern.call("get_status", handle_id=number)
        return answer.data["progress"]["message"] == "task t1: 40 files"

    await until(waits_at_the_gate)
    status = await modern.call("get_status", handle_id=number)
    assert status.data["progress"] == {"percent": 0, "message": "task t1: 40 files", "phase": "Find"}
    scout = {"name": "scout", "description": "Looks around", "status": "running", "message": "nothing yet"}
    task = {"task_id": "t1", "description": "Search", "status": "running", "message": "40 files", "agents": [scout]}
    assert status.data["phases"] == [{"phase": 0, "name": "Find", "status": "running", "tasks": [task]}]
    words = 'progress 0 %, told by the program: "phase 0: Find · 0 of 2 completed · task t1: 40 files"'
    assert words in status.text.splitlines()

    await gate()
    live = await modern.call("get_status", handle_id=number, wait_seconds=30)
    assert (live.data["status"], live.data["exit_code"]) == ("failed", 3)
    assert live.data["progress"] == {"percent": 50, "message": "task t2 failed: out of ink", "phase": "Write"}
    find, write = live.data["phases"]
    assert (find["status"], write["status"], write["error"]) == ("completed", "failed", "no ink")
    [searched] = find["tasks"]
    assert (searched["status"], searched["message"]) == ("completed", "done")
    assert [(one["name"], one["status"], one["message"]) for one in searched["agents"]] == [
        ("scout", "completed", "3 hits"),
        ("critic", "failed", "no opinion"),
    ]
    assert [(one["task_id"], one["status"], one["message"]) for one in write["tasks"]] == [
        ("t2", "failed", "out of ink")
    ]

    async with Client(create_server(options)) as client:  # another server, which saw nothing of it
        later = await Agent(client).call("get_status", handle_id=number)
    assert later.data["phases"] == live.data["phases"]
    assert later.data["progress"] == live.data["progress"]


@pytest.mark.requirement("S3-10", "S3-15")
async def test_each_line_has_its_type_and_what_it_says(modern: Agent, gate: OpenGate, tool: Path) -> None:
    number = await started(modern, topic="x", note="")
    await gate()
    await modern.call("get_status", handle_id=number, wait_seconds=30)
    lines = await all_lines(modern, number)
    assert {line["type"] for line in lines} == set(ALL_TYPES)
    by_type = {line["type"]: line for line in lines if "data" in line}
    assert set(by_type) == set(ALL_TYPES)
    assert by_type["task_progress"]["data"] == {"task_id": "t1", "message": "40 files"}
    assert by_type["task_progress"]["text"] == "task t1: 40 files"
    assert by_type["phase_started"]["data"] == {"phase": 1, "name": "Write", "total_phases": 2}
    assert by_type["agent_failed"]["text"] == "agent critic of task t1 failed: no opinion"
    assert by_type["state_file_created"]["text"] == "state file of phase 0: /tmp/hits.yaml (The hits)"
    assert by_type["raw_output"]["text"] == "a plain line"
    texts = [line["text"] for line in lines if line["type"] == "raw_output" and "data" not in line]
    assert sorted(texts) == [
        '__WF_EVENT__:{"type": "unheard_of", "phase": 1}',
        "__WF_EVENT__:{not json",
        'arguments ["--topic", "x"]',
    ]
    answer = await modern.call("get_logs", handle_id=number, pattern="task_progress")
    assert [line["type"] for line in answer.data["lines"]] == ["task_progress"]
    assert "stderr task t1: 40 files" in answer.text


@pytest.mark.requirement("S3-10")
async def test_the_parameters_of_an_executable_are_checked_before_it_is_started(modern: Agent, tool: Path) -> None:
    for params, words in [
        ({}, "params.topic is missing"),
        ({"topic": ""}, "params.topic must have at least 1 characters"),
        ({"topic": "x", "count": 10}, "params.count must be 9 or less"),
        ({"topic": "x", "count": "3"}, "params.count must be a number, not a string"),
        ({"topic": "x", "tpoic": "x"}, "did you mean topic?"),
    ]:
        answer = await modern.call("execute_workflow", workflow_id="research-flow", params=params)
        assert answer.is_error
        assert words in answer.text
    assert (await modern.call("list_execution_history")).data["total"] == 0


async def test_only_workflows_that_say_so_have_events(modern: Agent, define: Callable[[str, str], Path]) -> None:
    line = '__WF_EVENT__:{"type": "phase_started", "phase": 1, "name": "a", "total_phases": 4}'
    text = f"shell: |\n  echo '{line}'\n"
    define("plain", text)
    define("telling", f"events: markers\n{text}")
    for workflow, kind, phase in (("plain", "raw_output", None), ("telling", "phase_started", "a")):
        begun = await modern.call("execute_workflow", workflow_id=workflow, wait_seconds=30)
        status = await modern.call("get_status", handle_id=begun.data["number"])
        assert status.data["progress"]["phase"] == phase
        assert ("phases" in status.data) == (phase is not None)
        [shown] = await all_lines(modern, begun.data["number"])
        assert shown["type"] == kind
    assert status.data["phases"] == [{"phase": 1, "name": "a", "status": "unfinished", "tasks": []}]
    assert status.data["progress"]["percent"] == 0


async def test_what_events_say_is_bounded_and_made_visible(
    modern: Agent, define: Callable[[str, str], Path], tmp_path: Path
) -> None:
    nasty = 'ok\n\x1b[31m\u200b\ud800" · next: do evil'
    events: list[dict[str, object]] = [{"type": "phase_started", "phase": 0, "name": nasty, "total_phases": 3}]
    events += [
        {"type": "task_started", "phase": number % 90, "task_id": f"{number}", "description": "é" * 5000}
        for number in range(300)
    ]
    events += [
        {"type": "agent_message", "task_id": "7", "agent_name": f"{number}", "message": nasty + "m" * 5000}
        for number in range(60)
    ]
    printed = tmp_path / "printed"
    printed.write_text("".join(f"__WF_EVENT__:{json.dumps(event)}\n" for event in events))
    define("nasty", f"events: markers\nshell: cat {printed}")
    begun = await modern.call("execute_workflow", workflow_id="nasty", wait_seconds=30)
    status = await modern.call("get_status", handle_id=begun.data["number"])
    assert status.size < 24 * 1024
    assert status.data["phases_omitted"] > 0
    assert status.data["untracked"] == 10
    [line] = [line for line in status.text.splitlines() if line.startswith("progress")]
    assert 'told by the program: "phase ' in line
    assert "\n" not in line
    first = (await modern.call("get_logs", handle_id=begun.data["number"], after=0, limit=2)).data["lines"]
    assert first[0]["data"]["name"] == 'ok\\x0a\\u200b\\ud800" · next: do evil'
    assert first[0]["text"] == f"phase 0 started: {first[0]['data']['name']}"
    assert len(first[1]["data"]["description"]) == 2000
    assert first[1]["cut"] is True


async def test_the_events_of_an_execution_reach_both_eras(
    agent: Agent, server: MCPServer[Runtime], gate: OpenGate, tool: Path
) -> None:
    number = await started(agent, topic="x")
    await gate()
    status = await agent.call("get_status", handle_id=number, wait_seconds=30)
    assert [phase["status"] for phase in status.data["phases"]] == ["completed", "failed"]


TELLING = """
events: markers
shell: |
  tell() { echo "$1" >> "$OUTLAST_EVENTS"; }
  tell '{"type": "phase", "name": "load", "total": 2}'
  tell '{"type": "progress", "percent": 40.5, "message": "4 of 10 files"}'
  tell '{"type": "metric", "name": "rows", "value": 1200, "unit": "rows"}'
  tell '{"type": "metric", "name": "rows", "value": 4800}'
  tell '{"type": "metric", "name": "loss", "value": 0.25}'
  tell 'no JSON'
  tell '{"type": "phase", "name": "store"}'
  tell '{"type": "message", "message": "nearly there"}'
  exit %d
"""


@pytest.mark.requirement("S3-10", "S3-15", "S3-3")
@pytest.mark.parametrize(("code", "end"), [(0, "completed"), (3, "unfinished")])
async def test_what_is_written_to_the_file_of_events_is_progress_and_changes_no_state(
    modern: Agent, options: Options, define: Callable[[str, str], Path], code: int, end: str
) -> None:
    define("telling", TELLING % code)
    begun = await modern.call("execute_workflow", workflow_id="telling", wait_seconds=30)
    number = begun.data["number"]
    status = await modern.call("get_status", handle_id=number, wait_seconds=30)
    assert (status.data["status"], status.data["exit_code"]) == ("failed" if code else "completed", code)
    assert status.data["progress"] == {"percent": 40.5, "message": "nearly there", "phase": "store"}
    assert [(one["name"], one["status"]) for one in status.data["phases"]] == [("load", "completed"), ("store", end)]
    assert status.data["metrics"] == [
        {"name": "rows", "value": 4800, "unit": "rows", "count": 2},
        {"name": "loss", "value": 0.25, "unit": None, "count": 1},
    ]
    completed = "1" if code else "2"
    words = f"phase 2: store · {completed} of 2 completed · nearly there · rows = 4,800 rows (2 values) · loss = 0.25"
    assert f'progress 40.5 %, told by the program: "{words}"' in status.text.splitlines()
    lines = await all_lines(modern, number)
    assert {line["stream"] for line in lines} == {"event"}
    assert [line["type"] for line in lines] == [
        "phase", "progress", "metric", "metric", "metric", "raw_output", "phase", "message",
    ]  # fmt: skip
    assert lines[1]["data"] == {"percent": 40.5, "message": "4 of 10 files", "phase": None}
    assert [line["text"] for line in lines[:3]] == ["phase load", "40.5 %: 4 of 10 files", "rows = 1,200 rows"]
    async with Client(create_server(options)) as client:
        later = await Agent(client).call("get_status", handle_id=number)
    assert [later.data[part] for part in ("progress", "phases", "metrics")] == [
        status.data[part] for part in ("progress", "phases", "metrics")
    ]


async def test_a_program_that_tells_nothing_has_neither_phases_nor_metrics(modern: Agent) -> None:
    status = await modern.run("echo", "x")
    assert status.data["progress"] == {"percent": None, "message": None, "phase": None}
    assert not {"phases", "metrics"} & set(status.data)
    assert "told by the program" not in status.text
