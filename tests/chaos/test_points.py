"""A few fault points on every run of the tests; OUTLAST_POINTS makes it all of them many times."""

import os

import pytest

from chaos.arena import Arena
from chaos.pointing import SCENARIOS
from outlast.kernel.home import Home

RUNS = int(os.environ.get("OUTLAST_POINTS", "5"))


@pytest.mark.requirement("X1", "S3-6")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_lost_wherever_a_process_dies_fails_or_waits(home: Home, scenario: str) -> None:
    arena = Arena(home.root, seed=20261126)
    SCENARIOS[scenario](arena, RUNS)
    assert arena.finish().wrong == []
