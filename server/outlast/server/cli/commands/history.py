"""`outlast history`."""

import click

from outlast.kernel.errors import InvalidInput
from outlast.kernel.status import ExecutionStatus
from outlast.server.cli.listing import Leaf, print_page
from outlast.server.cli.session import Session, archive_option, json_option, pass_session
from outlast.server.cli.wording import now, parse_moment
from outlast.storage.history import MAX_LIMIT, PAGE_SIZE, Filter, offset_of
from outlast.storage.records import Page
from outlast.storage.words import says_something
from outlast.tools.views import history_view

USUAL_LIMIT = 20


@click.command(short_help="List executions, newest first.")
@click.option("--workflow", "workflow_id", metavar="ID", help="Of this workflow.")
@click.option("--status", type=click.Choice([status.value for status in ExecutionStatus]), help="In this status.")
@click.option("--user", help="Started by this user.")
@click.option("--agent", help="Of this agent.")
@click.option("--customer", help="Of this customer.")
@click.option("--label", metavar="NAME=VALUE", help="With this label.")
@click.option(
    "--text",
    metavar="WORDS",
    help="With these words in workflow, parameters, labels or reason; the last one may be a beginning.",
)
@click.option(
    "--mode",
    type=click.Choice(["local-run", "cloud-run"]),
    help="Run by Outlast itself (local-run) or recorded, run elsewhere (cloud-run).",
)
@click.option("--visual-only", is_flag=True, help="Only those with a recording of the screen.")
@click.option("--active/--over", default=None, help="Only what is not over yet, or only what is.")
@click.option(
    "--since",
    metavar="TIME",
    help="Created then or later: 2026-11-20, 2026-11-20T14:02, or 3h for 3 hours ago.",
)
@click.option("--until", metavar="TIME", help="Created before.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_LIMIT),
    help=f"How many; {PAGE_SIZE} with --user or --workflow, else {USUAL_LIMIT}.",
)
@click.option("--offset", type=click.IntRange(min=0), default=0, help="How many to pass over.")
@click.option("--cursor", help="Go on where the page that named this cursor ended.")
@click.option("--page", type=click.IntRange(min=1), help="The page with this number, the first is 1.")
@click.option("--page-size", type=click.IntRange(1, MAX_LIMIT), help=f"How many on a page; {PAGE_SIZE} by default.")
@archive_option
@json_option
@pass_session
@click.pass_context
def history(
    ctx: click.Context,
    session: Session,
    workflow_id: str | None,
    status: str | None,
    user: str | None,
    agent: str | None,
    customer: str | None,
    label: str | None,
    text: str | None,
    mode: str | None,
    active: bool | None,
    since: str | None,
    until: str | None,
    visual_only: bool,
    limit: int | None,
    offset: int,
    cursor: str | None,
    page: int | None,
    page_size: int | None,
) -> None:
    """List executions of every session, newest first. Everything that is given must hold.

    Go on with --cursor (nothing comes twice while new ones start), or leaf with --page.
    """
    by_page = page is not None or page_size is not None
    if by_page and (limit is not None or offset or cursor is not None):
        raise click.UsageError("--page and --page-size stand for themselves, without --limit, --offset, --cursor.", ctx)
    if by_page:
        leaf = Leaf(page or 1, page_size or PAGE_SIZE)
        limit, offset = leaf.size, offset_of(*leaf)
    else:
        leaf = None
        limit = limit or (PAGE_SIZE if user is not None or workflow_id is not None else USUAL_LIMIT)
    at = now()
    wanted = Filter(
        workflow_id=workflow_id,
        status=None if status is None else ExecutionStatus(status),
        user=user,
        agent=agent,
        customer=customer,
        mode=mode,
        visual_only=visual_only,
        label=None if label is None else label_of(label),
        text=text,
        active=active,
        since=None if since is None else parse_moment("--since", since, at),
        until=None if until is None else parse_moment("--until", until, at),
    )

    def look() -> Page:
        return observer.call(lambda: observer.it.history(wanted, limit=limit, offset=offset, cursor=cursor))

    with session.observer() as observer:
        found = look()
        if any(row.ended_at is None for row in found.executions):
            # What lost its supervisor gets another one, so that the next look tells the truth.
            observer.call(observer.it.reconcile)
            found = look()
    note = None
    if text is not None and not found.total and not says_something(text):
        note = f"--text: {text!r} has no letter or digit, so that no execution is found by it"
    if session.as_json:
        view = history_view(found, limit, offset) | ({} if note is None else {"note": note})
        session.screen.json(view if leaf is None else view | {"page": leaf.number, "page_size": leaf.size})
    else:
        print_page(session.screen, found, at, leaf)
        if note is not None:
            session.screen.note(note)


def label_of(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InvalidInput(f"--label: {text!r} is no label.", next="--label name=value")
    return name, value
