"""Starting a workflow."""

from typing import Annotated

from mcp.types import CallToolResult, ToolAnnotations
from pydantic import Field, JsonValue, WithJsonSchema

from outlast.kernel.errors import InvalidInput, NotAllowed, NotFound
from outlast.kernel.plan import Json
from outlast.runtime.runtime import Runtime
from outlast.runtime.starting import StartRequest
from outlast.tools.arguments import Wait, clamped
from outlast.tools.expectations import expectation
from outlast.tools.guarding import GuardedTool
from outlast.tools.results import Call, about, reply, runtime_of
from outlast.tools.status import report
from outlast.tools.texts import joined, started_text
from outlast.tools.views import started_view
from outlast.tools.waiting import wait_for
from outlast.tools.workflow_views import signature

MAX_LISTED = 30
"""Workflows named in an error."""
MAX_CLIENT_WORD = 200
"""Characters kept of what a client says about itself."""


async def execute_workflow(
    call: Call,
    workflow_id: Annotated[str, Field(description="Which workflow. An unknown id is answered with those there are.")],
    params: Annotated[
        Annotated[dict[str, JsonValue], WithJsonSchema({"type": "object"})] | None,
        Field(description="Its parameters by name. Wrong ones are answered with those it takes; nothing starts then."),
    ] = None,
    wait_seconds: Wait = 0,
    idempotency_key: Annotated[
        str | None,
        Field(
            description="A text of your own: a second call with it gets the first one's execution, starting nothing."
        ),
    ] = None,
    labels: Annotated[dict[str, str] | None, Field(description="Texts by name, to find it again.")] = None,
    agent: Annotated[str | None, Field(description="The agent that it is for.")] = None,
    customer: Annotated[str | None, Field(description="The customer that it is for.")] = None,
) -> CallToolResult:
    runtime = await runtime_of(call)
    request = StartRequest(
        workflow_id=workflow_id,
        params=params or {},
        idempotency_key=idempotency_key,
        labels=labels,
        agent=agent,
        customer=customer,
        client=client_of(call),
        by_agent=True,
    )
    try:
        started = await runtime.execute(request)
    except (NotFound, InvalidInput, NotAllowed) as error:
        if error.next == "list_workflows":
            error.next = await usable(runtime, workflow_id)
        raise
    seconds, note = clamped(wait_seconds)
    execution = started.execution
    with about(execution.id, "execute_workflow"):
        if seconds:
            execution = await wait_for(call, runtime, execution.number, seconds)
        if seconds or execution.settled is not None:
            again = "nothing was started: the same idempotency_key was used before" if started.already_existed else None
            text = joined([again, (await report(runtime, execution))[1]])
        else:
            expected = expectation(await runtime.outcomes(execution.workflow_id))
            text = started_text(execution, started.already_existed, expected)
        view = started_view(execution, started.already_existed)
        return reply(joined([note, text]), view if note is None else view | {"note": note})


def client_of(call: Call) -> dict[str, Json]:
    """The program at the other end of the connection, as far as it says."""
    session = call.request_context.session
    client: dict[str, Json] = {
        "protocol_version": call.request_context.protocol_version,
        "session": call.request_context.lifespan_context.session,
    }
    if session.client_params is not None:
        info = session.client_params.client_info
        client |= {"name": info.name[:MAX_CLIENT_WORD], "version": info.version[:MAX_CLIENT_WORD]}
    return client


async def usable(runtime: Runtime, workflow_id: str) -> str:
    """The call that would have been right: this workflow's parameters, or the workflows that there are."""
    workflows = (await runtime.workflows.catalogue()).workflows
    found = workflows.get(workflow_id)
    if found is not None and found.definition.status == "active":
        return f'execute_workflow("{workflow_id}", params={{{signature(found.definition)}}})'
    active = [name for name, one in workflows.items() if one.definition.status == "active"]
    more = f" and {len(active) - MAX_LISTED} more" if len(active) > MAX_LISTED else ""
    return (
        f"execute_workflow with one of: {', '.join(active[:MAX_LISTED])}{more}" if active else "outlast workflows list"
    )


EXECUTE_WORKFLOW = GuardedTool.of(
    execute_workflow,
    title="Start a workflow",
    description=(
        "Start a workflow as a durable execution and get its handle at once. It runs on when this chat, the client "
        "or the server ends; any later session can ask for it by its handle with get_status and get_logs."
    ),
    annotations=ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
    ),
)
