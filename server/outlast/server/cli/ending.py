"""How a command ends: which exit code, and what is said on stderr."""

import json
import os
import re
import time
import traceback
from enum import IntEnum
from typing import TYPE_CHECKING

import click

from outlast.kernel.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    OutlastError,
    StoreError,
)
from outlast.kernel.status import ExecutionStatus
from outlast.server.failures import sole

if TYPE_CHECKING:
    from outlast.server.cli.session import Session


class ExitCode(IntEnum):
    DONE = 0
    FAILED = 1
    """The execution, not the command; of `doctor`: there is a problem; of `search`: no line matches."""
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    UNREACHABLE = 5
    """The database."""
    BROKEN = 70
    """A fault in Outlast."""
    TIMED_OUT = 124
    INTERRUPTED = 130
    """By Ctrl-C, as shells count it."""
    PIPE_CLOSED = 141
    """By whoever read the output, as shells count it."""


CODES: dict[type[OutlastError], ExitCode] = {
    InvalidInput: ExitCode.USAGE,
    NotFound: ExitCode.NOT_FOUND,
    NotAllowed: ExitCode.NOT_ALLOWED,
    Conflict: ExitCode.NOT_ALLOWED,
    StoreError: ExitCode.UNREACHABLE,
}


def code_of(status: ExecutionStatus) -> ExitCode:
    """The exit code of a command that waited for an execution which is over."""
    return ExitCode.DONE if status is ExecutionStatus.COMPLETED else ExitCode.FAILED


def still_going(number: int) -> str:
    """What is said when the time to wait has passed."""
    return f"The time to wait is over, #{number} goes on: outlast wait {number}"


def ended_by(error: BaseException, session: "Session") -> int:
    """Say on stderr what ended a command; the exit code. Reraises what click and Python handle themselves."""
    error = sole(error)
    match error:
        case OutlastError():
            say(error, as_json=session.as_json)
            return next((code for kind, code in CODES.items() if isinstance(error, kind)), ExitCode.FAILED)
        case click.UsageError() if session.as_json:
            say(InvalidInput(error.format_message(), next=usage_of(error)), as_json=True)
            return ExitCode.USAGE
        case click.exceptions.Abort() | KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            quiet_stdout()
            return ExitCode.PIPE_CLOSED
        case Exception() if not isinstance(error, click.ClickException):
            unexpected(error, session)
            return ExitCode.BROKEN
        case _:
            raise error


def say(error: OutlastError, *, as_json: bool) -> None:
    following = None if error.next is None else in_commands(error.next)
    if as_json:
        document = {"code": error.code, "message": error.message, "next": following}
        if error.handle_id is not None:
            document["handle_id"] = error.handle_id
        text = json.dumps(document, ensure_ascii=False)
    else:
        text = f"{error.code}: {error.message}" + (f"\nnext: {following}" if following else "")
    click.echo(text, err=True)


COMMANDS = (
    (re.compile(r"\bget_status\((\w+)\b[^)]*\)"), r"outlast show \1"),
    (re.compile(r"\bget_logs\((\w+)\b[^)]*\)"), r"outlast logs \1"),
    (re.compile(r"\bcancel_execution\((\w+)\)"), r"outlast cancel \1"),
    (re.compile(r"\blist_execution_history\b(\([^)]*\))?"), "outlast history"),
    (re.compile(r"\bsearch_logs\b(\([^)]*\))?"), "outlast search"),
    (re.compile(r"\blist_workflows\b(\([^)]*\))?"), "outlast workflows list"),
)
"""Tools that errors name → the commands that do the same."""


def in_commands(text: str) -> str:
    """The next useful call for somebody who has commands instead of tools."""
    for tool, command in COMMANDS:
        text = tool.sub(command, text)
    return text


def usage_of(error: click.UsageError) -> str | None:
    return None if error.ctx is None else f"{error.ctx.command_path} --help"


def unexpected(error: Exception, session: "Session") -> None:
    """One line, and the details in the home's log; everything at once with --debug."""
    details = "".join(traceback.format_exception(error))
    if session.debug:
        click.echo(details, err=True, nl=False)
        return
    try:
        log = session.settings.home.server_log
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with open(log, "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 - homes give strings
            # Without the arguments: they may hold secrets.
            file.write(f"{stamp} a command failed unexpectedly\n{details}")
        where = f"details are in {log}"
    except (OSError, OutlastError):
        where = "run `outlast --debug …` for details"
    summary = " ".join(str(error).split())[:300]
    click.echo(f"internal_error: {type(error).__name__}: {summary} ({where})", err=True)


def quiet_stdout() -> None:
    """Nobody reads stdout any more: what is still buffered goes nowhere, also when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
