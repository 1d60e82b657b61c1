"""`outlast logs`."""

import select
import sys
from collections.abc import Callable

import click

from outlast.kernel.permalinks import split_permalink
from outlast.runtime.observer import Observer
from outlast.server.cli.following import follow
from outlast.server.cli.lines import LineFormat, raw
from outlast.server.cli.log_document import LogDocument, entry_view, json_of
from outlast.server.cli.selecting import Entries, Selection, selected
from outlast.server.cli.session import Opened, Session, archive_option, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.server.cli.wording import now, parse_moment
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.lines import joined_gaps
from outlast.storage.logs.reader import MOST_CONTEXT
from outlast.storage.records import Execution

Writer = Callable[[Entries], None]


@click.command(short_help="Print what an execution printed.")
@click.argument("handle")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    help="Only that many: the last ones, or the first after --after.",
)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the execution is over.")
@click.option("--after", type=click.IntRange(min=0), help="Only lines behind this number.")
@click.option("--before", type=click.IntRange(min=1), help="Only lines in front of this number.")
@click.option("--grep", "pattern", metavar="PATTERN", help="Only lines that match this RE2 expression.")
@click.option("-C", "--context", type=click.IntRange(0, MOST_CONTEXT), default=0, help="Lines around each match.")
@click.option("--since", metavar="TIME", help="Only lines that came then or later: 2026-11-20T14:02, or 10m for ago.")
@click.option("--until", metavar="TIME", help="Only lines that came before.")
@click.option("--raw", "as_raw", is_flag=True, help="The bytes as they were printed, and nothing else.")
@click.option("--jsonl", is_flag=True, help="One JSON object for each line.")
@click.option("--step", help="Only lines of this step.")
@click.option("--attempt", type=click.IntRange(min=1), help="Only lines of this attempt.")
@click.option("--stream", type=click.Choice(["merged", "stdout", "stderr", "event"]), help="Only lines of this stream.")
@click.option("--level", type=click.Choice(["error", "warning"]), help="Only errors, or only warnings and errors.")
@json_option
@archive_option
@pass_session
@click.pass_context
def logs(
    ctx: click.Context,
    session: Session,
    handle: str,
    lines: int | None,
    following: bool,
    after: int | None,
    before: int | None,
    pattern: str | None,
    context: int,
    since: str | None,
    until: str | None,
    as_raw: bool,
    jsonl: bool,
    step: str | None,
    attempt: int | None,
    stream: str | None,
    level: str | None,
) -> None:
    """Print what the execution HANDLE (142, #142 or a UUID) printed: all of it, unless an option says less; of
    142#L120-L180 these lines.

    Lines are numbered from 1 for ever. What a terminal would act on is written out (`\\x1b`), colours apart where
    a terminal is there; --raw prints the bytes. Times are local.
    """
    if as_raw + jsonl + session.as_json > 1:
        raise click.UsageError("--raw, --jsonl and --json exclude each other.", ctx)
    if following and session.as_json:
        raise click.UsageError("--json is one document; for lines as they come there is --jsonl.", ctx)
    if following and before is not None:
        raise click.UsageError("--before is for lines that are there; it cannot stand beside --follow.", ctx)
    if following and lines is not None and after is not None:
        raise click.UsageError("--follow goes on after --after by itself; --lines cannot stand beside both.", ctx)
    linked = split_permalink(handle)[1]
    if following and linked is not None:
        raise click.UsageError("A link names lines that are there; it cannot stand beside --follow.", ctx)
    if linked is not None:
        after = max(after or 0, linked.first - 1)
        before = min(before or linked.last + 1, linked.last + 1)
    if context and (following or (pattern is None and level is None)):
        raise click.UsageError("--context is for lines around those of --grep or --level, without --follow.", ctx)
    at = now()
    wanted = LogFilter(
        step=step,
        attempt=attempt,
        stream=stream,
        since=None if since is None else parse_moment("--since", since, at),
        until=None if until is None else parse_moment("--until", until, at),
        level=level,
    )
    selection = Selection(last=lines, after=after, before=before, pattern=pattern, context=context, wanted=wanted)
    with session.observer() as observer:
        execution = observer.call(observer.it.get, handle)
        if session.as_json:
            print_document(session, observer, execution, selection)
            return
        write = writer(session, execution, as_raw=as_raw, jsonl=jsonl)
        if following:
            for seen in follow(observer, execution.number, selection):
                execution = seen.execution
                if seen.entries:
                    write(seen.entries)
                    session.screen.flush()
                elif nobody_reads():
                    raise BrokenPipeError
            tidy(session, observer, execution)
        else:
            for entries in selected(observer, execution, selection):
                write(tuple(joined_gaps(entries)))


def print_document(session: Session, observer: Opened[Observer], execution: Execution, selection: Selection) -> None:
    """All that is selected as one JSON document."""
    document = LogDocument(session.screen, execution, selection)
    # Asked before the lines are: what is final now was final when they were read.
    final = observer.call(observer.it.log_count, execution).final
    for entries in selected(observer, execution, selection):
        document.write(tuple(joined_gaps(entries)))
    document.end(observer.call(observer.it.log_count, execution)._replace(final=final))


def writer(session: Session, execution: Execution, *, as_raw: bool, jsonl: bool) -> Writer:
    """What writes lines in the form that was asked for."""
    if as_raw:
        return lambda entries: write_bytes(raw(entries))
    if jsonl:
        return lambda entries: session.screen.write(
            "".join(json_of(entry_view(execution, entry)) + "\n" for entry in entries)
        )
    form = LineFormat(execution, colours=session.screen.colours)
    return lambda entries: session.screen.write(form.text(entries))


def write_bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def nobody_reads() -> bool:
    """Whether the other end of standard output is gone. Whoever has nothing to write would not notice: of a pipe only
    writing tells."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
