"""A line at the bottom of the terminal that tells how it goes, with the output running above it."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from outlast.server.cli.screen import Screen

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text


class StatusLine:
    """Drawn where a terminal is there; elsewhere only the output is written."""

    def __init__(self, screen: Screen, live: "Live | None") -> None:
        self._screen = screen
        self._live = live

    def say(self, text: str) -> None:
        """Replace the line."""
        if self._live is not None:
            self._live.update(line_of(text), refresh=True)

    def write(self, text: str) -> None:
        """Write output above the line."""
        if not text:
            return
        if self._live is not None:
            self._live.stop()
        self._screen.write(text)
        self._screen.flush()
        if self._live is not None:
            self._live.start()


def line_of(text: str) -> "Text":
    from rich.text import Text  # only where a terminal is there

    return Text(text, style="cyan", no_wrap=True, overflow="ellipsis")


@contextmanager
def status_line(screen: Screen) -> Generator[StatusLine]:
    """The line goes when the block ends."""
    if not screen.live:
        yield StatusLine(screen, None)
        return
    # Only where a terminal is there: 40 ms.
    from rich.console import Console
    from rich.live import Live

    live = Live(
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with live:
        yield StatusLine(screen, live)
