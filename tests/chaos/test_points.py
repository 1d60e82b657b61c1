"""A few fault points on every run of the tests; OUTLAST_POINTS makes it more, `python -m chaos` all."""

import os

import pytest

from chaos.arena import Arena
from chaos.pointing import SCENARIOS
from outlast.kernel.home import Home

RUNS = int(os.environ.get("OUTLAST_POINTS", "6"))
SEEDS = {"points-kill": 1, "points-fail": 2, "points-hold": 3}
"""Different points for each, as few as they are."""


@pytest.mark.requirement("X1", "S3-6")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_lost_wherever_a_process_dies_fails_or_waits(home: Home, scenario: str) -> None:
    arena = Arena(home.root, seed=SEEDS[scenario])
    SCENARIOS[scenario](arena, RUNS)
    assert arena.finish().wrong == []
