"""Where an execution stands, each state with the facts that it has and no others.

Supervisors do not import this: they deal in status words, and `dataclasses` is slow to import.
"""

from dataclasses import dataclass
from typing import TypeAlias

from outlast.kernel.status import ExecutionStatus


@dataclass(frozen=True, slots=True)
class Pending:
    claimed_at: int | None
    """µs; None while it waits for a slot or its concurrency key."""
    waits_for: str | None = None
    """What it waits for, for people; None once it is claimed."""

    @property
    def status(self) -> ExecutionStatus:
        return ExecutionStatus.PENDING


@dataclass(frozen=True, slots=True)
class Running:
    """In the hands of a supervisor, or of the next one should it have died."""

    started_at: int
    epoch: int
    rolling_back: bool = False

    @property
    def status(self) -> ExecutionStatus:
        return ExecutionStatus.ROLLING_BACK if self.rolling_back else ExecutionStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Parked:
    """At a gate or paused: no process at all."""

    started_at: int
    paused: bool

    @property
    def status(self) -> ExecutionStatus:
        return ExecutionStatus.PAUSED if self.paused else ExecutionStatus.WAITING


@dataclass(frozen=True, slots=True)
class Settled:
    """Over, for ever."""

    status: ExecutionStatus
    reason: str
    """The first cause, for people."""
    started_at: int | None
    """None when it never started."""
    ended_at: int
    duration_us: int
    exit_code: int | None
    signal: int | None
    signal_certain: bool | None


State: TypeAlias = Pending | Running | Parked | Settled
