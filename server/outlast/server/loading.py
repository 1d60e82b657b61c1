"""What a server offers is imported behind its first reply: definitions, the store and the tools' schemas take a
quarter as long again as the protocol itself."""

from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer

if TYPE_CHECKING:
    from outlast.server.opening import Opening

T = TypeVar("T")

BEFORE = frozenset({"initialize", "server/discover", "ping"})
"""Requests that need none of it."""


class Loading:
    """Middleware: everything but the first requests waits until the offer is there."""

    def __init__(self) -> None:
        self._server: MCPServer[Opening] | None = None
        self._lock = anyio.Lock()
        self._loaded = False

    def into(self, server: "MCPServer[Opening]") -> None:
        self._server = server

    async def __call__(self, ctx: ServerRequestContext[T, object], call_next: CallNext) -> HandlerResult:
        if not self._loaded and ctx.method not in BEFORE:
            await self.load()
        return await call_next(ctx)

    async def load(self) -> None:
        """Import tools, resources and prompts and give them to the server, once."""
        async with self._lock:
            if not self._loaded and self._server is not None:
                await anyio.to_thread.run_sync(offer, self._server)
                self._loaded = True


def offer(server: "MCPServer[Opening]") -> None:
    """Give a server everything that clients can ask for. Slow the first time: it imports most of Outlast."""
    from outlast.server.prompts import add_prompts  # here on purpose, as the module says
    from outlast.server.resources import add_resources
    from outlast.server.tooling import add_tools

    add_tools(server)
    add_resources(server)
    add_prompts(server)
