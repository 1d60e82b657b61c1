"""The words for where an execution, a step or an approval stands, and which moves between them are allowed."""

from enum import StrEnum


class ExecutionStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    ROLLING_BACK = "rolling_back"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    LOST = "lost"

    @property
    def terminal(self) -> bool:
        return not EXECUTION_MOVES[self]


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    LOST = "lost"

    @property
    def terminal(self) -> bool:
        return not STEP_MOVES[self]


E, S = ExecutionStatus, StepStatus

EXECUTION_MOVES: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    E.PENDING: frozenset({E.RUNNING, E.CANCELLED, E.FAILED, E.ROLLING_BACK, E.LOST}),
    E.RUNNING: frozenset({E.WAITING, E.PAUSED, E.COMPLETED, E.FAILED, E.CANCELLED, E.TIMEOUT, E.LOST, E.ROLLING_BACK}),
    # A parked execution has no process. Whatever wakes it makes it pending; the supervisor does the rest.
    E.WAITING: frozenset({E.PENDING}),
    E.PAUSED: frozenset({E.PENDING}),
    E.ROLLING_BACK: frozenset({E.FAILED, E.CANCELLED, E.TIMEOUT, E.LOST}),
    E.COMPLETED: frozenset(),
    E.FAILED: frozenset(),
    E.CANCELLED: frozenset(),
    E.TIMEOUT: frozenset(),
    E.LOST: frozenset(),
}
"""From each execution status, the statuses that may follow. Terminal ones have none, for ever."""

STEP_MOVES: dict[StepStatus, frozenset[StepStatus]] = {
    S.PENDING: frozenset({S.RUNNING, S.SKIPPED, S.WAITING, S.CANCELLED}),
    S.RUNNING: frozenset({S.COMPLETED, S.FAILED, S.TIMEOUT, S.CANCELLED, S.RETRYING, S.LOST}),
    S.RETRYING: frozenset({S.RUNNING, S.FAILED, S.TIMEOUT, S.CANCELLED, S.LOST}),
    S.WAITING: frozenset({S.COMPLETED, S.REJECTED, S.TIMEOUT, S.CANCELLED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.SKIPPED: frozenset(),
    S.REJECTED: frozenset(),
    S.CANCELLED: frozenset(),
    S.TIMEOUT: frozenset(),
    S.LOST: frozenset(),
}
"""From each step status, the statuses that may follow."""


def check_move(seen: ExecutionStatus, new: ExecutionStatus) -> None:
    """Raise ValueError for a move that EXECUTION_MOVES does not allow."""
    if new not in EXECUTION_MOVES[seen]:
        raise ValueError(f"an execution cannot go from {seen} to {new}")
