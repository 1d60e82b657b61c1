"""The tools as a server offers them; a name that is none is answered like every other mistake."""

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolRequestParams, CallToolResult, InputRequiredResult

from outlast.definitions.values import show
from outlast.kernel.errors import InvalidInput
from outlast.server.opening import Opening
from outlast.server.protocol import lowlevel
from outlast.tools.registration import TOOLS
from outlast.tools.results import refusal

NAMES = ", ".join(tool.name for tool in TOOLS)


def add_tools(server: MCPServer[Opening]) -> None:
    """Give a server its tools, in their order."""
    manager = server._tool_manager  # pyright: ignore[reportPrivateUsage]  # only the constructor takes tools as objects
    for tool in TOOLS:
        manager._tools[tool.name] = tool  # pyright: ignore[reportPrivateUsage]  # the same
    known = {tool.name for tool in TOOLS}

    async def call(
        context: ServerRequestContext[Opening, object], params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        if params.name not in known:
            return refusal(InvalidInput(f"there is no tool {show(params.name)}.", next=f"one of {NAMES}"))
        return await server._handle_call_tool(context, params)  # pyright: ignore[reportPrivateUsage]  # the SDK's own handler

    lowlevel(server).add_request_handler("tools/call", CallToolRequestParams, call)
