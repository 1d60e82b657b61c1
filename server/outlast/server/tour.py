"""The main job as a new user sees it: a client starts a workflow, its server is killed, another one knows the rest."""

import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TextIO, cast

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent, TextResourceContents

from outlast.kernel.home import Home
from outlast.kernel.plan import Json
from outlast.kernel.status import ExecutionStatus
from outlast.server.failures import sole
from outlast.tools.views import View

SERVER = (sys.executable, "-m", "outlast", "serve")
PATIENCE = 1800.0
"""Seconds for a workflow to end."""
FIRST_LOOK = 2.0
"""Seconds after which the first server is killed, in the middle of the workflow if it takes longer."""
LAST_LINES = 10
MAX_WIDTH = 160

# The shell says its process id and becomes the server, which keeps it.
SAY_PID = 'printf %s "$$" > "$1" && shift && exec "$@"'


class TourFailed(Exception):
    """What was to be shown did not hold."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client with its own server."""

    client: Client
    pid: int
    """Of the server."""
    out: Callable[[str], object]

    async def call(self, tool: str, *, quiet: bool = False, **arguments: Json) -> View:
        """Call a tool and print what an agent would read; its structured content."""
        result = await self.client.call_tool(
            tool, cast("dict[str, Any]", arguments), progress_callback=None if quiet else self.told
        )
        if not quiet or result.is_error:
            self.out(f"\n> {tool}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})")
            for content in result.content:
                if isinstance(content, TextContent):
                    self.out("\n".join("  " + line[:MAX_WIDTH] for line in content.text.splitlines()))
        if result.is_error:
            raise TourFailed(f"{tool} answered an error.")
        return cast("View", result.structured_content)

    async def told(self, progress: float, total: float | None, message: str | None) -> None:
        """What the server says while a call waits."""
        self.out(f"  … {progress:g} of {total or 0:g} s: {message}"[:MAX_WIDTH])

    async def read(self, uri: str) -> str:
        """Read a resource, as somebody who attaches it to a chat; print its beginning."""
        [content] = (await self.client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents), "resources of ours are texts"
        first, *rest = content.text.splitlines()
        self.out(f"\n{uri}\n  {first[:MAX_WIDTH]}" + (f"\n  … {len(rest)} more lines" if rest else ""))
        return content.text

    async def wait(self, number: int, seconds: float) -> View:
        """The status at the end, or after so many seconds; a tool itself waits 45 at most."""
        deadline = anyio.current_time() + seconds
        while True:
            left = deadline - anyio.current_time()
            status = await self.call("get_status", handle_id=number, wait_seconds=round(max(0, min(left, 45)), 1))
            if over(status) or left <= 45:
                return status


async def tour(
    home: Home,
    workflow_id: str,
    params: Mapping[str, Json],
    out: Callable[[str], object],
    *,
    server: Sequence[str] = SERVER,
    patience: float = PATIENCE,
) -> int:
    """Run a workflow through a server, kill that server, and read everything from a second one.

    In the end the execution is read as resources, and one more is started and cancelled.
    Prints the calls and their answers through `out`, a line or a few at a time. Returns 0 only if the workflow
    completed and both servers agree about it; else 1, having said what did not hold.
    """
    try:
        async with connection(home, server, out) as first:
            started, seen, lines = await begin(first, workflow_id, params, patience)
            os.kill(first.pid, signal.SIGKILL)
        when = "after the execution was over" if over(seen) else "in the middle of the execution"
        out(f"\nThe first server (process {first.pid}) was killed with SIGKILL {when}.")
        async with connection(home, server, out) as second:
            status = await end(second, started, seen, lines, patience)
            await attach(second, status)
            await cancel_another(second, workflow_id, params)
    except Exception as error:
        failure = sole(error)
        if not isinstance(failure, TourFailed | MCPError | OSError):
            raise
        out(f"\nThis did not hold: {failure}")
        return 1
    out(
        f"\nBoth servers agree about execution #{status['number']} ({status['handle_id']}): "
        f"{status['status']}, exit code {status['exit_code']}, {status['log_lines']} lines."
    )
    return 0


