"""`outlast serve`: a real process, a real client, and nothing on the wire but messages."""

import json
import os
import select
import signal
import subprocess
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process
from servers import SERVER, Era, process, session

from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.process import await_end, identify
from outlast.tools.registration import TOOLS
from waiting import until

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "tests", "version": "7"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
BOUND = 20.0
"""Seconds in which a process that ends at once has certainly ended, on a busy machine too."""


def call(id: int, tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


async def send(server: Process, *messages: dict[str, Any] | bytes) -> None:
    assert server.stdin is not None
    for message in messages:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        await server.stdin.send(data + b"\n")


class Reader:
    """Reads the messages of a server; everything it prints has to be one."""

    def __init__(self, server: Process) -> None:
        self._server = server
        self._rest = b""

    async def message(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        with anyio.fail_after(BOUND):
            while b"\n" not in self._rest:
                self._rest += await self._server.stdout.receive()
        line, _, self._rest = self._rest.partition(b"\n")
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    async def answer(self, id: int | str | None) -> dict[str, Any]:
        """The answer to a request, in the order in which answers come."""
        message = await self.message()
        assert message["id"] == id
        return message

    async def end(self) -> bytes:
        """What is left until the end of the output."""
        assert self._server.stdout is not None
        try:
            while True:
                self._rest += await self._server.stdout.receive()
        except anyio.EndOfStream:
            return self._rest


async def ready(server: Process) -> Reader:
    reader = Reader(server)
    await send(server, INITIALIZE)
    assert (await reader.answer(1))["result"]["serverInfo"]["name"] == "outlast"
    await send(server, INITIALIZED)
    return reader


async def exit_code(server: Process) -> int:
    with anyio.fail_after(BOUND):
        return await server.wait()


@pytest.mark.requirement("C1")
@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_real_client_runs_a_workflow_and_reads_it_back(home: Home, tmp_path: Path, era: Era) -> None:
    async with session(home, tmp_path, era) as agent:
        number = await agent.start("echo out; echo err >&2; exit 3")
        status = await agent.call("get_status", handle_id=number, wait_seconds=30)
        assert (status.data["status"], status.data["exit_code"]) == ("failed", 3)
        logs = await agent.call("get_logs", handle_id=number)
        assert [line["text"] for line in logs.data["lines"]] == ["out", "err"]
        listed = await agent.call("list_execution_history")
        assert listed.data["total"] == 1
        details = await agent.call("get_status", handle_id=number, response_format="detailed")
        modern = details.data["client"]["protocol_version"] > "2026"
        assert modern is (era == "auto")
    assert (tmp_path / "stderr").read_text() == ""


@pytest.mark.requirement("C1", "X1")
async def test_a_past_session_can_be_asked_about(home: Home, tmp_path: Path) -> None:
    """Killed in the middle of the work, the server is not missed: the next one knows the code and every line."""
    go_on = tmp_path / "go on"
    script = f"seq 1 500; while [ ! -e '{go_on}' ]; do sleep 0.02; done; seq 501 1000; exit 7"
    async with session(home, tmp_path) as first:
        number = await first.start(script)

        async def printed() -> bool:
            return (await first.call("get_status", handle_id=number)).data["log_lines"] == 500

        await until(printed)
        seen = await first.call("get_logs", handle_id=number)
        os.kill(first.pid, signal.SIGKILL)
    go_on.touch()
    async with session(home, tmp_path) as second:
        status = await second.call("get_status", handle_id=number, wait_seconds=30)
        assert (status.data["status"], status.data["exit_code"]) == ("failed", 7)
        assert (status.data["log_lines"], status.data["log_lines_final"]) == (1000, True)
        again = await second.call("get_logs", handle_id=number, after=450, limit=50)
        assert again.data["lines"] == seen.data["lines"]
        lines: list[str] = []
        cursor = 0
        while cursor is not None:
            page = await second.call("get_logs", handle_id=number, after=cursor, limit=300)
            lines += [line["text"] for line in page.data["lines"]]
            cursor = page.data["next_cursor"]
        assert lines == [str(n) for n in range(1, 1001)]


@pytest.mark.requirement("X2")
async def test_two_servers_over_one_home_tell_the_same(home: Home, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with session(home, tmp_path / "one") as one, session(home, tmp_path / "two") as two:
        go_on = tmp_path / "go on"
        number = await one.start(f"echo here; while [ ! -e '{go_on}' ]; do sleep 0.02; done; exit 3")

        async def printed() -> bool:
            status = (await two.call("get_status", handle_id=number)).data
            return (status["status"], status["log_lines"]) == ("running", 1)

        await until(printed)
        other = await two.start("true")
        assert other == number + 1
        go_on.touch()
        for agent in (one, two):
            status = await agent.call("get_status", handle_id=number, wait_seconds=30)
            assert (status.data["status"], status.data["exit_code"]) == ("failed", 3)
            assert (await agent.call("get_status", handle_id=other, wait_seconds=30)).data["status"] == "completed"
            assert (await agent.call("list_execution_history")).data["total"] == 2


@pytest.mark.requirement("X1")
@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "SIGINT"])
async def test_a_server_ends_at_once_and_its_execution_goes_on(home: Home, tmp_path: Path, how: str) -> None:
    go_on = tmp_path / "go on"
    script = f"echo here; while [ ! -e '{go_on}' ]; do sleep 0.02; done; exit 5"
    async with process(home, tmp_path) as server:
        reader = await ready(server)
        await send(
            server, call(2, "execute_workflow", workflow_id="command", params={"argv": ["/bin/sh", "-c", script]})
        )
        started = (await reader.answer(2))["result"]["structuredContent"]
        # Somebody waits for it all the while.
        await send(server, call(3, "get_status", handle_id=started["number"], wait_seconds=45))
        if how == "end of input":
            assert server.stdin is not None
            await server.stdin.aclose()
        else:
            server.send_signal(getattr(signal, how))
        assert await exit_code(server) == 0
    go_on.touch()
    async with session(home, tmp_path) as next_one:
        status = await next_one.call("get_status", handle_id=started["handle_id"], wait_seconds=30)
        assert (status.data["status"], status.data["exit_code"]) == ("failed", 5)
    assert (tmp_path / "stderr").read_text() == ""


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
async def test_a_server_that_is_stuck_ends_too(home: Home, tmp_path: Path, how: str) -> None:
    """Its event loop is blocked for ever, and so is what would close the store."""
    stuck = SERVER[2].replace(
        "anyio.run(",
        "import outlast.server.serving as serving, contextlib, threading\n"
        "@contextlib.asynccontextmanager\n"
        "async def stuck(options):\n"
        "    try:\n"
        "        yield None\n"
        "    finally:\n"
        "        threading.Event().wait()\n"
        "serving.open_runtime = stuck\n"
        "anyio.run(",
    )
    async with process(home, tmp_path, [*SERVER[:2], stuck]) as server:
        await ready(server)
        if how == "end of input":
            assert server.stdin is not None
            await server.stdin.aclose()
        else:
            server.send_signal(signal.SIGTERM)
        assert await exit_code(server) == 0


async def test_a_server_ends_while_it_waits_for_its_store(home: Home, tmp_path: Path) -> None:
    """A client that gives up does not leave a server behind that still waits for somebody's lock."""
    slow = SERVER[2].replace(
        "anyio.run(",
        "import outlast.runtime.runtime as opening, contextlib\n"
        "@contextlib.asynccontextmanager\n"
        "async def slow(options):\n"
        "    print('opening', file=sys.stderr, flush=True)\n"
        "    await anyio.sleep_forever()\n"
        "    yield\n"
        "opening.open_runtime = slow\n"
        "anyio.run(",
    )
    async with process(home, tmp_path, [*SERVER[:2], slow]) as server:
        await ready(server)
        await until(lambda: (tmp_path / "stderr").read_text() == "opening\n")
        assert server.stdin is not None
        await server.stdin.aclose()
        assert await exit_code(server) == 0


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_store_that_cannot_be_opened_is_told_to_whoever_calls_and_tried_again(
    home: Home, tmp_path: Path, era: Era
) -> None:
    """A server that ended instead would only be a red dot in the client's list."""
    Path(home.database).write_bytes(b"this is no database, whatever its name says\n" * 100)
    async with session(home, tmp_path, era) as agent:
        for _ in range(2):
            refused = await agent.call("list_execution_history")
            assert refused.is_error
            assert refused.data["code"] == "store_damaged"
            assert "outlast db restore" in refused.data["next"]
        Path(home.database).unlink()
        assert (await agent.call("list_execution_history")).data["total"] == 0


async def test_a_host_that_discovers_first_may_still_shake_hands(home: Home, tmp_path: Path) -> None:
    """Real hosts probe with the newer protocol and then use the older one, on one pipe."""
    envelope = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
    discover = {"jsonrpc": "2.0", "id": "probe", "method": "server/discover", "params": envelope}
    async with process(home, tmp_path) as server:
        reader = Reader(server)
        await send(server, discover, discover)
        for _ in range(2):
            found = (await reader.message())["result"]
            assert "2026-07-28" in found["supportedVersions"]
            assert found["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}
        await send(server, INITIALIZE)
        shaken = (await reader.answer(1))["result"]
        assert shaken["protocolVersion"] == "2025-11-25"
        assert shaken["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}
        assert shaken["capabilities"]["tools"] == {"listChanged": False}
        assert len(shaken["instructions"].encode()) <= 2048
        await send(server, INITIALIZED, call(2, "list_execution_history"))
        while (message := await reader.message()).get("id") != 2:
            assert "method" in message
        assert message["result"]["structuredContent"]["total"] == 0
        await send(server, discover)
        assert "error" in await reader.answer("probe")


async def test_a_server_whose_parent_is_gone_is_gone_too(home: Home, tmp_path: Path) -> None:
    """Its pipe may stay open in somebody else's hands."""
    pid = tmp_path / "pid"
    held = ["/bin/sh", "-c", f'exec 3<&0; "$@" <&3 & echo $! > {pid}; wait', "sh", *SERVER]
    async with process(home, tmp_path, held) as parent:
        await until(lambda: pid.exists() and pid.read_text().endswith("\n"))
        await ready(parent)
        server = identify(int(pid.read_text()), Clock())
        assert server is not None
        parent.kill()
        assert await anyio.to_thread.run_sync(await_end, server, Clock().boot_id(), BOUND)


async def test_a_client_that_writes_and_never_reads_can_leave(home: Home, tmp_path: Path) -> None:
    """The end of input is noticed behind thousands of answers that nobody takes."""

    def talk_without_listening() -> int:
        with subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as server:
            assert server.stdin is not None
            os.set_blocking(server.stdin.fileno(), False)
            wholly = b"no message\n" * 100
            refused = 0
            # Full for a while: the server has stopped reading because nobody takes its answers.
            while refused < 20:
                try:
                    os.write(server.stdin.fileno(), wholly)
                    refused = 0
                except BlockingIOError:
                    refused += 1
                    select.select([], [server.stdin.fileno()], [], 0.1)
            server.stdin.close()
            return server.wait(BOUND)

    environment = os.environ | {"OUTLAST_HOME": home.root}
    assert await anyio.to_thread.run_sync(talk_without_listening) == 0


@pytest.mark.requirement("C1")
async def test_only_messages_get_onto_the_wire(home: Home, tmp_path: Path) -> None:
    """Neither what children print nor what libraries print inside the server reaches the client."""
    forged = json.dumps({"jsonrpc": "2.0", "id": 2, "result": {"content": [], "isError": False}})
    noisy = SERVER[2].replace(
        "anyio.run(",
        "import outlast.runtime.runtime as opening\n"
        "opened = opening.open_runtime\n"
        "def open_runtime(options):\n"
        f"    print({forged!r}, flush=True); os.write(1, {forged.encode()!r}); os.system('echo noise; cat')\n"
        "    return opened(options)\n"
        "opening.open_runtime = open_runtime\n"
        "anyio.run(",
    )
    script = f"printf '%s\\n' '{forged}'; printf '%s\\n' '{forged}' >&2; cat"
    async with process(home, tmp_path, [*SERVER[:2], noisy]) as server:
        reader = await ready(server)
        argv = ["/bin/sh", "-c", script]
        await send(server, call(2, "execute_workflow", workflow_id="command", params={"argv": argv}, wait_seconds=30))
        answer = await reader.answer(2)
        assert answer["result"]["structuredContent"]["status"] == "completed"
        await send(server, call(3, "get_logs", handle_id=1))
        lines = (await reader.answer(3))["result"]["structuredContent"]["lines"]
        assert [line["text"] for line in lines] == [forged] * 2
        assert server.stdin is not None
        await server.stdin.aclose()
        assert await reader.end() == b""
        assert await exit_code(server) == 0
    assert (tmp_path / "stderr").read_text() == f"{forged}\n{forged}noise\n"


@pytest.mark.parametrize(
    ("line", "code", "id"),
    [
        (b"not json", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": ["\\ud800"]}', -32600, 5),
        (b'{"jsonrpc": "2.0", "id": 5, "method": "\xff"}', -32700, None),
        (b'{"jsonrpc": "2.0", "id": 5}', -32600, 5),
        (b"[1, 2]", -32600, None),
        (b"[" * 100_000, -32700, None),
        (b"x" * (16 * 1024 * 1024 + 2), -32700, None),
    ],
    ids=["words", "half a character", "not utf-8", "no method", "a list", "deep", "long"],
)
async def test_a_line_that_is_no_message_is_answered_and_forgotten(
    home: Home, tmp_path: Path, line: bytes, code: int, id: int | None
) -> None:
    async with process(home, tmp_path) as server:
        reader = await ready(server)
        await send(server, b"", line)
        assert (await reader.answer(id))["error"]["code"] == code
        await send(server, {"jsonrpc": "2.0", "id": 6, "method": "tools/list"})
        assert len((await reader.answer(6))["result"]["tools"]) == len(TOOLS)


async def test_large_messages_pass_in_both_directions(home: Home, tmp_path: Path) -> None:
    async with session(home, tmp_path) as agent:
        argv = ["printf", "%s\\n", *(str(n) + "x" * 1500 for n in range(40))]
        started = await agent.call("execute_workflow", workflow_id="command", params={"argv": argv}, wait_seconds=30)
        assert started.data["status"] == "completed"
        logs = await agent.call("get_logs", handle_id=1, limit=1000)
        shown = [line["text"] for line in logs.data["lines"]]
        assert shown == argv[-len(shown) :]
        assert len(shown) > 15


async def test_input_and_output_may_be_files(home: Home, tmp_path: Path) -> None:
    requests = [INITIALIZE, INITIALIZED]
    (tmp_path / "in").write_text("".join(json.dumps(message) + "\n" for message in requests))
    with (tmp_path / "in").open() as given, (tmp_path / "out").open("w") as taken, (tmp_path / "err").open("w") as err:
        environment = os.environ | {"OUTLAST_HOME": home.root}
        async with await anyio.open_process(SERVER, stdin=given, stdout=taken, stderr=err, env=environment) as server:
            assert await exit_code(server) == 0
    assert (tmp_path / "err").read_text() == ""
    answers = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert [answer["id"] for answer in answers] in ([], [1])  # the end of input may be noticed first
