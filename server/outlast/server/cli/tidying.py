"""Leaving a home tidy: the log of an execution that is over is moved into the store by whoever saw its end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from outlast.kernel.errors import StoreError
from outlast.kernel.home import RunDirectory
from outlast.runtime.logbooks import free_within
from outlast.runtime.observer import Observer
from outlast.server.cli.session import Opened, Session
from outlast.storage.records import Execution

SMALL = 8 * 1024 * 1024
"""Bytes of output that are moved at once; more is left to a process of its own."""
EXIT_WITHIN = 1.0
"""Seconds that a supervisor gets to end after it has settled its execution."""


def tidy(session: Session, observer: Opened[Observer], execution: Execution) -> None:
    """Move a settled execution's log into the store, after everything was said. A store that is busy has other
    processes that will do it, so that this is no failure."""
    if execution.settled is None or execution.log_lines is not None:
        return
    session.screen.flush()
    run = session.settings.home.run(execution.id)
    if sum(spool_sizes(run)) > SMALL:
        seal_apart(session.settings.home.root, execution.number)
        return
    free_within(run.run_lock, EXIT_WITHIN)  # until its supervisor has ended its directory cannot be removed
    try:
        observer.call(observer.it.seal, execution)
    except StoreError as error:
        session.screen.note(f"The log of #{execution.number} stays in its files for now: {error.message}")


def spool_sizes(run: RunDirectory) -> Iterator[int]:
    """Bytes of each file that the attempts of an execution have made."""
    for folder, _, names in os.walk(Path(run.path, "steps")):
        for name in names:
            try:
                yield Path(folder, name).lstat().st_size
            except FileNotFoundError:  # somebody else is sealing it
                continue


def seal_apart(home: str, number: int) -> None:
    """Start a process that seals one log and outlives this one."""
    subprocess.Popen(
        [sys.executable, "-m", "outlast", "--home", home, "seal", str(number)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
