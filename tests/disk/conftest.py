"""The recorder, for tests that need it."""

from pathlib import Path

import pytest

from disk.failing import FailingDisk
from disk.recording import built, watched, why_not
from outlast.kernel.home import Home


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled recorder; where it cannot be had, the test is skipped and says why."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    return built(tmp_path_factory.getbasetemp())


@pytest.fixture
def disk(shim: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    """The disk under the test's home, for the processes that the test starts."""
    disk = FailingDisk(tmp_path / "faults")
    for name, value in watched(shim, home.root, tmp_path / "record", disk.faults).items():
        monkeypatch.setenv(name, value)
    return disk
