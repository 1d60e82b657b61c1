"""`outlast cancel`."""

import click

from outlast.server.cli.following import Pace
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.server.cli.wording import now
from outlast.tools.texts import state_words


@click.command(short_help="End an execution and all its processes.")
@click.argument("handle")
@click.option("--wait", is_flag=True, help="Return when it is over and none of its processes is left.")
@json_option
@pass_session
def cancel(session: Session, handle: str, wait: bool) -> None:
    """End the execution HANDLE (142, #142 or a UUID) and all its processes.

    What is over already stays as it is, and that is no error.
    """
    screen = session.screen
    with session.observer() as observer:
        cancelled = observer.call(observer.it.cancel, handle, observer.it.options.user)
        execution = observer.call(observer.it.get, cancelled.number)
        if wait:
            pace = Pace(observer)
            while execution.settled is None:
                pace.pause(execution)
                execution = observer.call(observer.it.get, execution.number)
        if session.as_json:
            screen.json(
                {
                    "handle_id": execution.id,
                    "number": execution.number,
                    "status": execution.status.value,
                    "cancel_requested": execution.settled is None,
                }
            )
        elif execution.settled is None:
            screen.line(f"#{execution.number} {execution.workflow_id} is being cancelled")
            screen.line(f"next: outlast wait {execution.number}")
        else:
            screen.line(f"#{execution.number} {execution.workflow_id} {state_words(execution, now())}")
        tidy(session, observer, execution)
