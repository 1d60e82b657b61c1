"""What a client learns of the tools before it calls one."""

from typing import Any

import pytest
from agents import Agent
from jsonschema import Draft202012Validator

from outlast.tools.registration import TOOLS

NAMES = [
    "list_workflows",
    "execute_workflow",
    "get_status",
    "get_logs",
    "get_log_digest",
    "search_logs",
    "list_execution_history",
    "cancel_execution",
]
WRITE = {"execute_workflow", "cancel_execution"}


def parts(schema: Any) -> list[dict[str, Any]]:
    """A schema and everything in it that is an object."""
    if isinstance(schema, list):
        return [part for item in schema for part in parts(item)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(part for item in schema.values() for part in parts(item))]


@pytest.mark.requirement("C1")
async def test_the_tools_are_listed_in_the_same_order_to_every_client(agent: Agent) -> None:
    listed = await agent.client.list_tools()
    assert [tool.name for tool in listed.tools] == NAMES
    assert len(listed.model_dump_json(by_alias=True, exclude_none=True).encode()) <= 16 * 1024


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_says_what_it_is(tool: Any) -> None:
    assert tool.title
    assert 40 < len(tool.description) < 2048
    assert tool.annotations.read_only_hint is (tool.name not in WRITE)
    assert tool.annotations.open_world_hint is not None
    assert tool.output_schema is None


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_arguments_are_described_and_left_out_instead_of_null(tool: Any) -> None:
    Draft202012Validator.check_schema(tool.parameters)
    assert tool.parameters["additionalProperties"] is False
    for name, schema in tool.parameters["properties"].items():
        assert schema["description"], name
        for part in parts(schema):
            assert part.get("type") != "null", name
            assert part.get("default", 0) is not None, name
            assert "title" not in part, name
