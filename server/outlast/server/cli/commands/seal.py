"""`outlast seal`: what servers do in the background, for homes without one."""

import click

from outlast.server.cli.session import Session, json_option, pass_session


@click.command(hidden=True, short_help="Move the logs of finished executions into the database.")
@click.argument("handle", required=False)
@json_option
@pass_session
def seal(session: Session, handle: str | None) -> None:
    """Move the log of the execution HANDLE, or of all that are over, into the database."""
    with session.observer() as observer:
        if handle is None:
            observer.call(observer.it.seal_all)
            return
        execution = observer.call(observer.it.get, handle)
        finished = observer.call(observer.it.seal, execution)
        if session.as_json:
            session.screen.json({"handle_id": execution.id, "number": execution.number, "finished": finished})
