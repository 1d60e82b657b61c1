"""`outlast history`."""

import click

from outlast.kernel.errors import InvalidInput
from outlast.kernel.status import ExecutionStatus
from outlast.server.cli.listing import print_page
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.wording import now, parse_moment
from outlast.storage.history import MAX_LIMIT, Filter
from outlast.storage.records import Page
from outlast.tools.views import history_view


@click.command(short_help="List executions, newest first.")
@click.option("--workflow", "workflow_id", metavar="ID", help="Of this workflow.")
@click.option("--status", type=click.Choice([status.value for status in ExecutionStatus]), help="In this status.")
@click.option("--user", help="Started by this user.")
@click.option("--agent", help="Of this agent.")
@click.option("--customer", help="Of this customer.")
@click.option("--label", metavar="NAME=VALUE", help="With this label.")
@click.option("--mode", help="Of this mode.")
@click.option("--active/--over", default=None, help="Only what is not over yet, or only what is.")
@click.option(
    "--since",
    metavar="TIME",
    help="Created then or later: 2026-11-20, 2026-11-20T14:02, or 3h for 3 hours ago.",
)
@click.option("--until", metavar="TIME", help="Created before.")
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), default=20, show_default=True, help="How many.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="How many to pass over.")
@click.option("--cursor", help="Go on where the page that named this cursor ended.")
@json_option
@pass_session
def history(
    session: Session,
    workflow_id: str | None,
    status: str | None,
    user: str | None,
    agent: str | None,
    customer: str | None,
    label: str | None,
    mode: str | None,
    active: bool | None,
    since: str | None,
    until: str | None,
    limit: int,
    offset: int,
    cursor: str | None,
) -> None:
    """List executions of every session, newest first."""
    at = now()
    wanted = Filter(
        workflow_id=workflow_id,
        status=None if status is None else ExecutionStatus(status),
        user=user,
        agent=agent,
        customer=customer,
        mode=mode,
        label=None if label is None else label_of(label),
        active=active,
        since=None if since is None else parse_moment("--since", since, at),
        until=None if until is None else parse_moment("--until", until, at),
    )

    def look() -> Page:
        return observer.call(lambda: observer.it.history(wanted, limit=limit, offset=offset, cursor=cursor))

    with session.observer() as observer:
        page = look()
        if any(row.ended_at is None for row in page.executions):
            # What lost its supervisor gets another one, so that the next look tells the truth.
            observer.call(observer.it.reconcile)
            page = look()
    if session.as_json:
        session.screen.json(history_view(page, limit, offset))
    else:
        print_page(session.screen, page, at)


def label_of(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InvalidInput(f"--label: {text!r} is no label.", next="--label name=value")
    return name, value
