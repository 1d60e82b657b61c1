"""An agent at the other end of a connection."""

from typing import Any, NamedTuple

from mcp import Client
from mcp.types import TextContent


class Answer(NamedTuple):
    text: str
    data: Any
    """Structured content."""
    is_error: bool
    size: int
    """Bytes of the whole result."""


class Agent(NamedTuple):
    """What an agent can do."""

    client: Client

    async def call(self, tool: str, **arguments: Any) -> Answer:
        result = await self.client.call_tool(tool, arguments)
        [content] = result.content
        assert isinstance(content, TextContent)
        size = len(result.model_dump_json(by_alias=True, exclude_none=True).encode())
        return Answer(content.text, result.structured_content, result.is_error, size)

    async def run(self, *argv: str, **arguments: Any) -> Answer:
        """Run a command to its end; the status."""
        started = await self.call("execute_workflow", workflow_id="command", params={"argv": list(argv)}, **arguments)
        assert not started.is_error, started.text
        return await self.call("get_status", handle_id=started.data["number"], wait_seconds=30)

    async def shell(self, text: str, **arguments: Any) -> Answer:
        return await self.run("/bin/sh", "-c", text, **arguments)
