"""A supervisor's verdict in the run directory, so that a second one never says something else."""

import json
import os

from outlast.kernel.home import Home, RunDirectory, make_way
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Outcome
from outlast.supervisor.files import read_regular

LARGEST = 64 << 10
"""Bytes of a verdict, at most."""


def write_outcome(run: RunDirectory, outcome: Outcome) -> None:
    """Leave the verdict before the store is told. Not synced: after a power cut the files it follows from decide."""
    make_way(run.outcome)
    aside = run.outcome + ".tmp"
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(outcome._asdict(), file)
    os.rename(aside, run.outcome)


def leave_if_gone(home: Home) -> None:
    """End this process where its whole home was removed: there is nobody left to tell anything."""
    if not os.path.isdir(home.root):
        os._exit(0)


def read_outcome(run: RunDirectory) -> Outcome | None:
    """The verdict of an earlier supervisor; None where there is none that can be read."""
    data = read_regular(run.outcome, LARGEST)
    try:
        fields = json.loads(data or b"")
        return Outcome(**fields | {"status": ExecutionStatus(fields["status"])})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None  # not there, or nothing that a supervisor has written
