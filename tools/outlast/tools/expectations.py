"""What to expect of an execution, from how the workflow's latest ones really went."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from outlast.kernel.status import ExecutionStatus

FEWEST = 3
"""Executions from which anything is concluded."""


class Expectation(NamedTuple):
    runs: int
    """Executions that ended by themselves; cancelled ones say nothing."""
    completed: int
    usual: int | None
    """µs: the median of the completed ones; None where too few completed."""

    @property
    def percent(self) -> int:
        """How many of 100 complete; 100 only when all did, 0 only when none did."""
        return (
            min(99, max(1, round(100 * self.completed / self.runs)))
            if 0 < self.completed < self.runs
            else (100 if self.completed else 0)
        )


def expectation(outcomes: Sequence[tuple[ExecutionStatus, int]]) -> Expectation | None:
    """From statuses and durations (µs) of settled executions; None where they are too few."""
    judged = [(status, us) for status, us in outcomes if status is not ExecutionStatus.CANCELLED]
    if len(judged) < FEWEST:
        return None
    took = [us for status, us in judged if status is ExecutionStatus.COMPLETED]
    return Expectation(len(judged), len(took), int(median(took)) if len(took) >= FEWEST else None)
