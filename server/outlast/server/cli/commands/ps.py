"""`outlast ps`."""

import time
from collections.abc import Iterator

import click

from outlast.kernel.errors import InvalidInput
from outlast.runtime.observer import Observer
from outlast.server.cli.listing import COLUMNS, STATUS, print_page, rows_of
from outlast.server.cli.session import Opened, Session, json_option, pass_session
from outlast.server.cli.wording import now
from outlast.storage.history import MAX_LIMIT, Filter
from outlast.storage.records import Page
from outlast.tools.views import history_view

AGAIN_EVERY = 1.0
"""Seconds between two looks with --watch."""


@click.command(short_help="List what is not over yet.")
@click.option("-w", "--watch", is_flag=True, help="Keep the list up to date until nothing is left or Ctrl-C.")
@json_option
@pass_session
def ps(session: Session, watch: bool) -> None:
    """List the executions that are not over yet, of every session."""
    screen = session.screen
    if watch and not screen.live:
        raise InvalidInput("--watch: needs a terminal.", next="outlast ps, or outlast wait HANDLE")
    with session.observer() as observer:
        page = look(observer)
        if watch and page.executions:
            screen.redraw((COLUMNS, rows_of(page, now()), STATUS) for page in pages(observer))
        elif session.as_json:
            screen.json(history_view(page, MAX_LIMIT, 0))
        elif page.executions:
            print_page(screen, page, now())
        else:
            screen.line("Nothing is running or waiting.")


def pages(observer: Opened[Observer]) -> Iterator[Page]:
    """The list again and again, until it is empty."""
    while (page := look(observer)).executions:
        yield page
        time.sleep(AGAIN_EVERY)
    yield page


def look(observer: Opened[Observer]) -> Page:
    observer.call(observer.it.reconcile)
    return observer.call(lambda: observer.it.history(Filter(active=True), limit=MAX_LIMIT))
