"""`outlast uninstall`."""

import click

from outlast.server.cli.commands.install import check_name, finish
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.clients.configuring import file_of, taking_out
from outlast.server.clients.machine import this_machine
from outlast.server.clients.table import CLIENTS


@click.command(short_help="Take Outlast out of an MCP client's configuration.")
@click.argument("client", type=click.Choice(list(CLIENTS)), metavar="CLIENT")
@click.option("--name", default="outlast", show_default=True, help="What the client calls the server.")
@click.option("--project", is_flag=True, help="Out of the file of the project in the working directory.")
@click.option("--dry-run", is_flag=True, help="Show the exact change; write nothing.")
@json_option
@pass_session
def uninstall(session: Session, client: str, name: str, project: bool, dry_run: bool) -> None:
    """Take Outlast out of the configuration of CLIENT. Executions, workflows and the home stay."""
    check_name(name)
    chosen = CLIENTS[client]
    path = file_of(chosen, this_machine(), project=project)
    finish(session, chosen, name, taking_out(chosen, path, name), dry_run=dry_run)
