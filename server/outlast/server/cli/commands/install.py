"""`outlast install`."""

import os
import re

import click

from outlast.kernel.errors import InvalidInput
from outlast.kernel.plan import Json
from outlast.server.cli.screen import Column
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.clients.configuring import Change, Configured, Outcome, file_of, look, putting_in, refuse_missing
from outlast.server.clients.launch import environment, this_installation
from outlast.server.clients.machine import this_machine
from outlast.server.clients.table import CLIENTS, Client
from outlast.tools.readable import visible

COLUMNS = (Column("client"), Column("found"), Column("Outlast"), Column("configuration"))
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@click.command(short_help="Put Outlast into an MCP client's configuration.")
@click.argument("client", required=False, type=click.Choice(list(CLIENTS)), metavar="[CLIENT]")
@click.option("--name", default="outlast", show_default=True, help="What the client calls the server.")
@click.option("--project", is_flag=True, help="Into the file of the project in the working directory.")
@click.option("--force", is_flag=True, help="Also when the client was not found on this machine.")
@click.option("--dry-run", is_flag=True, help="Show the exact change; write nothing.")
@json_option
@pass_session
def install(session: Session, client: str | None, name: str, project: bool, force: bool, dry_run: bool) -> None:
    """Configure CLIENT (claude-desktop, claude-code, cursor, vscode, windsurf, gemini-cli or codex) to start this
    Outlast. Without CLIENT: list the clients, which of them are here, and whether Outlast is configured.

    The entry holds the absolute path of this command and the PATH of now, so that workflows find what your shell finds.
    All the rest of the file stays as it is, and a copy of it is put beside it.
    """
    if client is None:
        show_clients(session)
        return
    check_name(name)
    machine, chosen = this_machine(), CLIENTS[client]
    path = file_of(chosen, machine, project=project)
    if not project and not force:
        refuse_missing(chosen, machine)
    launch = this_installation()
    entry = chosen.entry(launch.command, launch.arguments, environment(session.settings, os.environ))
    finish(session, chosen, name, putting_in(chosen, path, name, entry), dry_run=dry_run)
    if launch.passing:
        session.screen.note(
            f"{launch.command} lies in a cache or among temporary files and may be gone one day. Install Outlast to "
            "stay (pipx install, or a virtual environment of its own), then run its `outlast install`."
        )
    if project:
        session.screen.note("The entry holds paths of this machine: keep the file out of version control, or edit it.")


def check_name(name: str) -> None:
    if not NAME.match(name):
        raise InvalidInput("--name: must be 1 to 64 letters, digits, dashes and underscores.", next="--name outlast")


def show_clients(session: Session) -> None:
    looks = [look(client, this_machine()) for client in CLIENTS.values()]
    if session.as_json:
        session.screen.json({"clients": [view_of(one) for one in looks]})
        return
    session.screen.table(COLUMNS, [row_of(one) for one in looks])
    session.screen.line("next: outlast install CLIENT --dry-run  (shows what it would write)")


def row_of(one: Configured) -> list[str]:
    if one.problem is not None:
        state = "not known: " + visible(one.problem)
    else:
        state = "as " + ", ".join(one.entries) if one.entries else "no"
    return [one.client.name, "yes" if one.found else "no", state, visible(str(one.path))]


def view_of(one: Configured) -> Json:
    return {
        "client": one.client.name,
        "title": one.client.title,
        "path": str(one.path),
        "found": one.found,
        "configured_as": list(one.entries),
        "problem": one.problem,
    }


def finish(session: Session, client: Client, name: str, change: Change, *, dry_run: bool) -> None:
    """Do a change unless it is only to be shown; say what became of it."""
    screen = session.screen
    backup = None if dry_run else change.apply()
    done = change.outcome in (Outcome.SAME, Outcome.ABSENT)
    if session.as_json:
        screen.json(
            {
                "client": client.name,
                "name": name,
                "path": str(change.path),
                "outcome": change.outcome.value,
                "dry_run": dry_run,
                "backup": None if backup is None else str(backup),
                "diff": change.diff(),
            }
        )
        return
    verb = "would be " if dry_run and not done else "is " if done else "was "
    screen.line(f"{client.title}: {name} {verb}{change.outcome}: {visible(str(change.path))}")
    if dry_run:
        screen.write("".join(visible(line) + "\n" for line in change.diff().splitlines()))
    elif not done:
        if backup is not None:
            screen.line(f"what was there before: {visible(str(backup))}")
        screen.line(f"next: {client.again}")
