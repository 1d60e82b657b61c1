"""`outlast logs`."""

import json
import sys
from collections.abc import Callable

import click

from outlast.server.cli.following import follow
from outlast.server.cli.lines import LineFormat, raw
from outlast.server.cli.selecting import Entries, Selection, selected
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.lines import LogGap, joined_gaps
from outlast.storage.records import Execution
from outlast.tools.log_views import gap_view, line_view, meaning_of

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
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only lines behind this number.")
@click.option("--before", type=click.IntRange(min=1), help="Only lines in front of this number.")
@click.option("--grep", "pattern", metavar="PATTERN", help="Only lines that match this RE2 expression.")
@click.option("--raw", "as_raw", is_flag=True, help="The bytes as they were printed, and nothing else.")
@click.option("--jsonl", is_flag=True, help="One JSON object for each line.")
@click.option("--step", help="Only lines of this step.")
@click.option("--stream", type=click.Choice(["merged", "stdout", "stderr", "event"]), help="Only lines of this stream.")
@json_option
@pass_session
@click.pass_context
def logs(
    ctx: click.Context,
    session: Session,
    handle: str,
    lines: int | None,
    following: bool,
    after: int,
    before: int | None,
    pattern: str | None,
    as_raw: bool,
    jsonl: bool,
    step: str | None,
    stream: str | None,
) -> None:
    """Print what the execution HANDLE (142, #142 or a UUID) printed: all of it, unless an option says less.

    Lines are numbered from 1 for ever. What a terminal would act on is written out (`\\x1b`), colours apart where
    a terminal is there; --raw prints the bytes.
    """
    if as_raw and (jsonl or session.as_json):
        raise click.UsageError("--raw and --jsonl exclude each other.", ctx)
    if following and before is not None:
        raise click.UsageError("--before is for lines that are there; it cannot stand beside --follow.", ctx)
    if following and lines is not None and after:
        raise click.UsageError("--follow goes on after --after by itself; --lines cannot stand beside both.", ctx)
    selection = Selection(
        last=lines, after=after, before=before, pattern=pattern, wanted=LogFilter(step=step, stream=stream)
    )
    with session.observer() as observer:
        execution = observer.call(observer.it.get, handle)
        write = writer(session, execution, as_raw=as_raw, jsonl=jsonl or session.as_json)
        if following:
            for seen in follow(observer, execution.number, selection):
                execution = seen.execution
                if seen.entries:
                    write(seen.entries)
                    session.screen.flush()
            tidy(session, observer, execution)
        else:
            for entries in selected(observer, execution, selection):
                write(tuple(joined_gaps(entries)))


def writer(session: Session, execution: Execution, *, as_raw: bool, jsonl: bool) -> Writer:
    """What writes lines in the form that was asked for."""
    if as_raw:
        return lambda entries: write_bytes(raw(entries))
    if jsonl:
        return lambda entries: session.screen.write(objects(execution, entries))
    form = LineFormat(execution, colours=session.screen.colours)
    return lambda entries: session.screen.write(form.text(entries))


def write_bytes(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def objects(execution: Execution, entries: Entries) -> str:
    """One JSON object for each entry, with the fields of the tool get_logs."""
    views = (
        gap_view(entry) if isinstance(entry, LogGap) else line_view(entry, execution, meaning_of(entry, execution))
        for entry in entries
    )
    return "".join(json.dumps(view, ensure_ascii=False) + "\n" for view in views)
