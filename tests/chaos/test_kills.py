"""Small kill loops for every run of the tests; OUTLAST_KILLS makes them larger, hundreds are for `python -m chaos`."""

import os

import pytest

from chaos.arena import Arena
from chaos.killing import SCENARIOS
from outlast.kernel.home import Home

RUNS = int(os.environ.get("OUTLAST_KILLS", "4"))


@pytest.mark.requirement("X1", "S3-6")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_lost_whoever_is_killed(home: Home, scenario: str) -> None:
    arena = Arena(home.root, seed=20261120)
    SCENARIOS[scenario](arena, RUNS)
    toll = arena.finish()
    assert toll.wrong == []
    assert toll.kills > 0