async def begin(
    first: Connection, workflow_id: str, params: Mapping[str, Json], patience: float
) -> tuple[View, View, list[Json]]:
    """Start the workflow and look at it once it has printed something; what was answered, its status, its lines."""
    tools = await first.client.list_tools()
    first.out(f"It offers {', '.join(tool.name for tool in tools.tools)}.")
    started = await first.call("execute_workflow", workflow_id=workflow_id, params=dict(params))
    number = cast("int", started["number"])
    latest = anyio.current_time() + patience
    seen = await first.wait(number, FIRST_LOOK)
    while not (over(seen) or seen["log_lines"]) and anyio.current_time() < latest:
        seen = await first.wait(number, FIRST_LOOK)
    logs = await first.call("get_logs", handle_id=number, limit=LAST_LINES)
    return started, seen, cast("list[Json]", logs["lines"])


async def end(second: Connection, started: View, seen: View, lines: list[Json], patience: float) -> View:
    """Read the same execution from another server until its end, and compare. Raises TourFailed."""
    number = cast("int", started["number"])
    status = await second.wait(number, patience)
    if lines:
        first = cast("int", cast("View", lines[0])["n"])
        again = await second.call("get_logs", quiet=True, handle_id=number, after=first - 1, limit=len(lines))
        if again["lines"] != lines:
            raise TourFailed("the second server shows other lines than the first did.")
        second.out(f"\nThe {len(lines)} lines that the first server showed are the same here, with the same numbers.")
    await second.call("get_logs", handle_id=number, limit=LAST_LINES)
    for name in ("handle_id", "number", "workflow_id", "start_time"):
        if seen[name] is not None and status[name] != seen[name]:
            raise TourFailed(f"{name} was {seen[name]} and is {status[name]}.")
    if over(seen) and status != seen:
        raise TourFailed("the execution was over, and yet its status changed.")
    if status["status"] != ExecutionStatus.COMPLETED.value:
        raise TourFailed(f"the execution is {status['status']}: {status['reason']}.")
    return status


async def attach(second: Connection, status: View) -> None:
    """Read the execution and its log as resources. Raises TourFailed where they say something else."""
    number = cast("int", status["number"])
    if str(status["status"]) not in await second.read(f"execution://{number}"):
        raise TourFailed("the resource tells another status than the tool.")
    if f"of {status['log_lines']:,}" not in await second.read(f"execution://{number}/logs"):
        raise TourFailed("the resource counts other lines than the tool.")


async def cancel_another(second: Connection, workflow_id: str, params: Mapping[str, Json]) -> None:
    """Start the same workflow once more and have it cancelled. Raises TourFailed where something of it is left."""
    started = await second.call("execute_workflow", workflow_id=workflow_id, params=dict(params))
    number = cast("int", started["number"])
    await second.call("cancel_execution", handle_id=number, wait_seconds=45, reason="the tour is over")
    status = await second.call("get_status", quiet=True, handle_id=number, wait_seconds=45)
    if status["status"] not in (ExecutionStatus.CANCELLED.value, ExecutionStatus.COMPLETED.value):
        raise TourFailed(f"the cancelled execution is {status['status']}: {status['reason']}.")


def over(status: View) -> bool:
    return ExecutionStatus(cast("str", status["status"])).terminal


@asynccontextmanager
async def connection(home: Home, server: Sequence[str], out: Callable[[str], object]) -> AsyncGenerator[Connection]:
    """A client that starts a server of its own, as desktop clients do."""
    async with anyio.TemporaryDirectory(prefix="outlast-tour-") as folder:
        pid = anyio.Path(folder, "pid")
        settings = {name: value for name, value in os.environ.items() if name.startswith("OUTLAST_")}
        parameters = StdioServerParameters(
            command="/bin/sh",
            args=["-c", SAY_PID, "sh", str(pid), *server],
            env=settings | {"OUTLAST_HOME": home.root},
        )
        async with await anyio.open_file(anyio.Path(folder, "stderr"), "w+") as errors:
            try:
                async with Client(stdio_client(parameters, errlog=cast("TextIO", errors.wrapped))) as client:
                    number = int(await pid.read_text())
                    out(f"\nA client has started a server, process {number}.")
                    yield Connection(client, number, out)
            except Exception:
                await errors.seek(0)
                if said := (await errors.read()).strip():
                    out(f"\nThe server's standard error:\n{said}")
                raise
