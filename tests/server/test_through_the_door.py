"""What is promised to users, through a real server over stdio and a real client."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
import pytest
from servers import SERVER, Era, Session, process, session

from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.process import await_end, identify
from waiting import BOUND, until

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


def define(home: Home, workflow_id: str, text: str) -> None:
    path = Path(home.workflows, f"{workflow_id}.yaml")
    path.write_text(f"id: {workflow_id}\n{text}")
    path.chmod(0o600)


async def ended(agent: Session, workflow_id: str, **params: Any) -> dict[str, Any]:
    """Run a workflow to its end; its status."""
    started = await agent.call("execute_workflow", workflow_id=workflow_id, params=params)
    assert not started.is_error, started.text
    return (await agent.call("get_status", handle_id=started.data["number"], wait_seconds=30)).data


@pytest.mark.requirement("C1")
@ERAS
async def test_every_outcome_is_told_as_it_was(home: Home, tmp_path: Path, era: Era) -> None:
    define(home, "slow", "timeout: 200ms\nkill_grace: 100ms\nrun: [sleep, '300']\n")
    define(home, "nowhere", "cwd: /no/such/place\nrun: ['true']\n")
    async with session(home, tmp_path, era) as agent:
        for script, code, number in (
            ("exit 0", 0, None),
            ("exit 3", 3, None),
            ("exit 126", 126, None),
            ("exit 127", 127, None),
            ("kill -SEGV $$", 139, 11),
        ):
            status = await ended(agent, "command", argv=["/bin/sh", "-c", script])
            assert (status["status"], status["exit_code"]) == ("failed" if code else "completed", code), script
            assert status["signal"] == number
        missing = await ended(agent, "command", argv=["/no/such/program"])
        assert (missing["status"], missing["exit_code"]) == ("failed", None)
        assert "command not found: /no/such/program" in missing["reason"]
        assert "/no/such/place" in (await ended(agent, "nowhere"))["reason"]
        slow = await ended(agent, "slow")
        assert (slow["status"], slow["reason"]) == ("timeout", "timed out after 0.2 s")
        number = await agent.start("trap '' TERM; (setsid sleep 300 &) ; sleep 300")
        await agent.call("cancel_execution", handle_id=number)
        cancelled = (await agent.call("get_status", handle_id=number, wait_seconds=30)).data
        assert cancelled["status"] == "cancelled"


@pytest.mark.requirement("S3-2", "S4-15")
@ERAS
async def test_what_is_wrong_is_refused_with_a_sentence_and_the_next_call(home: Home, tmp_path: Path, era: Era) -> None:
    define(
        home,
        "typed",
        "params:\n  count: {type: integer, max: 9}\n  ratio: {type: number, default: 0.5}\n"
        "  dry: {type: boolean, default: true}\n  names: {type: list, default: []}\n  token: {secret: true}\n"
        "run: ['true']\n",
    )
    secret = "hunter2-hunter2"
    good = {"count": 3, "ratio": 2.5, "dry": False, "names": ["ü", "b"], "token": secret}
    async with session(home, tmp_path, era) as agent:
        status = await ended(agent, "typed", **good)
        told = await agent.call("get_status", handle_id=status["number"], response_format="detailed")
        assert told.data["params"] == good | {"token": "***"}
        for tool, arguments, code in (
            ("execute_workflow", {"workflow_id": "typed", "params": good | {"cuont": 1}}, "unknown_parameter"),
            ("execute_workflow", {"workflow_id": "typed", "params": good | {"count": "3"}}, "invalid_input"),
            ("execute_workflow", {"workflow_id": "typed", "params": good | {"count": 10}}, "invalid_input"),
            ("execute_workflow", {"workflow_id": "typed", "params": {"token": secret}}, "invalid_input"),
            ("execute_workflow", {"workflow_id": "typed", "params": {"token": [secret]}}, "invalid_input"),
            ("execute_workflow", {"workflow_id": "../../bin/sh"}, "workflow_not_found"),
            ("execute_workflow", {"workflow_id": "typed", "parameters": good}, "invalid_input"),
            ("get_status", {"handle_id": 1, "verbose": True}, "invalid_input"),
            ("get_status", {"handle_id": 10**9}, "execution_not_found"),
            ("get_logs", {"handle_id": 1, "pattern": "("}, "invalid_input"),
            ("get_logs", {"handle_id": 1, "after": 1, "before": 3}, "invalid_input"),
            ("list_execution_history", {"limit": 501}, "invalid_input"),
            ("list_execution_history", {"cursor": "'; DROP TABLE executions; --"}, "invalid_input"),
            ("cancel_execution", {"handle_id": "'; DROP TABLE executions; --"}, "execution_not_found"),
        ):
            refused = await agent.call(tool, **arguments)
            assert refused.is_error, (tool, arguments)
            assert refused.data["code"] == code, (tool, arguments)
            assert refused.data["message"], (tool, arguments)
            assert refused.data["next"], (tool, arguments)
            for part in (secret, "Traceback", "pydantic", "sqlite3"):
                assert part not in refused.text, (tool, arguments)
        assert (await agent.call("list_execution_history")).data["total"] == 1
    assert secret.encode() not in b"".join(p.read_bytes() for p in Path(home.root).glob("executions.db*"))


@ERAS
@pytest.mark.parametrize("text", ["null", "true", "3", "[1]", "{}", '{"a": 1}', '"x"'])
async def test_a_text_that_looks_like_json_stays_that_text(home: Home, tmp_path: Path, era: Era, text: str) -> None:
    """A key that became null would start the work twice; a filter that became null would show everything."""
    command = {"workflow_id": "command", "params": {"argv": ["printf", "%s\n", text]}}
    async with session(home, tmp_path, era) as agent:
        first = await agent.call("execute_workflow", **command, idempotency_key=text, customer=text, wait_seconds=30)
        again = await agent.call("execute_workflow", **command, idempotency_key=text, customer=text)
        assert (first.data["already_existed"], again.data["already_existed"]) == (False, True)
        await agent.call("execute_workflow", **command, wait_seconds=30)
        listed = await agent.call("list_execution_history", customer=text)
        assert [row["number"] for row in listed.data["executions"]] == [1]
        told = await agent.call("list_workflows", workflow_id=text)
        assert (told.is_error, told.data["code"]) == (True, "workflow_not_found")
        found = await agent.call("get_logs", handle_id=1, pattern=text)
        assert not found.is_error, found.text


@ERAS
async def test_a_tool_that_is_none_is_answered_like_every_mistake(home: Home, tmp_path: Path, era: Era) -> None:
    async with session(home, tmp_path, era) as agent:
        answer = await agent.call("get_sttus")
        assert (answer.is_error, answer.data["code"]) == (True, "invalid_input")
        assert "get_status" in answer.data["next"]


@pytest.mark.requirement("X12")
async def test_the_history_says_which_connection_started_what(home: Home, tmp_path: Path) -> None:
    sessions: list[str] = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        async with session(home, folder) as agent:
            for _ in range(2):
                number = await agent.start("true")
                told = await agent.call("get_status", handle_id=number, response_format="detailed")
                sessions.append(told.data["client"]["session"])
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]


async def test_a_child_gets_no_input_and_reaches_nobody(home: Home, tmp_path: Path) -> None:
    """It reads the end of its input, and what it writes into every descriptor it may have is only its own output."""
    forged = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"forged": True}})
    script = f"cat; for fd in 1 2 3 4 5 6 7 8 9; do echo '{forged}' >&$fd; done 2>/dev/null; echo end"
    async with session(home, tmp_path) as agent:
        number = await agent.start(script)
        status = (await agent.call("get_status", handle_id=number, wait_seconds=30)).data
        assert status["status"] == "completed"
        lines = (await agent.call("get_logs", handle_id=number)).data["lines"]
        assert [line["text"] for line in lines] in ([forged, "end"], [forged, forged, "end"])


@pytest.mark.requirement("X1")
async def test_a_killed_process_group_takes_no_execution_with_it(home: Home, tmp_path: Path) -> None:
    """Clients end a server with its whole group, SIGKILL included."""
    go = tmp_path / "go"
    async with process(home, tmp_path, ["setsid", *SERVER]) as server:
        started = await talk(server, f"seq 1 500; until [ -e {go} ]; do sleep 0.02; done; seq 501 600; exit 9")
        group = identify(server.pid, Clock())
        assert group is not None
        os.killpg(server.pid, signal.SIGKILL)
        assert await anyio.to_thread.run_sync(await_end, group, Clock().boot_id(), BOUND)
    async with session(home, tmp_path) as agent:
        assert (await agent.call("get_status", handle_id=started)).data["status"] == "running"
        go.touch()
        status = (await agent.call("get_status", handle_id=started, wait_seconds=30)).data
        assert (status["status"], status["exit_code"], status["log_lines"]) == ("failed", 9, 600)
        page = await agent.call("get_logs", handle_id=started, after=0, limit=600)
        assert [line["text"] for line in page.data["lines"]] == [str(n) for n in range(1, len(page.data["lines"]) + 1)]


async def talk(server: anyio.abc.Process, script: str) -> int:
    """Shake hands with a bare server and start a shell script; its number."""
    assert server.stdin is not None
    assert server.stdout is not None
    handshake = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    call = {
        "name": "execute_workflow",
        "arguments": {"workflow_id": "command", "params": {"argv": ["/bin/sh", "-c", script]}},
    }
    for message in (
        {"id": 1, "method": "initialize", "params": handshake},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ):
        await server.stdin.send(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
    received = b""
    with anyio.fail_after(BOUND):
        while True:
            received += await server.stdout.receive()
            for line in received.splitlines(keepends=True):
                if line.endswith(b"\n") and (answer := json.loads(line)).get("id") == 2:
                    return int(answer["result"]["structuredContent"]["number"])


@pytest.mark.requirement("X3")
async def test_one_key_from_two_servers_is_one_execution(home: Home, tmp_path: Path) -> None:
    first_folder, second_folder = tmp_path / "first", tmp_path / "second"
    first_folder.mkdir()
    second_folder.mkdir()
    arguments: dict[str, Any] = {"workflow_id": "command", "params": {"argv": ["true"]}, "idempotency_key": "once"}
    async with session(home, first_folder) as first, session(home, second_folder, "legacy") as second:
        answers: list[dict[str, Any]] = []

        async def start(agent: Session) -> None:
            answers.append((await agent.call("execute_workflow", **arguments)).data)

        async with anyio.create_task_group() as group:
            for agent in (first, second, first, second):
                group.start_soon(start, agent)
        assert len({answer["handle_id"] for answer in answers}) == 1
        assert sorted(answer["already_existed"] for answer in answers) == [False, True, True, True]


@pytest.mark.requirement("S3-21")
async def test_what_the_command_line_started_is_read_by_an_agent_after_everything_was_restarted(
    home: Home, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "outlast", "--allow-command", "run", "--json", "--"]
    script = f"echo from the terminal; until [ -e {tmp_path}/go ]; do sleep 0.02; done; exit 5"

    def run() -> dict[str, Any]:
        done = subprocess.run([*command, "sh", "-c", script], capture_output=True, check=True, timeout=BOUND)
        return json.loads(done.stdout)

    started = await anyio.to_thread.run_sync(run)
    supervisor = Path(home.run(started["handle_id"]).run_lock)
    holder = identify(int(supervisor.read_text().split()[0]), Clock())
    assert holder is not None
    holder.signal(Clock().boot_id(), signal.SIGKILL)
    (tmp_path / "go").touch()
    await until(Path(home.run(started["handle_id"]).attempt("run", 1).exitcode).exists)
    async with session(home, tmp_path) as agent:
        for handle in (started["handle_id"], started["number"]):
            status = (await agent.call("get_status", handle_id=handle, wait_seconds=30)).data
            assert (status["status"], status["exit_code"]) == ("failed", 5)
        lines = (await agent.call("get_logs", handle_id=started["handle_id"])).data["lines"]
        assert [line["text"] for line in lines] == ["from the terminal"]
