"""Where an execution stands."""

from typing import Annotated, Literal

from mcp.types import CallToolResult
from pydantic import Field

from outlast.kernel.status import ExecutionStatus
from outlast.runtime.runtime import Runtime
from outlast.storage.records import Execution
from outlast.tools.arguments import Handle, Wait, clamped
from outlast.tools.expectations import expectation
from outlast.tools.guarding import READ_ONLY, GuardedTool
from outlast.tools.log_views import meaning_of
from outlast.tools.results import MOST_BYTES, ROOM, Call, about, reply, runtime_of, weight
from outlast.tools.texts import details_text, expected_end, joined, status_text
from outlast.tools.views import View, details_view, status_view
from outlast.tools.waiting import wait_for

MAX_LAST_LINE = 160
"""Characters of the last line that a status shows."""
EVENT_SECONDS, PAST_EVENT_SECONDS = 0.1, 2.0
"""For reading the events of a live execution, and once of one that is over; the next status goes on from there."""


async def get_status(
    call: Call,
    handle_id: Handle,
    wait_seconds: Wait = 0,
    response_format: Annotated[
        Literal["concise", "detailed"],
        Field(description="detailed adds parameters, output, labels, who started it and the like."),
    ] = "concise",
) -> CallToolResult:
    runtime = await runtime_of(call)
    seconds, note = clamped(wait_seconds)
    execution = await (wait_for(call, runtime, handle_id, seconds) if seconds else runtime.get(handle_id))
    with about(execution.id, "get_status"):
        view, text = await report(runtime, execution)
        if response_format == "detailed":
            details = fitted(details_view(execution, await runtime.details(execution)), view, execution.number)
            view, text = view | details, joined([text, details_text(details)])
        return reply(joined([note, text]), view if note is None else view | {"note": note})


async def report(runtime: Runtime, execution: Execution) -> tuple[View, str]:
    """Where an execution stands, as structured content and as text."""
    now = runtime.options.clock.now()
    count, last = await runtime.log_glance(execution)
    running = execution.status is ExecutionStatus.RUNNING
    expected = expectation(await runtime.outcomes(execution.workflow_id)) if running else None
    tracked = await runtime.progress(execution, EVENT_SECONDS if execution.settled is None else PAST_EVENT_SECONDS)
    words = None if last is None else (last.at, meaning_of(last, execution).shown.text[:MAX_LAST_LINE])
    view = status_view(execution, count, now, expected_end(execution, now, expected), tracked)
    return view, status_text(execution, count, now, expected, words, tracked)


def fitted(details: View, beside: View, number: int) -> View:
    """Details that fit into one reply, as text and as structure: the largest values give way to where they are."""
    details = dict(details)
    params = details["params"]
    details["params"] = params = dict(params) if isinstance(params, dict) else {}
    room = MOST_BYTES - 2 * ROOM - 2 * weight(beside)
    while 2 * weight(details) > room:
        sizes = [(weight(value), params, name) for name, value in params.items()]
        sizes += [(weight(value), details, name) for name, value in details.items() if name != "params"]
        size, place, name = max(sizes, key=lambda one: one[0])
        if size < 200:
            details["params"] = f"{len(params):,} parameters left out; `outlast show {number} --json` has them"
            break
        place[name] = f"{size:,} bytes left out; `outlast show {number} --json` has them"
    return details


GET_STATUS = GuardedTool.of(
    get_status,
    title="Status of an execution",
    description=(
        "Where an execution stands, of this or any earlier session: status, exit code, reason, steps, expected end, "
        "log length. wait_seconds waits for the end."
    ),
    annotations=READ_ONLY,
)
