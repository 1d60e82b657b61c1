"""`outlast serve`."""

import gc
import logging
import os
import sys
from pathlib import Path

import click

from outlast.kernel.home import Home
from outlast.server.cli.session import Session, pass_session, reachable

LARGE_LOG = 8 * 1024 * 1024
"""Bytes of server.log from which a starting server puts it aside."""


@click.command(short_help="Serve agents over stdio (MCP).")
@pass_session
def serve(session: Session) -> None:
    """Serve one MCP client on standard input and output. Clients start this themselves: their configuration names
    the command `outlast` with the argument `serve`.

    It owns nothing: executions run on when it ends, and any number of servers share one home.
    """
    settings = session.settings
    with reachable(settings.home):
        settings.home.create()
        log_into(settings.home, settings.log_level)
    if sys.stdin.isatty():
        session.screen.note(
            "This waits for an MCP client on standard input; in a terminal there is none. Ctrl-C ends it."
        )
    # Only here: MCP takes half a second to import, more with the garbage collector looking for garbage in it.
    gc.disable()
    import anyio

    from outlast.server.serving import serve as serve_client

    gc.freeze()
    gc.enable()
    anyio.run(serve_client, settings.options("mcp", background=True))


def log_into(home: Home, level: str) -> None:
    """Log into the home's server.log, and warnings to stderr, where clients keep them."""
    path = Path(home.server_log)
    if path.exists() and path.stat().st_size > LARGE_LOG:
        path.replace(path.with_suffix(".log.1"))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)  # also where it was readable before
    warnings = logging.StreamHandler(sys.stderr)
    warnings.setLevel(logging.WARNING)
    logging.basicConfig(
        level=level.upper(),
        handlers=[logging.FileHandler(path, encoding="utf-8", errors="backslashreplace"), warnings],
        format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s",
    )
