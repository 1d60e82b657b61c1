"""What a command prints: plain text for programs and files, colours and tables where a terminal is there."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import click

from outlast.kernel.plan import Json
from outlast.kernel.status import ExecutionStatus

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {
    "completed": "green",
    "failed": "red",
    "timeout": "red",
    "lost": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "rolling_back": "magenta",
    "waiting": "magenta",
    "paused": "magenta",
}


class Column(NamedTuple):
    title: str
    right: bool = False
    """Numbers: aligned at their ends."""


Listing: TypeAlias = tuple[Sequence[Column], Sequence[Sequence[str]], int | None]
"""Columns, rows, and which column holds statuses, which get their colours."""


class Screen:
    """stdout and stderr of one command."""

    def __init__(self) -> None:
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        self.terminal = sys.stdout.isatty()
        self.colours = self.terminal and not dumb and not os.environ.get("NO_COLOR")
        self.live = self.terminal and sys.stderr.isatty() and not dumb
        """Whether lines may be drawn over."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def line(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")

    def flush(self) -> None:
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something beside the answer."""
        click.echo(text, err=True)

    def json(self, document: Json) -> None:
        self.line(json.dumps(document, ensure_ascii=False))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, status: int | None = None) -> None:
        """Print rows under their titles. `status`: the column that holds statuses, which get their colours."""
        if self.colours:
            from rich.console import Console  # only here: 40 ms that nobody needs who reads from a pipe

            Console(file=sys.stdout, highlight=False).print(coloured((columns, rows, status)))
            return
        for row in aligned(columns, rows):
            self.line(row)

    def status(self, status: ExecutionStatus | str, text: str | None = None) -> str:
        """A status, or `text` about it, in its colour."""
        text = str(status) if text is None else text
        return click.style(text, fg=COLOURS.get(str(status))) if self.colours else text

    def dim(self, text: str) -> str:
        return click.style(text, dim=True) if self.colours else text

    def redraw(self, listings: Iterable[Listing]) -> None:
        """Draw each listing over the one before; only where `live`. The last one stays."""
        # Only here: 40 ms that nobody needs who reads from a pipe.
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(file=sys.stdout, highlight=False), auto_refresh=False) as live:
            for listing in listings:
                live.update(coloured(listing), refresh=True)


def coloured(listing: Listing) -> "Table":
    # Only here: 40 ms that nobody needs who reads from a pipe.
    from rich.table import Table
    from rich.text import Text

    columns, rows, status = listing
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        line = [Text(cell) for cell in row]
        if status is not None:
            line[status].stylize(COLOURS.get(row[status].partition(" ")[0], ""))
        table.add_row(*line)
    return table


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The titles and the rows, each one line, columns two spaces apart."""
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return ["  ".join(cells(line, columns, widths)).rstrip() for line in lines]


def cells(line: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    return [
        text.rjust(width) if column.right else text.ljust(width)
        for text, column, width in zip(line, columns, widths, strict=True)
    ]
