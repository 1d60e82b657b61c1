"""`outlast prune`."""

import sys
from pathlib import Path

import click

from outlast.kernel.errors import InvalidInput
from outlast.kernel.plan import Json
from outlast.runtime.pruning import Pruned
from outlast.server.cli.screen import Column, Screen
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.wording import counted, moment, now, parse_seconds
from outlast.server.setting_kinds import size_of
from outlast.storage.retention import Due, Limits, Plan
from outlast.tools.views import time_text

COLUMNS = (
    Column("number", right=True),
    Column("workflow"),
    Column("status"),
    Column("ended"),
    Column("log", right=True),
)
STATUS = 2
SHOWN = 20
"""Rows of the table; the rest is counted."""


@click.command(short_help="Remove or archive old executions.")
@click.option("--older-than", metavar="TIME", help="What ended longer ago than this (30d).")
@click.option("--keep", type=click.IntRange(min=0), help="All but this many of each workflow.")
@click.option("--max-size", metavar="SIZE", help="The oldest with logs, until all logs together are as small (2GB).")
@click.option("--failed-factor", type=click.IntRange(1, 1000), help="What did not complete stays so many times longer.")
@click.option("--workflow", "workflow_id", metavar="ID", help="Only executions of this workflow.")
@click.option("--logs-only", is_flag=True, help="Remove the logs and keep the executions in the history.")
@click.option("--archive", metavar="FILE", help="Write them into this file first; it may be an archive already.")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and how much room it takes.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask first.")
@json_option
@pass_session
def prune(
    session: Session,
    older_than: str | None,
    keep: int | None,
    max_size: str | None,
    failed_factor: int | None,
    workflow_id: str | None,
    logs_only: bool,
    archive: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove executions that are over: those that ended long ago, of each workflow all but the newest, or the oldest
    until the logs are small enough. What any limit leaves out goes. Without one the settings keep_… count.

    Executions that failed, timed out, were cancelled or lost count as half as old as they are (--failed-factor).
    What is not over, pinned (outlast pin), or being retried or rolled back stays. Numbers are never given again.
    """
    limits = limits_of(session, older_than, keep, max_size, failed_factor, workflow_id, logs_only=logs_only)
    asking = not dry_run and not yes
    if asking and (session.as_json or not sys.stdin.isatty()):
        raise InvalidInput("There is nobody to ask here.", next="outlast prune … --yes, or --dry-run")
    target = None if archive is None else Path(archive).resolve()
    with session.observer() as observer:
        found = observer.call(observer.it.pruner.plan, limits)
        if not session.as_json:
            describe(session.screen, found, limits)
        if dry_run or not found.due:
            if session.as_json:
                session.screen.json(plan_view(found, dry_run=dry_run))
            return
        if asking:
            what = "the logs of " if limits.logs_only else ""
            click.confirm(f"Remove {what}{counted(len(found.due), 'execution')}?", abort=True)
        pruner = observer.it.pruner
        pruned = observer.call(lambda: pruner.prune(found.due, logs_only=limits.logs_only, archive=target))
    if session.as_json:
        session.screen.json(plan_view(found, dry_run=False) | pruned_view(pruned))
    else:
        say(session.screen, pruned, limits)


def limits_of(
    session: Session,
    older_than: str | None,
    keep: int | None,
    max_size: str | None,
    failed_factor: int | None,
    workflow_id: str | None,
    *,
    logs_only: bool,
) -> Limits:
    """What the options say, or else the settings. Raises InvalidInput naming the option."""
    settings = session.settings
    factor = settings.keep_failed_factor if failed_factor is None else failed_factor
    if older_than is None and keep is None and max_size is None:
        kept = settings.retention or Limits()
        max_age, keep, max_bytes, logs_only = kept.max_age, kept.keep, kept.max_bytes, logs_only or kept.logs_only
    else:
        max_age = None if older_than is None else round(parse_seconds("--older-than", older_than) * 1_000_000)
        max_bytes = None if max_size is None else parse_size("--max-size", max_size)
    limits = Limits(
        max_age=max_age,
        keep=keep,
        max_bytes=max_bytes,
        failed_factor=factor,
        workflow_id=workflow_id,
        logs_only=logs_only,
    )
    limits.check()
    return limits


def parse_size(field: str, text: str) -> int:
    try:
        return size_of(text)
    except ValueError:
        raise InvalidInput(f"{field}: {text!r} is no size.", next="write 2GB, 500MB, 1.5GiB") from None


def describe(screen: Screen, plan: Plan, limits: Limits) -> None:
    """What would go, and what would not though it is old enough."""
    if plan.due:
        at = now()
        screen.table(COLUMNS, [row_of(due, at) for due in plan.due[:SHOWN]], status=STATUS)
        if len(plan.due) > SHOWN:
            screen.line(screen.dim(f"… and {len(plan.due) - SHOWN:,} more"))
    for reason, number in plan.kept.items():
        screen.line(f"{counted(number, 'execution')} would go too, but {'is' if number == 1 else 'are'} {reason.value}")
    what = "the logs of " if limits.logs_only else ""
    if plan.due:
        screen.line(f"{what}{counted(len(plan.due), 'execution')} to remove; their logs take {size_text(plan.bytes)}")
    else:
        screen.line("Nothing to remove.")
    screen.flush()


def row_of(due: Due, at: int) -> list[str]:
    size = size_text(due.bytes) if due.sealed else "in its files"
    return [str(due.number), due.workflow_id, due.status, moment(due.ended_at, at), size]


def say(screen: Screen, pruned: Pruned, limits: Limits) -> None:
    if pruned.archive is not None:
        screen.line(f"archived in {pruned.archive}")
    what = "the logs of " if limits.logs_only else ""
    screen.line(f"removed {what}{counted(len(pruned.removed), 'execution')}, {size_text(pruned.bytes)} of logs")
    if pruned.left:
        numbers = ", ".join(f"#{due.number}" for due in pruned.left[:SHOWN])
        more = "" if len(pruned.left) <= SHOWN else f" and {len(pruned.left) - SHOWN:,} more"
        screen.line(f"{numbers}{more} stayed: in use, damaged, or pinned or retried meanwhile; see outlast doctor")
    if pruned.freed:
        screen.line(f"the database is {size_text(pruned.freed)} smaller")
    elif pruned.free:
        screen.line(f"{size_text(pruned.free)} are free in the database for what comes next")
        screen.line("next: outlast db compact  (makes the file smaller)")
    if pruned.archive is not None:
        screen.line(f"next: outlast history --archive {pruned.archive}")


def size_text(size: int) -> str:
    """`512 B`, `4.2 MB`."""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{size:,} B" if unit == "B" else f"{number:.1f} {unit}"


def plan_view(plan: Plan, *, dry_run: bool) -> dict[str, Json]:
    return {
        "dry_run": dry_run,
        "due": [
            {
                "handle_id": due.id,
                "number": due.number,
                "workflow_id": due.workflow_id,
                "status": due.status,
                "end_time": time_text(due.ended_at),
                "log_bytes": due.bytes,
                "sealed": due.sealed,
            }
            for due in plan.due
        ],
        "log_bytes": plan.bytes,
        "kept": {reason.name.lower(): number for reason, number in plan.kept.items()},
    }


def pruned_view(pruned: Pruned) -> dict[str, Json]:
    return {
        "removed": [due.number for due in pruned.removed],
        "left": [due.number for due in pruned.left],
        "archive": None if pruned.archive is None else str(pruned.archive),
        "freed_bytes": pruned.freed,
        "free_bytes": pruned.free,
    }
