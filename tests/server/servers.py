"""Real servers over standard input and output, as clients start them."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import anyio
from anyio.abc import Process
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent

from outlast.kernel.home import Home

Era = Literal["auto", "legacy"]

ENTRY = """
import anyio, os, sys
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.server.serving import serve
anyio.run(serve, Options(home=Home(os.environ["OUTLAST_HOME"]), trigger="mcp", allow_command=True))
sys.exit("serve() returned")
"""
SERVER = [sys.executable, "-c", ENTRY]
WATCHING = ("LD_PRELOAD", "DISK_ROOT", "DISK_RECORD", "DISK_FAULTS")
"""What the tests of failing disks put into the environment; an MCP client passes on little of its own."""


class Answer(NamedTuple):
    text: str
    data: Any
    """Structured content."""
    is_error: bool


class Session(NamedTuple):
    client: Client
    pid: int
    """Of the server."""

    async def call(self, tool: str, **arguments: Any) -> Answer:
        result = await self.client.call_tool(tool, arguments)
        [content] = result.content
        assert isinstance(content, TextContent)
        return Answer(content.text, result.structured_content, result.is_error)

    async def start(self, script: str) -> int:
        """Start a shell script; its number."""
        argv = ["/bin/sh", "-c", script]
        answer = await self.call("execute_workflow", workflow_id="command", params={"argv": argv})
        assert not answer.is_error, answer.text
        return answer.data["number"]


@asynccontextmanager
async def session(home: Home, folder: Path, era: Era = "auto") -> AsyncIterator[Session]:
    """A client with a server of its own; what that writes to standard error lies in `folder`/stderr."""
    pid = folder / "pid"
    watching = {name: os.environ[name] for name in WATCHING if name in os.environ}
    parameters = StdioServerParameters(
        command="/bin/sh",
        args=["-c", 'printf %s "$$" > "$1" && shift && exec "$@"', "sh", str(pid), *SERVER],
        env={"OUTLAST_HOME": home.root, **watching},
    )
    with (folder / "stderr").open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode=era) as client:
            yield Session(client, int(pid.read_text()))


@asynccontextmanager
async def process(home: Home, folder: Path, command: list[str] | None = None) -> AsyncIterator[Process]:
    """A server without a client: its standard input and output are pipes."""
    environment = os.environ | {"OUTLAST_HOME": home.root}
    with (folder / "stderr").open("a") as errors:
        started = await anyio.open_process(command or SERVER, stderr=errors, env=environment)
        async with started:
            try:
                yield started
            finally:
                if started.returncode is None:
                    started.kill()
