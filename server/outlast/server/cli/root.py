"""The command `outlast`: its global flags and the list of its commands."""

import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple, NoReturn, TypeVar

import click

from outlast.server.cli.ending import ended_by
from outlast.server.cli.session import Session
from outlast.server.settings import SETTINGS, Setting, shown_default

F = TypeVar("F", bound=Callable[..., object])


class Entry(NamedTuple):
    """A command that is imported when it is used."""

    module: str
    """Below outlast.server.cli.commands; the command has the same name there."""
    help: str
    """What `outlast --help` says of it."""
    hidden: bool = False


COMMANDS = {
    "serve": Entry("serve", "Serve agents over stdio (MCP)."),
    "run": Entry("run", "Start a workflow or a command."),
    "ps": Entry("ps", "List what is not over yet."),
    "history": Entry("history", "List executions, newest first."),
    "show": Entry("show", "Show everything about one execution."),
    "logs": Entry("logs", "Print what an execution printed."),
    "digest": Entry("digest", "Say in few lines what a log of any length says."),
    "search": Entry("search", "Find lines in the logs of all executions."),
    "wait": Entry("wait", "Wait until an execution is over."),
    "cancel": Entry("cancel", "End an execution and all its processes."),
    "pin": Entry("pin", "Keep an execution whatever its age."),
    "prune": Entry("prune", "Remove or archive old executions."),
    "workflows": Entry("workflows", "List, show, check and create workflows."),
    "db": Entry("db", "Back up, restore and check the database."),
    "install": Entry("install", "Put Outlast into an MCP client's configuration."),
    "uninstall": Entry("uninstall", "Take Outlast out of an MCP client's configuration."),
    "doctor": Entry("doctor", "Look for what is wrong, and say what to do."),
    "demo": Entry("demo", "Put a few workflows in place to try things with."),
    "seal": Entry("seal", "Move the logs of finished executions into the database.", hidden=True),
}


class Root(click.Group):
    """Imports a command when it is asked for, and gives every end of one its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if (entry := COMMANDS.get(cmd_name)) is None:
            return None
        command = getattr(import_module(f"outlast.server.cli.commands.{entry.module}"), entry.module)
        assert isinstance(command, click.Command), f"{entry.module} holds the command {entry.module}"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        known = [command for command, entry in COMMANDS.items() if not entry.hidden]
        if name and name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            close = [command for command in known if command.startswith(name)] or get_close_matches(name, known, n=1)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The commands first: that is what most people look for.
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items() if not entry.hidden])

    def invoke(self, ctx: click.Context) -> NoReturn:
        session = ctx.ensure_object(Session)
        try:
            try:
                super().invoke(ctx)
                code = 0
            except click.exceptions.Exit as end:
                code = end.exit_code
            sys.stdout.flush()
        except BaseException as error:  # noqa: BLE001 - whatever it was gets its exit code here
            code = ended_by(error, session)
        ctx.exit(code)


def setting_option(setting: Setting, command: F) -> F:
    """Give a command the flag of one setting. Its value is checked with the others, when they are read."""
    shown = shown_default(setting)
    sentence = setting.sentence + (f" [{setting.variable}; default {shown}]" if shown else f" [{setting.variable}]")
    if setting.kind.name == "boolean":
        declaration = f"{setting.flag}/--no-{setting.flag.removeprefix('--')}"
        return click.option(declaration, setting.name, is_flag=True, default=None, help=sentence)(command)
    metavar = setting.kind.name.split()[-1].upper()
    return click.option(setting.flag, setting.name, metavar=metavar, help=sentence)(command)


def with_settings(command: F) -> F:
    for setting in reversed(SETTINGS):
        command = setting_option(setting, command)
    return command


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@with_settings
@click.option("--debug", is_flag=True, help="Show where an unexpected error comes from.")
@click.version_option(package_name="outlast", message="outlast %(version)s")
@click.pass_context
def outlast(ctx: click.Context, debug: bool, **flags: str | bool | None) -> None:
    """Durable workflows and a history that can be questioned.

    What is started here goes on when this terminal, or this machine's every Outlast server, is gone.

    Exit codes: 0 done, 1 the execution failed (doctor: a problem; search: nothing found), 2 wrong usage, 3 not found,
    4 not allowed, 5 the database cannot be used, 124 the time to wait passed.
    """
    session = ctx.ensure_object(Session)
    session.debug = debug
    session.flags = {name: shown(value) for name, value in flags.items() if value is not None}


def shown(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()
