"""Ending an execution."""

from typing import Annotated

from mcp.types import CallToolResult, ToolAnnotations
from pydantic import Field

from outlast.tools.arguments import Handle, Wait, clamped
from outlast.tools.guarding import GuardedTool
from outlast.tools.results import Call, about, reply, runtime_of
from outlast.tools.status import report
from outlast.tools.texts import cancelled_text, joined
from outlast.tools.views import View
from outlast.tools.waiting import wait_for

MAX_REASON = 200


async def cancel_execution(
    call: Call,
    handle_id: Handle,
    wait_seconds: Wait = 0,
    reason: Annotated[str | None, Field(max_length=MAX_REASON, description="Why; kept in the history.")] = None,
) -> CallToolResult:
    runtime = await runtime_of(call)
    seconds, note = clamped(wait_seconds)
    by = runtime.options.user if reason is None else f"{runtime.options.user}: {reason}"
    cancelled = await runtime.cancel(handle_id, by)
    execution = await runtime.get(cancelled.number)
    with about(execution.id, "cancel_execution"):
        if cancelled.requested and seconds:
            execution = await wait_for(call, runtime, cancelled.number, seconds)
        view: View = {
            "handle_id": execution.id,
            "number": execution.number,
            "status": execution.status,
            "cancel_requested": execution.cancel_requested_by is not None,
        }
        over = execution.settled is not None
        text = (await report(runtime, execution))[1] if over else cancelled_text(execution)
        return reply(joined([note, text]), view if note is None else view | {"note": note})


CANCEL_EXECUTION = GuardedTool.of(
    cancel_execution,
    title="Cancel an execution",
    description=(
        "End an execution with all its processes. It answers at once; the status is cancelled when nothing is left. "
        "One that is over stays as it is."
    ),
    annotations=ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
    ),
)
