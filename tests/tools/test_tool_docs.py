"""docs/tools.md tells every tool, argument, field and error that there is."""

import re
from pathlib import Path
from typing import cast

import pytest
from mcp.server.mcpserver.tools import Tool

from outlast.kernel.errors import InvalidInput, OutlastError, StoreError, UnknownParameter
from outlast.kernel.plan import Json
from outlast.kernel.status import ExecutionStatus
from outlast.storage.logs.store_search import StoreFound, StoreQuery
from outlast.storage.records import Page
from outlast.tools import search_views, views
from outlast.tools.registration import TOOLS
from outlast.tools.search_pages import SearchReply

GUIDE = (Path(__file__).parents[2] / "docs/tools.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", GUIDE, re.DOTALL | re.MULTILINE))


def arguments_told(section: str) -> set[str]:
    """The names in the first column of the section's table."""
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_every_tool_has_a_section_and_no_other_has() -> None:
    assert list(SECTIONS) == [*(tool.name for tool in TOOLS), "Waiting", "Errors"]
    assert "## Resources and prompts\n" in GUIDE


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_arguments_of_a_tool_are_all_told(tool: Tool) -> None:
    assert arguments_told(SECTIONS[tool.name]) == set(tool.parameters["properties"])
    assert f"{tool.name}(" in SECTIONS[tool.name], "an example"


@pytest.mark.parametrize(
    "name",
    [
        *("started_view", "status_view", "step_view", "details_view", "summary_view"),
        *("gate_view", "approval_view", "result_view", "artifact_view"),
    ],
)
def test_the_fields_of_an_answer_are_all_told(name: str) -> None:
    section = {"started_view": "execute_workflow", "summary_view": "list_execution_history"}.get(name, "get_status")
    source = Path(views.__file__).read_text(encoding="utf-8")
    [body] = re.findall(rf"^def {name}\(.*?^    \}}", source, re.DOTALL | re.MULTILINE)
    fields = re.findall(r'^        "(\w+)":', body, re.MULTILINE)
    assert len(fields) > 3
    assert [field for field in fields if f"`{field}`" not in SECTIONS[section]] == []


def test_the_fields_of_a_page_are_told() -> None:
    fields = views.history_view(Page((), 0, None, (1,)), 10, 0)
    assert [field for field in fields if f"`{field}`" not in SECTIONS["list_execution_history"]] == []


def test_the_fields_of_a_search_are_told() -> None:
    found = StoreFound((), (), 0, None, None, 0, None)
    _, fields = SearchReply(StoreQuery(pattern="x"), found, 24 * 1024).build()
    names = {*fields, *cast("dict[str, Json]", fields["searched"])}
    source = Path(search_views.__file__).read_text(encoding="utf-8")
    [body] = re.findall(r"^def group_view\(.*?^    \}", source, re.DOTALL | re.MULTILINE)
    names |= set(re.findall(r'^        "(\w+)":', body, re.MULTILINE))
    assert len(names) > 12
    assert [name for name in names if f"`{name}`" not in SECTIONS["search_logs"]] == []


def test_every_status_and_every_kind_of_error_is_told() -> None:
    assert [status for status in ExecutionStatus if f"`{status}`" not in SECTIONS["get_status"]] == []
    kinds: list[type[OutlastError]] = [InvalidInput, UnknownParameter, StoreError, *StoreError.__subclasses__()]
    assert [kind.code for kind in kinds if f"`{kind.code}`" not in SECTIONS["Errors"]] == []
