"""Which executions there are."""

from typing import Annotated

from mcp.types import CallToolResult
from pydantic import Field

from outlast.definitions.values import show
from outlast.kernel.errors import InvalidInput
from outlast.kernel.status import ExecutionStatus
from outlast.storage.history import MAX_LIMIT, Filter
from outlast.storage.records import Page
from outlast.storage.words import says_something
from outlast.tools.arguments import Since, Status, Until, moment
from outlast.tools.guarding import READ_ONLY, GuardedTool
from outlast.tools.results import MOST_BYTES, ROOM, USUAL_BYTES, Call, reply, runtime_of, weight
from outlast.tools.texts import history_text, joined
from outlast.tools.views import history_view, summary_view

USUAL_LIMIT = 10
ROW_OF_TEXT = 160
"""Bytes of a row in the table, at most but for long workflow ids."""


async def list_execution_history(
    call: Call,
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Rows.")] = USUAL_LIMIT,
    offset: Annotated[int, Field(ge=0, description="Rows to skip; cursor is better.")] = 0,
    cursor: Annotated[str | None, Field(description="next_cursor of the page before.")] = None,
    workflow_id: Annotated[str | None, Field(description="Of this workflow.")] = None,
    status: Status = None,
    user: Annotated[str | None, Field(description="Started by this user.")] = None,
    agent: Annotated[str | None, Field(description="For this agent.")] = None,
    customer: Annotated[str | None, Field(description="For this customer.")] = None,
    label: Annotated[str | None, Field(description='With this label: "name=value".')] = None,
    text: Annotated[
        str | None,
        Field(description="With these words in workflow, parameters, labels or reason; the last may be a beginning."),
    ] = None,
    mode: Annotated[
        str | None, Field(description="local-run: run by Outlast; cloud-run: recorded, run elsewhere.")
    ] = None,
    active: Annotated[bool | None, Field(description="true: not over yet; false: over.")] = None,
    since: Since = None,
    until: Until = None,
) -> CallToolResult:
    runtime = await runtime_of(call)
    now = runtime.options.clock.now()
    wanted = Filter(
        workflow_id=workflow_id,
        status=None if status is None else ExecutionStatus(status),
        user=user,
        agent=agent,
        customer=customer,
        mode=mode,
        label=label_of(label),
        text=text,
        active=active,
        since=moment("since", since, now),
        until=moment("until", until, now),
    )
    page = await runtime.history(wanted, limit=limit, offset=offset, cursor=cursor)
    fit = fitting(page, USUAL_BYTES if limit <= USUAL_LIMIT else MOST_BYTES)
    left_out = len(page.executions) - fit
    if left_out:
        page = await runtime.history(wanted, limit=fit, offset=offset, cursor=cursor)
    view = history_view(page, limit, offset)
    notes: list[str] = []
    if text is not None and not page.total and not says_something(text):
        notes.append(f"text: {show(text)} has no letter or digit, so that no execution is found by it")
        view["note"] = notes[0]
    if left_out:
        view["omitted"] = left_out
        notes.append(f"{left_out} more rows were asked for and do not fit into one reply")
    return reply(joined([history_text(page, view, now), *notes]), view)


def label_of(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InvalidInput(f"label: {show(text)} is no label.", next='label="name=value"')
    return name, value


def fitting(page: Page, most: int) -> int:
    """How many rows of a page fit into one reply; at least one, so that whoever goes on gets further."""
    room = most - ROOM
    for index, row in enumerate(page.executions):
        room -= weight(summary_view(row)) + ROW_OF_TEXT + len(row.workflow_id.encode())
        if room < 0:
            return max(1, index)
    return len(page.executions)


LIST_EXECUTION_HISTORY = GuardedTool.of(
    list_execution_history,
    title="List executions",
    description=(
        "Executions of all sessions, newest first, with the total that matches. Everything that is given must hold."
    ),
    annotations=READ_ONLY,
)
