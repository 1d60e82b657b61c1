"""Each adversity once on every run of the tests; OUTLAST_ADVERSITIES makes it more of each."""

import os

import pytest

from chaos import adversity
from chaos.arena import Arena
from outlast.kernel.home import Home

RUNS = int(os.environ.get("OUTLAST_ADVERSITIES", "2"))


@pytest.mark.requirement("X2", "X3")
@pytest.mark.parametrize("scenario", adversity.SCENARIOS)
def test_nothing_is_lost_whatever_happens_to_a_home(home: Home, scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversity, "STOPPED_FOR", 6.0)  # by hand it is twice that
    arena = Arena(home.root, seed=20261126)
    adversity.SCENARIOS[scenario](arena, RUNS)
    assert arena.finish().wrong == []
