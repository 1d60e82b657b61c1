"""Listings of executions as tables."""

from typing import NamedTuple

from outlast.kernel.status import ExecutionStatus
from outlast.server.cli.screen import Column, Screen
from outlast.server.cli.wording import moment
from outlast.storage.records import Page, Summary
from outlast.tools.readable import visible
from outlast.tools.texts import duration_text

COLUMNS = (
    Column("number", right=True),
    Column("workflow"),
    Column("status"),
    Column("started"),
    Column("took", right=True),
    Column("reason"),
)
STATUS = 2
"""The column that holds the status."""
LONGEST_REASON = 80


class Leaf(NamedTuple):
    """Which page, where pages are told by number."""

    number: int
    size: int


def print_page(screen: Screen, page: Page, at: int, leaf: Leaf | None = None) -> None:
    """One page of executions and how to see the next. `at`: now, µs."""
    if page.executions:
        screen.table(COLUMNS, rows_of(page, at), status=STATUS)
    if leaf is not None and page.executions:
        pages = -(-page.total // leaf.size)
        more = f"; the next one: --page {leaf.number + 1} --page-size {leaf.size}" if leaf.number < pages else ""
        screen.line(screen.dim(f"page {leaf.number:,} of {pages:,}, {page.total:,} in all{more}"))
    elif page.next_cursor is not None:
        shown = f"{len(page.executions):,} of {page.total:,}"
        screen.line(screen.dim(f"{shown}; the next ones: --cursor {page.next_cursor}"))
    elif not page.executions:
        screen.line(f"No execution here; {page.total:,} match." if page.total else "No execution matches.")


def rows_of(page: Page, at: int) -> list[list[str]]:
    return [row_of(row, at) for row in page.executions]


def row_of(row: Summary, at: int) -> list[str]:
    took = row.duration_us
    if took is None and row.started_at is not None:
        took = max(0, at - row.started_at)
    marks = ["" if row.exit_code in (None, 0) else str(row.exit_code), "pinned" if row.pinned else ""]
    told = ", ".join(filter(None, marks))
    why = "" if row.reason is None or row.status is ExecutionStatus.COMPLETED else visible(row.reason)
    return [
        str(row.number),
        row.workflow_id,
        f"{row.status} ({told})" if told else str(row.status),
        moment(row.started_at or row.created_at, at),
        "" if took is None else duration_text(took),
        why if len(why) <= LONGEST_REASON else why[: LONGEST_REASON - 1] + "…",
    ]
