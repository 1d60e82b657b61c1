"""What people can attach to a chat: executions, their logs, workflows. The same text that the tools answer."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio.to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, ListResourcesResult, PaginatedRequestParams, Resource

from outlast.definitions.values import show
from outlast.kernel.errors import InvalidInput, NotFound, OutlastError
from outlast.kernel.permalinks import split_permalink
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.runtime import Runtime
from outlast.server.opening import Opening
from outlast.server.protocol import lowlevel
from outlast.storage.history import Filter
from outlast.storage.records import Summary
from outlast.tools.expectations import expectation
from outlast.tools.log_pages import LogReply
from outlast.tools.readable import visible_lines
from outlast.tools.results import MOST_BYTES, ROOM, unexpected
from outlast.tools.status import report
from outlast.tools.texts import details_text, joined
from outlast.tools.views import View, details_view
from outlast.tools.workflow_views import summary_of, workflow_text

T = TypeVar("T")
Reading = Context[Opening]

EXECUTION = "execution://{id}"
LOGS = "execution://{id}/logs{?after,limit}"
WORKFLOW = "workflow://{id}"
TEXT = "text/plain"
PAGE = 50
"""Executions on one page of the list."""
LINES = 200
"""Lines of a log where the address says nothing else."""


def execution_uri(handle: str | int) -> str:
    return f"execution://{handle}"


def logs_uri(handle: str | int) -> str:
    return f"execution://{handle}/logs"


def workflow_uri(workflow_id: str) -> str:
    return f"workflow://{workflow_id}"


def add_resources(server: MCPServer[Opening]) -> None:
    """Give a server its resource templates and its paged list of resources."""
    server.resource(EXECUTION, name="execution", title="An execution", description="Where it stands.", mime_type=TEXT)(
        read_execution
    )
    server.resource(
        LOGS,
        name="log",
        title="Log of an execution",
        description="Its last lines, or those behind line `after`.",
        mime_type=TEXT,
    )(read_logs)
    server.resource(
        WORKFLOW, name="workflow", title="A workflow", description="What it takes, how it usually goes.", mime_type=TEXT
    )(read_workflow)
    lowlevel(server).add_request_handler("resources/list", PaginatedRequestParams, list_resources)


async def read_execution(id: str, context: Reading) -> str:
    async def look(runtime: Runtime) -> str:
        execution = await runtime.get(id)
        text = (await report(runtime, execution))[1]
        return joined([text, details_text(details_view(execution, await runtime.details(execution)))])

    return await answered(context, look)


async def read_logs(id: str, context: Reading, after: str = "", limit: str = str(LINES)) -> str:
    async def look(runtime: Runtime) -> str:
        query = LogQuery(limit=number("limit", limit), after=number("after", after) if after else None)
        execution = await runtime.get(id)
        final = (await runtime.log_count(execution)).final
        page = await runtime.logs(execution, query)
        reply = LogReply(execution, query, page, final=final, most=MOST_BYTES - ROOM)
        text, view = await anyio.to_thread.run_sync(reply.build)
        return joined([text, further(execution.number, query, view)])

    return await answered(context, look)


def further(number: int, query: LogQuery, view: View) -> str | None:
    """The address of the lines behind those that are shown, where any can follow; and, where the last ones are shown,
    that of the first."""
    cursor, shown = view["next_cursor"], view["permalink"]
    following = None if cursor is None else f"next: {logs_uri(number)}?after={cursor}&limit={query.limit}"
    lines = split_permalink(shown)[1] if isinstance(shown, str) else None
    if query.after is not None or lines is None or lines.first == 1:
        return following
    return joined([following, f"from line 1 on: {logs_uri(number)}?after=0&limit={query.limit}"])


def number(field: str, text: str) -> int:
    """A number of an address's query. Raises InvalidInput naming the field."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidInput(f"{field}: {show(text)} is no number.", next="execution://142/logs?after=100&limit=50")
    return int(text)


async def read_workflow(id: str, context: Reading) -> str:
    async def look(runtime: Runtime) -> str:
        found = await runtime.workflows.find(id)
        expected = expectation(await runtime.outcomes(id))
        return workflow_text(found, await runtime.latest(id), expected)

    return await answered(context, look)


async def answered(context: Reading, look: Callable[[Runtime], Awaitable[str]]) -> str:
    """A resource's text, cleaned and bounded; errors as the protocol has them."""
    try:
        text = await look(await context.request_context.lifespan_context.runtime())
    except NotFound as error:
        raise ResourceNotFoundError(error.message) from error
    except OutlastError as error:
        raise ResourceError(joined([f"{error.code}: {error.message}", error.next and f"next: {error.next}"])) from error
    except Exception as error:
        raise ResourceError(unexpected(error, "reading a resource").message) from error
    shown = visible_lines(text).encode("utf-8", "backslashreplace")
    return shown[:MOST_BYTES].decode("utf-8", "ignore")


async def list_resources(
    context: ServerRequestContext[Opening, object], params: PaginatedRequestParams | None
) -> ListResourcesResult:
    """Executions, newest first, a page at a time; in front of the first page the workflows."""
    cursor = None if params is None else params.cursor
    try:
        runtime = await context.lifespan_context.runtime()
        page = await runtime.history(Filter(), limit=PAGE, cursor=cursor)
        workflows = {} if cursor is not None else (await runtime.workflows.catalogue()).workflows
    except InvalidInput as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error
    except (OutlastError, OSError) as error:
        raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error
    found = [
        Resource(
            uri=workflow_uri(name),
            name=name,
            title=visible_lines(one.definition.title),
            description=visible_lines(summary_of(one.definition)) or None,
            mime_type=TEXT,
        )
        for name, one in workflows.items()
    ]
    for row in page.executions:
        found += listed(row)
    return ListResourcesResult(resources=found, next_cursor=page.next_cursor)


def listed(row: Summary) -> list[Resource]:
    """An execution and its log."""
    name = f"#{row.number} {row.workflow_id}"
    title = f"{name} · {row.status}"
    return [
        Resource(uri=execution_uri(row.number), name=name, title=title, mime_type=TEXT),
        Resource(uri=logs_uri(row.number), name=f"{name} log", title=f"{title} · log", mime_type=TEXT),
    ]
