"""What supervisors leave behind that died: executions without one, run directories that nobody needs any more."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from outlast.kernel.home import Home
from outlast.kernel.ids import is_id
from outlast.kernel.locks import run_lock_held
from outlast.kernel.status import ExecutionStatus
from outlast.storage import reading
from outlast.storage.records import LiveRow

ABANDONED = 3600.0
"""Seconds after which a run directory that never got its row is nobody's."""


class Remains(NamedTuple):
    """Ids of executions that have a run directory without being live."""

    finished: list[str]
    """Over, and all of their lines are in the store: the directory may go."""
    abandoned: list[str]
    """Never got a row nor a number, long ago by a clock that may be wrong: nobody was told of them, the directory may
    go unless its seal lock is held."""
    unknown: list[str]
    """Have a number and no row, as after a restore by other means: only the directory knows of them."""


def remains_of(connection: sqlite3.Connection, home: Home, names: Sequence[str]) -> Remains:
    """Which of the run directories called `names` belong to nothing that is live or still to be sealed."""
    ids = [name for name in names if is_id(name)]
    rowless = [each for each in ids if not reading.knows(connection, each)]
    numbered = [each for each in rowless if Path(home.run(each).number).exists()]
    abandoned = [each for each in rowless if each not in numbered and made_long_ago(home.run(each).path)]
    return Remains(reading.finished(connection, ids), abandoned, numbered)


def made_long_ago(path: str) -> bool:
    try:
        return time.time() - Path(path).stat().st_mtime > ABANDONED
    except FileNotFoundError:
        return False


def orphaned(row: LiveRow, home: Home) -> bool:
    """Whether a row says that it has a supervisor while nobody holds its run lock."""
    if row.status is ExecutionStatus.PENDING and row.claimed_at is None:
        return False
    if row.status in (ExecutionStatus.WAITING, ExecutionStatus.PAUSED):
        return False
    return not run_lock_held(home.run(row.id).run_lock)
