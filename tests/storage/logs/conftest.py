from collections.abc import Iterator

import pytest
from log_files import Execution


@pytest.fixture
def execution() -> Iterator[Execution]:
    execution = Execution("merged")
    yield execution
    execution.end()
