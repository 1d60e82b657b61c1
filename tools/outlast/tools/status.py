"""Where an execution stands."""

from typing import Annotated, Literal

from mcp.types import CallToolResult
from pydantic import Field

from outlast.kernel.plan import Json
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
"""For reading the events of a live execution, and once of one that is over and prints them; the next status goes on
from there."""


COLLECTED = ("params", "param_types", "step_results", "artifacts", "approvals")
"""Details of which single values can be left out."""
SMALL = 200
"""Bytes of a value that leaving out would not make shorter by much."""


async def get_status(
    call: Call,
    handle_id: Handle,
    wait_seconds: Wait = 0,
    response_format: Annotated[
        Literal["concise", "detailed"],
        Field(description="detailed is everything: parameters, output, step results, artifacts, who started it …"),
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
    running = execution.status is ExecutionStatus.RUNNING and not execution.recorded
    expected = expectation(await runtime.outcomes(execution.workflow_id)) if running else None
    # Of a log that is not sealed yet everything would be read for the few lines of $OUTLAST_EVENTS.
    patient = execution.settled is not None and execution.marked_events
    tracked = await runtime.progress(execution, PAST_EVENT_SECONDS if patient else EVENT_SECONDS)
    words = None if last is None else (last.at, meaning_of(last, execution).shown.text[:MAX_LAST_LINE])
    view = status_view(execution, count, now, expected_end(execution, now, expected), tracked)
    return view, status_text(execution, count, now, expected, words, tracked)


def fitted(details: View, beside: View, number: int) -> View:
    """Details that fit into one reply, as text and as structure: the largest values give way to where they are, and
    where there are only small ones, the longest of the collections in COLLECTED."""
    details = copied(details)
    has_them = f"left out; `outlast show {number} --json` has them"
    room = MOST_BYTES - 2 * ROOM - 2 * weight(beside)
    collections = [name for name in COLLECTED if details.get(name)]
    while 2 * weight(details) > room:
        places = [details, *(part for name in collections for part in parts(details[name]))]
        sizes = [
            (weight(value), place, name)
            for place in places
            for name, value in place.items()
            if place is not details or name not in COLLECTED
        ]
        size, place, name = max(sizes, key=lambda one: one[0])
        if size >= SMALL:
            place[name] = f"{size:,} bytes {has_them}"
        elif collections:
            name = max(collections, key=lambda name: weight(details[name]))
            collections.remove(name)
            details[name] = f"{weight(details[name]):,} bytes {has_them}"
        else:
            break
    return details


def copied(details: View) -> View:
    """A copy down to the parts of its collections."""
    return {
        name: [dict(part) for part in parts(value)]
        if isinstance(value, list) and name in COLLECTED
        else dict(value)
        if isinstance(value, dict) and name in COLLECTED
        else value
        for name, value in details.items()
    }


def parts(collection: Json) -> list[View]:
    """The objects whose values can give way one by one."""
    if isinstance(collection, dict):
        return [collection]
    return [part for part in collection if isinstance(part, dict)] if isinstance(collection, list) else []


GET_STATUS = GuardedTool.of(
    get_status,
    title="Status of an execution",
    description=(
        "Where an execution stands, of this or any earlier session: status, exit code, reason, steps, expected end, "
        "log length. wait_seconds waits for the end."
    ),
    annotations=READ_ONLY,
)
