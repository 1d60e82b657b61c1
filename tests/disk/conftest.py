"""The recorder, for tests that need it."""

from pathlib import Path

import pytest

from disk.recording import built, why_not


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled recorder; where it cannot be had, the test is skipped and says why."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    return built(tmp_path_factory.getbasetemp())
