"""`outlast wait`."""

import time

import click

from outlast.server.cli.ending import ExitCode, code_of
from outlast.server.cli.following import EVENT_SECONDS, Pace
from outlast.server.cli.live import status_line
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.server.cli.wording import now, parse_seconds
from outlast.tools.texts import state_words
from outlast.tools.views import status_view


@click.command(short_help="Wait until an execution is over.")
@click.argument("handle")
@click.option("--timeout", metavar="TIME", help="How long at most (90, 5m, 2h). The execution goes on after that.")
@json_option
@pass_session
@click.pass_context
def wait(ctx: click.Context, session: Session, handle: str, timeout: str | None) -> None:
    """Wait until the execution HANDLE (142, #142 or a UUID) is over.

    The exit code is 0 when it completed, 1 when not, 124 when --timeout passed.
    """
    seconds = None if timeout is None else parse_seconds("--timeout", timeout)
    screen = session.screen
    with session.observer() as observer:
        execution = observer.call(observer.it.get, handle)
        deadline = None if seconds is None else time.monotonic() + seconds
        pace = Pace(observer)
        with status_line(screen) as status:
            while execution.settled is None and (deadline is None or time.monotonic() < deadline):
                status.say(f"#{execution.number} {execution.workflow_id} · {state_words(execution, now())}")
                pace.pause(execution)
                execution = observer.call(observer.it.get, execution.number)
        if session.as_json:
            count = observer.call(observer.it.log_count, execution)
            tracked = observer.call(observer.it.progress, execution, EVENT_SECONDS)
            screen.json(status_view(execution, count, now(), tracked=tracked))
        else:
            screen.line(f"#{execution.number} {execution.workflow_id} {state_words(execution, now())}")
        if execution.settled is None:
            code = ExitCode.TIMED_OUT
        else:
            code = code_of(execution.status)
            tidy(session, observer, execution)
    ctx.exit(code)
