from collections.abc import Iterator

import pytest

from stored import Hands, hands_on, quick_home


@pytest.fixture
def hands() -> Iterator[Hands]:
    """The kernel's rules over a home of the test's own."""
    with quick_home() as home, hands_on(home) as hands:
        yield hands
