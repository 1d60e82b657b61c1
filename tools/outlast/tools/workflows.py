"""Which workflows there are."""

from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from outlast.definitions.discovery import Found
from outlast.runtime.runtime import Runtime
from outlast.tools.expectations import expectation
from outlast.tools.guarding import READ_ONLY, GuardedTool
from outlast.tools.results import MOST_BYTES, ROOM, USUAL_BYTES, Call, reply, runtime_of, weight
from outlast.tools.texts import joined
from outlast.tools.views import View
from outlast.tools.workflow_views import (
    listed_view,
    listing_text,
    skipped_view,
    workflow_line,
    workflow_text,
    workflow_view,
)

MAX_SKIPPED = 20


async def list_workflows(
    call: Call,
    workflow_id: Annotated[
        str | None, Field(description="Only this one, with its parameters in full and how it usually goes.")
    ] = None,
) -> CallToolResult:
    runtime = await runtime_of(call)
    if workflow_id is not None:
        return await described(runtime, workflow_id)
    catalogue = await runtime.workflows.catalogue()
    latest = {name: await runtime.latest(name) for name in catalogue.workflows}
    room = USUAL_BYTES - ROOM
    shown: list[Found] = []
    rows: list[View] = []
    for name, found in catalogue.workflows.items():
        view = listed_view(found, latest[name])
        room -= weight(view) + weight(workflow_line(found, latest[name]))
        if room < 0:
            break
        shown.append(found)
        rows.append(view)
    omitted = len(catalogue.workflows) - len(shown)
    text = listing_text(catalogue, shown, latest)
    note = f"{omitted} more do not fit into one reply; ask for one by its id" if omitted else None
    return reply(
        joined([text, note]),
        {
            "workflows": list(rows),
            "skipped": [skipped_view(one) for one in catalogue.skipped[:MAX_SKIPPED]],
            "directories": [str(directory) for directory in catalogue.directories],
            "omitted": omitted,
        },
    )


async def described(runtime: Runtime, workflow_id: str) -> CallToolResult:
    """One workflow with everything that a caller needs."""
    found = await runtime.workflows.find(workflow_id)
    latest = await runtime.latest(workflow_id)
    expected = expectation(await runtime.outcomes(workflow_id))
    view, text = workflow_view(found, latest, expected), workflow_text(found, latest, expected)
    if weight(view) + weight(text) > MOST_BYTES - ROOM:
        # Thousands of parameters: their types are in the text's first lines, the file has the rest.
        view["params"] = None
        text = text[: USUAL_BYTES // 4] + "…"
    return reply(text, view)


LIST_WORKFLOWS = GuardedTool.of(
    list_workflows,
    title="List workflows",
    description="The workflows that can be started with execute_workflow; with an id everything about that one.",
    annotations=READ_ONLY,
)
