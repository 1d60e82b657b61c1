"""`outlast run`: start a workflow, or any command where the settings allow it."""

import os
import time
from collections.abc import Sequence
from importlib.metadata import version

import click

from outlast.definitions.builtin import COMMAND
from outlast.kernel.errors import InvalidInput, NotAllowed
from outlast.kernel.plan import Json
from outlast.kernel.status import ExecutionStatus
from outlast.runtime.runtime import Runtime, Started
from outlast.runtime.starting import StartRequest
from outlast.server.cli.ending import ExitCode, code_of, still_going
from outlast.server.cli.following import EVENT_SECONDS, follow
from outlast.server.cli.giving import asked, given_params, merged, next_step
from outlast.server.cli.lines import bare
from outlast.server.cli.live import status_line
from outlast.server.cli.selecting import Selection
from outlast.server.cli.session import Opened, Session, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.server.cli.wording import counted, now, parse_seconds
from outlast.storage.records import Execution
from outlast.tools.expectations import Expectation, expectation
from outlast.tools.progress_views import glance_words, progress_line
from outlast.tools.texts import joined, state_words, usual_words
from outlast.tools.views import started_view

ARGV = "outlast.argv"


class RunCommand(click.Command):
    """Everything behind `--` is a command of its own and none of ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            place = args.index("--")
            ctx.meta[ARGV] = args[place + 1 :]
            args = args[:place]
        return super().parse_args(ctx, args)


@click.command(cls=RunCommand, short_help="Start a workflow or a command.")
@click.argument("workflow", required=False)
@click.option("-p", "--param", "words", multiple=True, metavar="NAME=VALUE", help="A parameter; repeat for more.")
@click.option(
    "--params",
    "document",
    metavar="JSON|@FILE|-",
    help="Parameters as a JSON object: here, in a file, or on standard input.",
)
@click.option(
    "--wait/--detach",
    default=False,
    help="Print what it prints until it is over; or (default) return at once.",
)
@click.option("--timeout", metavar="TIME", help="With --wait: how long to wait (90, 5m, 2h). It goes on after that.")
@click.option("--key", metavar="TEXT", help="Idempotency key: used again, it starts nothing and finds the first one.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A text to find it by; repeat for more.")
@json_option
@pass_session
@click.pass_context
def run(
    ctx: click.Context,
    session: Session,
    workflow: str | None,
    words: tuple[str, ...],
    document: str | None,
    wait: bool,
    timeout: str | None,
    key: str | None,
    labels: tuple[str, ...],
) -> None:
    """Start WORKFLOW, or with `outlast run -- PROGRAM ARGUMENTS…` a command in this directory.

    It runs on when this terminal is closed. Without --wait the answer comes at once, with its number. With --wait
    the exit code is 0 when it completed, 1 when not, 124 when --timeout passed; Ctrl-C stops the waiting only.
    """
    seconds = None if timeout is None else parse_seconds("--timeout", timeout)
    if seconds is not None and not wait:
        raise click.UsageError("--timeout is for --wait; a time limit for the execution is part of the workflow.", ctx)
    argv: list[str] | None = ctx.meta.get(ARGV)
    if (workflow is None) == (argv is None):
        raise click.UsageError("Name a workflow, or write a command behind `--`; one of them.", ctx)
    labelled = pairs("--label", labels)
    given = given_params(document)
    if argv is not None:
        if words or document is not None:
            raise click.UsageError("A command has no parameters: write its arguments behind it.", ctx)
        check_command(session, argv)
        workflow = COMMAND.id
        command: dict[str, Json] = {"argv": list[Json](argv), "cwd": os.getcwd()}  # noqa: PTH109 - JSON holds text
        given = command
    assert workflow is not None, "one of the two was given"
    with session.runtime() as runtime:
        started = start(session, runtime, workflow, words, given, key, labelled)
        code = waited(session, runtime, started, seconds) if wait else answered(session, runtime, started)
    ctx.exit(code)


def start(
    session: Session,
    runtime: Opened[Runtime],
    workflow: str,
    words: Sequence[str],
    given: dict[str, Json],
    key: str | None,
    labels: dict[str, str],
) -> Started:
    """Start the workflow with what was given, and asked for at the terminal."""
    definition = runtime.call(runtime.it.workflows.find, workflow).definition
    params: dict[str, Json] = {}
    with next_step(definition, params):
        params |= merged(definition, words, given)
        if not session.as_json:
            params |= asked(definition, params)
        request = StartRequest(
            workflow_id=workflow, params=params, idempotency_key=key, labels=labels or None, client=client()
        )
        return runtime.call(runtime.it.execute, request)


def check_command(session: Session, argv: Sequence[str]) -> None:
    if not argv:
        raise click.UsageError("Write a program and its arguments behind `--`.")
    if not session.settings.allow_command:
        raise NotAllowed(
            "Commands that are no workflow are not allowed here: the setting allow_command is off.",
            code="command_not_allowed",
            next="`outlast --allow-command run -- …` for this once; `allow_command = true` in "
            f"{session.settings.home.config} for agents too",
        )


def pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals) or name in found:
            why = "given twice" if name in found else f"{word!r} is no label"
            raise InvalidInput(f"{option}: {why}.", next=f"{option} name=value")
        found[name] = value
    return found


def client() -> dict[str, Json]:
    """This program, for the history: from which session of a terminal, or inside which execution, it was started."""
    found: dict[str, Json] = {
        "name": "outlast run",
        "version": version("outlast"),
        "session": str(os.getsid(0)),
    }
    if inside := os.environ.get("OUTLAST_EXECUTION_ID"):
        found["execution"] = inside
    return found


def answered(session: Session, runtime: Opened[Runtime], started: Started) -> int:
    """Say that it was started, or why not."""
    execution = started.execution
    if session.as_json:
        session.screen.json(started_view(execution, started.already_existed))
    else:
        session.screen.line(started_words(execution, started, expected_of(runtime, execution)))
    if execution.settled is None or started.already_existed:
        return ExitCode.DONE
    tidy(session, runtime, execution)
    return code_of(execution.status)


def started_words(execution: Execution, started: Started, expected: Expectation | None) -> str:
    number = execution.number
    head = f"#{number} {execution.workflow_id}"
    if started.already_existed:
        words = state_words(execution, now())
        return f"{head} exists already, the same key was used: {words}\nnext: outlast show {number}"
    if execution.settled is not None:
        return f"{head} {state_words(execution, now())}\nnext: outlast show {number}"
    word = state_words(execution) if execution.status is ExecutionStatus.PENDING else "started"
    usual = "" if expected is None else f". {usual_words(expected)}"
    return joined([f"{head} {word}{usual}", f"next: outlast logs -f {number} | outlast wait {number}"])


def expected_of(runtime: Opened[Runtime], execution: Execution) -> Expectation | None:
    return expectation(runtime.call(runtime.it.outcomes, execution.workflow_id))


def waited(session: Session, runtime: Opened[Runtime], started: Started, seconds: float | None) -> int:
    """Print what it prints until it is over."""
    execution, screen = started.execution, session.screen
    number = execution.number
    expected = expected_of(runtime, execution)
    if not session.as_json:
        screen.note(f"#{number} {execution.workflow_id} {'exists already' if started.already_existed else 'started'}")
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        with status_line(screen) as status:
            for seen in follow(runtime, number, Selection()):
                execution = seen.execution
                if not session.as_json:
                    status.write(bare(seen.entries, colours=screen.colours, marked=execution.marked_events))
                    words = [state_words(execution, now(), expected), counted(seen.lines, "line")]
                    if screen.live and (told := runtime.call(runtime.it.progress, execution, 0)) is not None:
                        words += glance_words(told.progress)
                    status.say(f"#{number} {' · '.join([execution.workflow_id, *words])}")
                if deadline is not None and time.monotonic() >= deadline and execution.settled is None:
                    break
    except KeyboardInterrupt:
        screen.note(f"\n#{number} goes on. outlast logs -f {number} shows it again, outlast cancel {number} ends it.")
        return ExitCode.INTERRUPTED
    if session.as_json:
        screen.json(started_view(execution, started.already_existed))
    else:
        screen.note(f"#{number} {execution.workflow_id} {state_words(execution, now(), expected)}")
        if (line := progress_line(runtime.call(runtime.it.progress, execution, EVENT_SECONDS))) is not None:
            screen.note(line)
    if execution.settled is None:
        screen.note(still_going(number))
        return ExitCode.TIMED_OUT
    tidy(session, runtime, execution)
    return code_of(execution.status)
