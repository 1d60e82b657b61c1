"""What serving over stdio costs, beside a bare `MCPServer` in the same run: `python bench/serving.py [--runs 15]`.

Start to initialize reply: both servers are started in turn, each answering one `initialize` request; the ratio is
that of the medians. Calls: `get_status` of a finished execution beside a tool that does nothing, in turn over two
open connections of real clients.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from outlast.kernel.home import Home

BARE = """
import anyio
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent
server = MCPServer("bare", log_level="WARNING")
@server.tool()
async def nothing() -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text="")])
anyio.run(server.run_stdio_async)
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
}


def figures(name: str, values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = statistics.median(ordered)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(f"{name:44} median {middle:8.2f} ms   p95 {p95:8.2f}   n={len(ordered)}")
    return middle


def first_reply(command: list[str], environment: dict[str, str]) -> float:
    """ms from starting a server to its reply to `initialize`."""
    begun = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        process.stdin.flush()
        reply = json.loads(process.stdout.readline())
        took = (time.perf_counter() - begun) * 1000
        assert reply["result"]["serverInfo"]["name"] in ("bare", "outlast"), reply
        process.stdin.close()
        process.wait(20)
    return took


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await call()
    return (time.perf_counter() - begun) * 1000


async def calls(bare: list[str], ours: list[str], environment: dict[str, str], count: int) -> None:
    def connect(command: list[str]) -> Client:
        return Client(stdio_client(StdioServerParameters(command=command[0], args=command[1:], env=environment)))

    async with connect(bare) as empty, connect(ours) as outlast:
        started: list[float] = []
        arguments = {"workflow_id": "command", "params": {"argv": ["true"]}}
        for _ in range(count // 10):
            started.append(await timed(lambda: outlast.call_tool("execute_workflow", arguments)))
            await outlast.call_tool("get_status", {"handle_id": len(started), "wait_seconds": 10})
        nothing: list[float] = []
        status: list[float] = []
        for _ in range(count):
            nothing.append(await timed(lambda: empty.call_tool("nothing", {})))
            status.append(await timed(lambda: outlast.call_tool("get_status", {"handle_id": 1})))
        figures("execute_workflow reply", started)
        ratio = figures("get_status", status) / figures("a tool that does nothing", nothing)
        print(f"{'get_status / a tool that does nothing':44} {ratio:.2f}")
        tools = await outlast.list_tools()
        size = len(tools.model_dump_json(by_alias=True, exclude_none=True).encode())
        print(f"{'tools/list':44} {size:,} bytes for {len(tools.tools)} tools")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="server starts")
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args()
    home = Home(tempfile.mkdtemp(prefix="ol-bench-"))
    home.create()
    environment = os.environ | {"OUTLAST_HOME": home.root, "OUTLAST_ALLOW_COMMAND": "true"}
    bare = [sys.executable, "-c", BARE]
    ours = [str(Path(sys.executable).with_name("outlast")), "serve"]
    try:
        first_reply(ours, environment)  # makes the database and the compiled files
        pairs = [(first_reply(bare, environment), first_reply(ours, environment)) for _ in range(given.runs)]
        ratio = 1 / figures("bare MCPServer: start to initialize reply", [pair[0] for pair in pairs])
        ratio *= figures("outlast serve: start to initialize reply", [pair[1] for pair in pairs])
        print(f"{'outlast serve / bare MCPServer':44} {ratio:.2f}")
        anyio.run(calls, bare, ours, environment, given.calls)
    finally:
        shutil.rmtree(home.root)


main()
