"""The MCP server: the tools over one runtime, and a process that is gone at once when nobody needs it any more."""

import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.mcpserver import MCPServer

from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, open_runtime
from outlast.server.failures import sole
from outlast.server.stdio import claim, open_streams
from outlast.tools.registration import TOOLS

VERSION = version("outlast")

INSTRUCTIONS = (
    "Outlast runs workflows as durable executions and remembers them. execute_workflow answers at once with a handle; "
    "the execution runs on whatever becomes of this chat, the client or this server. get_status(handle, "
    "wait_seconds=45) waits for its end; get_logs reads its lines; list_execution_history finds executions of "
    "earlier sessions. Numbers (142) and UUIDs are handles and stay valid for ever."
)

TIME_TO_CLOSE = 0.2
"""Seconds between the end of input, or a signal, and the end of the process, whatever still goes on in it."""


def create_server(options: Options) -> MCPServer[Runtime]:
    """The server with its tools; it opens the runtime when it begins to serve a connection."""

    @asynccontextmanager
    async def lifespan(_: MCPServer[Runtime]) -> AsyncGenerator[Runtime]:
        async with open_runtime(replace(options, background=True)) as runtime:
            yield runtime

    return MCPServer(
        "outlast",
        title="Outlast",
        version=VERSION,
        instructions=INSTRUCTIONS,
        tools=list(TOOLS),
        lifespan=lifespan,
        log_level="WARNING",
    )


async def serve(options: Options) -> None:
    """Serve one client on standard input and output, then end the process.

    Ends within a second of the end of input, SIGTERM or SIGINT, with exit code 0 and without a return. Raises what
    keeps the runtime from opening, a StoreError for instance.
    """
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    wire = claim()
    # On a thread: the SDK imports and looks at files while it makes a server.
    made = await anyio.to_thread.run_sync(create_server, options)
    server = made._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # the one that takes streams
    capabilities = server.create_initialization_options(NotificationOptions())
    try:
        async with anyio.create_task_group() as group:
            await group.start(cancel_on_signal, group.cancel_scope)
            async with open_streams(wire, end_soon) as (received, to_send):
                await server.run(received, to_send, capabilities)
            group.cancel_scope.cancel()
    except BaseExceptionGroup as several:
        raise sole(several) from several
    end_now()


async def cancel_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Cancel `scope` at the first SIGTERM or SIGINT."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            end_soon()
            scope.cancel()
            return


def end_soon() -> None:
    """End the process a moment from now, however stuck its event loop or its threads are. It owns no execution."""
    timer = threading.Timer(TIME_TO_CLOSE, end_now)
    timer.daemon = True
    timer.start()


def end_now() -> None:
    # Without waiting for threads and exit handlers: what had to be closed is closed, or is stuck.
    os._exit(0)
