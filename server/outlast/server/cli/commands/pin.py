"""`outlast pin`."""

import click

from outlast.server.cli.session import Session, json_option, pass_session


@click.command(short_help="Keep an execution whatever its age.")
@click.argument("handle")
@click.option("--remove", is_flag=True, help="Let it go with the others again.")
@json_option
@pass_session
def pin(session: Session, handle: str, remove: bool) -> None:
    """Keep the execution HANDLE (142, #142 or a UUID) when old ones are removed, by `outlast prune` or by themselves.

    What is pinned already stays so, and that is no error.
    """
    with session.observer() as observer:
        if remove:
            changed = observer.call(observer.it.unpin, handle)
        else:
            changed = observer.call(observer.it.pin, handle, observer.it.options.user)
        execution = observer.call(observer.it.get, handle)
    if session.as_json:
        session.screen.json(
            {
                "handle_id": execution.id,
                "number": execution.number,
                "pinned": execution.pinned,
                "changed": changed,
            }
        )
        return
    already = "" if changed else " already" if execution.pinned else " anyway"
    words = "pinned" if execution.pinned else "not pinned"
    session.screen.line(f"#{execution.number} {execution.workflow_id} is {words}{already}")
