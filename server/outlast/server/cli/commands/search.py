"""`outlast search`."""

import click

from outlast.kernel.status import ExecutionStatus
from outlast.server.cli.ending import ExitCode
from outlast.server.cli.search_writers import Document, Extent, Objects, People, SearchWriter
from outlast.server.cli.session import Session, archive_option, json_option, pass_session
from outlast.server.cli.wording import counted, now, parse_moment
from outlast.storage.history import Filter
from outlast.storage.logs.filters import MOST_LINES, LogFilter
from outlast.storage.logs.reader import MOST_CONTEXT
from outlast.storage.logs.store_search import Place, StoreQuery
from outlast.tools.search_views import unread_text, unread_views

SECONDS = 1.0
"""That is searched until what was found is printed."""


@click.command(short_help="Find lines in the logs of all executions.")
@click.argument("pattern")
@click.option("--workflow", "workflow_id", metavar="ID", help="Of this workflow.")
@click.option("--status", type=click.Choice([status.value for status in ExecutionStatus]), help="In this status.")
@click.option("--since", metavar="TIME", help="Only lines that came then or later: 2026-11-20T14:02, or 10m for ago.")
@click.option("--until", metavar="TIME", help="Only lines that came before.")
@click.option("--step", help="Only lines of this step.")
@click.option("--stream", type=click.Choice(["merged", "stdout", "stderr", "event"]), help="Only lines of this stream.")
@click.option("--level", type=click.Choice(["error", "warning"]), help="Only errors, or only warnings and errors.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Stop after so many matches.")
@click.option("-C", "--context", type=click.IntRange(0, MOST_CONTEXT), default=0, help="Lines around each match.")
@click.option("--cursor", help="Go on where the search that named this cursor ended.")
@archive_option
@click.option("--jsonl", is_flag=True, help="One JSON object for each line.")
@json_option
@pass_session
@click.pass_context
def search(
    ctx: click.Context,
    session: Session,
    pattern: str,
    workflow_id: str | None,
    status: str | None,
    since: str | None,
    until: str | None,
    step: str | None,
    stream: str | None,
    level: str | None,
    limit: int | None,
    context: int,
    cursor: str | None,
    jsonl: bool,
) -> None:
    """Find the lines that match PATTERN, an RE2 expression, in the logs of all executions, live ones too.

    The newest executions come first, in each the newest lines; everything is searched, unless Ctrl-C ends it. The exit
    code is 0 when something was found, 1 when nothing was, 5 when nothing was and something damaged was not searched.
    """
    if jsonl and session.as_json:
        raise click.UsageError("--jsonl and --json exclude each other.", ctx)
    at = now()
    query = StoreQuery(
        pattern=pattern,
        context=context,
        executions=Filter(workflow_id=workflow_id, status=None if status is None else ExecutionStatus(status)),
        wanted=LogFilter(
            step=step,
            stream=stream,
            since=None if since is None else parse_moment("--since", since, at),
            until=None if until is None else parse_moment("--until", until, at),
            level=level,
        ),
    )
    place = None if cursor is None else Place.of(cursor)
    writer = writer_of(session, context, at, jsonl=jsonl)
    extent = go_through(session, query, writer, limit, place)
    writer.end(extent)
    if not session.as_json:
        tell(session, extent, jsonl=jsonl)
    if extent.matches:
        return
    ctx.exit(ExitCode.UNREACHABLE if extent.damaged else ExitCode.FAILED)


def writer_of(session: Session, context: int, at: int, *, jsonl: bool) -> SearchWriter:
    if session.as_json:
        return Document(session.screen, context)
    return Objects(session.screen, context) if jsonl else People(session.screen, context, at)


def go_through(
    session: Session, query: StoreQuery, writer: SearchWriter, limit: int | None, place: Place | None
) -> Extent:
    """Search until everything was looked at, or `limit` lines match."""
    extent, latest = Extent(), 0
    with session.observer() as observer:
        while True:
            most = MOST_LINES if limit is None else min(MOST_LINES, limit - extent.matches)
            cursor = None if place is None else str(place)
            found = observer.call(observer.it.search_logs, query, limit=most, seconds=SECONDS, cursor=cursor)
            for part in found.parts:
                if part.found.matches:
                    writer.write(part)
                    extent.matching += part.execution.number != latest
                    latest = part.execution.number
            session.screen.flush()
            if found.newest is not None:
                # The execution that the last part ended in may be the first one of this.
                again = found.newest == extent.oldest
                extent.executions += found.executions - again
                extent.newest = extent.newest or found.newest
                extent.oldest = found.oldest
            extent.matches += found.matches
            extent.removed += found.removed
            extent.damaged += len(found.unread)
            extent.unread += unread_views(found)
            extent.place = place = found.place
            if place is None or extent.matches == limit:
                return extent


def tell(session: Session, extent: Extent, *, jsonl: bool) -> None:
    """What was searched, beside the answer."""
    note = session.screen.note
    if (unread := unread_text(extent.unread)) is not None:
        note(unread)
    if jsonl and extent.matches and extent.place is None:
        return
    words = counted(extent.matches, "line matches", "lines match")
    words += f" in {counted(extent.matching, 'execution')}" if extent.matching else ""
    if extent.newest is None:
        note(f"{words}; no execution of those asked for has printed anything")
        return
    numbers = f"#{extent.newest}" + ("" if extent.oldest == extent.newest else f" … #{extent.oldest}")
    words += f"; searched {counted(extent.executions, 'execution')}, {numbers}"
    words += f", {extent.removed:,} of them without a log, which was removed to save room" if extent.removed else ""
    note(words + ("" if extent.place is None else f"; the next ones: --cursor {extent.place}"))
