from collections.abc import AsyncIterator, Iterator

import pytest

from outlast.kernel.home import Home
from outlast.storage.store import Store, open_store
from stored import Hands, hands_on, quick_home


@pytest.fixture
def hands() -> Iterator[Hands]:
    """The kernel's rules over a home of the test's own."""
    with quick_home() as home, hands_on(home) as hands:
        yield hands


@pytest.fixture
async def store(home: Home) -> AsyncIterator[Store]:
    async with open_store(home) as store:
        yield store
