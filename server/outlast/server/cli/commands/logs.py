"""`outlast logs`."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence

import click

from outlast.server.cli.following import follow
from outlast.server.cli.lines import LineFormat, raw
from outlast.server.cli.selecting import Entries, Selection, last_of, selected
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.lines import Entry, LogGap, joined_gaps
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Execution
from outlast.tools.log_views import gap_view, line_view, meaning_of
from outlast.tools.views import View

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
    after: int | None,
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
    if as_raw + jsonl + session.as_json > 1:
        raise click.UsageError("--raw, --jsonl and --json exclude each other.", ctx)
    if following and session.as_json:
        raise click.UsageError("--json is one document; for lines as they come there is --jsonl.", ctx)
    if following and before is not None:
        raise click.UsageError("--before is for lines that are there; it cannot stand beside --follow.", ctx)
    if following and lines is not None and after is not None:
        raise click.UsageError("--follow goes on after --after by itself; --lines cannot stand beside both.", ctx)
    selection = Selection(
        last=lines, after=after, before=before, pattern=pattern, wanted=LogFilter(step=step, stream=stream)
    )
    with session.observer() as observer:
        execution = observer.call(observer.it.get, handle)
        write = writer(session, execution, as_raw=as_raw, jsonl=jsonl)
        if session.as_json:
            count = observer.call(observer.it.log_count, execution)
            entries = [entry for part in selected(observer, execution, selection) for entry in joined_gaps(part)]
            session.screen.json(document(execution, count, entries))
        elif following:
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


def objects(execution: Execution, entries: Iterable[Entry]) -> str:
    """One JSON object for each entry, with the fields of the tool get_logs."""
    return "".join(json.dumps(entry_view(execution, entry), ensure_ascii=False) + "\n" for entry in entries)


def document(execution: Execution, count: LogCount, entries: Sequence[Entry]) -> View:
    """All of it as the tool get_logs answers."""
    return {
        "handle_id": execution.id,
        "number": execution.number,
        "lines": [entry_view(execution, entry) for entry in entries],
        "log_lines": count.lines,
        "log_lines_final": count.final,
        "omitted": 0,
        "next_cursor": None if count.final or not entries else last_of(entries[-1]),
    }


def entry_view(execution: Execution, entry: Entry) -> View:
    if isinstance(entry, LogGap):
        return gap_view(entry)
    return line_view(entry, execution, meaning_of(entry, execution))
