"""`outlast doctor`."""

import sys
from collections.abc import Sequence

import click

from outlast.kernel.errors import InvalidInput
from outlast.kernel.plan import Json
from outlast.server.cli.ending import ExitCode
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.wording import counted
from outlast.server.clients.machine import this_machine
from outlast.server.doctor.examination import database_again, examination
from outlast.server.doctor.findings import Finding, Fix, Level

COLOURS = {Level.OK: "completed", Level.WARNING: "cancelled", Level.PROBLEM: "failed"}
"""The statuses whose colours the levels have."""


@click.command(short_help="Look for what is wrong, and say what to do.")
@click.option("--fix", is_flag=True, help="Say what can be mended, then mend it.")
@click.option("--dry-run", is_flag=True, help="With --fix: only say it.")
@click.option("-y", "--yes", is_flag=True, help="With --fix: do not ask first.")
@json_option
@pass_session
@click.pass_context
def doctor(ctx: click.Context, session: Session, fix: bool, dry_run: bool, yes: bool) -> None:
    """Check versions, settings, the home and its disk, the database, what is left of executions, workflows, the
    clients' configurations and a real server. Without --fix it changes nothing. The exit code is 1 when there is a
    problem; warnings are none.
    """
    if (dry_run or yes) and not fix:
        raise InvalidInput("--dry-run, --yes: they go with --fix.", next="outlast doctor --fix")
    asking = fix and not dry_run and not yes
    if asking and (session.as_json or not sys.stdin.isatty()):
        raise InvalidInput("--fix: there is nobody to ask here.", next="outlast doctor --fix --yes, or --dry-run")
    found: list[Finding] = []
    for finding in examination(session.flags, this_machine()):
        found.append(finding)
        if not session.as_json:
            show(session, finding)
            session.screen.flush()
    mended: list[Json] = []
    if fix and plan(session, found) and not dry_run:
        if asking:
            click.confirm("Do it?", abort=True)
        found, mended = mend_all(session, found, asking=asking)
    counts = {level: sum(finding.level is level for finding in found) for level in Level}
    if session.as_json:
        document: dict[str, Json] = {
            "checks": [view(each) for each in found],
            "problems": counts[Level.PROBLEM],
            "warnings": counts[Level.WARNING],
        }
        if fix:
            document["mended"] = mended
        session.screen.json(document)
    else:
        session.screen.line(f"{counted(counts[Level.PROBLEM], 'problem')}, {counted(counts[Level.WARNING], 'warning')}")
    ctx.exit(ExitCode.FAILED if counts[Level.PROBLEM] else ExitCode.DONE)


def show(session: Session, finding: Finding) -> None:
    level = session.screen.status(COLOURS[finding.level], finding.level.value.ljust(7))
    session.screen.line(f"{level}  {finding.check}: {finding.message}")
    if finding.next is not None:
        session.screen.line(f"         next: {finding.next}")
    if finding.fix is not None:
        session.screen.line(f"         --fix would: {finding.fix.words}")


def view(finding: Finding) -> dict[str, Json]:
    return {
        "check": finding.check,
        "level": finding.level.value,
        "message": finding.message,
        "next": finding.next,
        "fix": None if finding.fix is None else finding.fix.words,
    }


def plan(session: Session, found: Sequence[Finding]) -> bool:
    """Say what would be mended; whether there is anything."""
    lines = [f"  {each.check}: {each.fix.words}" for each in found if each.fix is not None]
    if not session.as_json:
        session.screen.line("What --fix does:" if lines else "There is nothing that --fix could mend.")
        for line in lines:
            session.screen.line(line)
        session.screen.flush()
    return bool(lines)


def mend_all(session: Session, found: Sequence[Finding], *, asking: bool) -> tuple[list[Finding], list[Json]]:
    """Mend what can be, look again, and go on with what only shows then; what is found in the end, and what was done
    about each."""
    done: list[Json] = []
    tried: set[str] = set()
    now = list(found)
    while todo := [each for each in now if each.fix is not None and each.fix.mending not in tried]:
        if tried:
            plan(session, todo)
            if asking:
                click.confirm("Do that too?", abort=True)
        for finding in todo:
            assert finding.fix is not None, "chosen so"
            tried.add(finding.fix.mending)
            done.append(mend_one(session, finding, finding.fix))
        again = database_again(session.settings.home)
        old = {each.check for each in again} | {each.check for each in todo}
        now = [each for each in now if each.check not in old] + again
    return now, done


def mend_one(session: Session, finding: Finding, fix: Fix) -> dict[str, Json]:
    """Do it and say how it went; the same for programs."""
    from outlast.server.doctor.mending import mend  # only here: looking does without

    mended = mend(fix, session)
    if not session.as_json:
        level, word = (Level.OK, "mended ") if mended.done else (Level.WARNING, "not yet")
        session.screen.line(f"{session.screen.status(COLOURS[level], word)}  {finding.check}: {mended.message}")
        if mended.next is not None:
            session.screen.line(f"         next: {mended.next}")
        session.screen.flush()
    return {
        "check": finding.check,
        "fix": fix.words,
        "done": mended.done,
        "message": mended.message,
        "next": mended.next,
    }
