"""`outlast doctor`."""

import click

from outlast.kernel.plan import Json
from outlast.server.cli.ending import ExitCode
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.wording import counted
from outlast.server.clients.machine import this_machine
from outlast.server.doctor.examination import examination
from outlast.server.doctor.findings import Finding, Level

COLOURS = {Level.OK: "completed", Level.WARNING: "cancelled", Level.PROBLEM: "failed"}
"""The statuses whose colours the levels have."""


@click.command(short_help="Look for what is wrong, and say what to do.")
@json_option
@pass_session
@click.pass_context
def doctor(ctx: click.Context, session: Session) -> None:
    """Check versions, settings, the home and its disk, the database, workflows, the clients' configurations and a real
    server. Changes nothing. The exit code is 1 when there is a problem; warnings are none.
    """
    found: list[Finding] = []
    for finding in examination(session.flags, this_machine()):
        found.append(finding)
        if not session.as_json:
            show(session, finding)
            session.screen.flush()
    counts = {level: sum(finding.level is level for finding in found) for level in Level}
    if session.as_json:
        checks: list[Json] = [
            {"check": each.check, "level": each.level.value, "message": each.message, "next": each.next}
            for each in found
        ]
        session.screen.json({"checks": checks, "problems": counts[Level.PROBLEM], "warnings": counts[Level.WARNING]})
    else:
        session.screen.line(f"{counted(counts[Level.PROBLEM], 'problem')}, {counted(counts[Level.WARNING], 'warning')}")
    ctx.exit(ExitCode.FAILED if counts[Level.PROBLEM] else ExitCode.DONE)


def show(session: Session, finding: Finding) -> None:
    level = session.screen.status(COLOURS[finding.level], finding.level.value.ljust(7))
    session.screen.line(f"{level}  {finding.check}: {finding.message}")
    if finding.next is not None:
        session.screen.line(f"         next: {finding.next}")
