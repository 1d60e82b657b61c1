"""A few power cuts for every run of the tests; OUTLAST_CUTS makes them many, `python -m disk` cuts by hand."""

import os
from pathlib import Path

import pytest

from disk.cutting import SCENARIOS, cut, record
from disk.recording import Kind
from disk.replay import MODELS

CUTS = int(os.environ.get("OUTLAST_CUTS", "16"))


@pytest.mark.requirement("S3-6", "S3-14", "S3-18")
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_was_acknowledged_survives_the_power_cut(shim: Path, tmp_path: Path, name: str) -> None:
    cuts = CUTS // 8 if name == "runs" else CUTS  # each of its images starts supervisors
    figures = SCENARIOS[name](shim, tmp_path, cuts, 20261126)
    assert figures.keys() == set(MODELS)
    for model in MODELS:
        assert figures[model].wrong == []
        assert figures[model].cuts == cuts
        assert figures[model].rows > 0


def test_cuts_find_what_was_acknowledged_before_it_was_synced(shim: Path, tmp_path: Path) -> None:
    home, operations = record(shim, tmp_path, "database", rounds=2)
    unsynced = [operation for operation in operations if "-wal" not in operation.path or operation.kind != Kind.SYNC]
    figures = cut(home, unsynced, cuts=10, seed=1)
    assert all(figures[model].wrong for model in MODELS)
