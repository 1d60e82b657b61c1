"""A search over all logs leaves everybody else alone, and ends when nobody waits for it."""

from threading import Event

import anyio
import anyio.to_thread
import pytest

from outlast.kernel.database import Connection
from outlast.kernel.home import Home
from outlast.runtime.observer import open_observer
from outlast.runtime.options import Options
from outlast.storage.logs.store_search import StoreQuery, StoreSearch
from printed import prints
from stored import hands_on

pytestmark = pytest.mark.requirement("S3-11")
ERRORS = StoreQuery(pattern="error")


@pytest.fixture
def slices(home: Home, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Three executions that printed errors; slices of a search that find one each, and how long each might take."""
    with hands_on(home) as hands:
        for _ in range(3):
            prints(hands, "error")
    real, taken = StoreSearch.go_on, list[float]()

    def one(search: StoreSearch, connection: Connection, seconds: float) -> None:
        taken.append(seconds)
        real(search, connection, 0)

    monkeypatch.setattr(StoreSearch, "go_on", one)
    return taken


async def test_a_search_is_done_in_slices_until_it_is_over(home: Home, slices: list[float]) -> None:
    async with open_observer(Options(home=home, trigger="mcp")) as observer:
        found = await observer.search_logs(ERRORS, limit=10, seconds=60)
        assert (found.matches, found.place, len(slices)) == (3, None, 4)
        assert max(slices) <= 0.2
        assert (await observer.search_logs(ERRORS, limit=2, seconds=60)).matches == 2
        one = await observer.search_logs(ERRORS, limit=10, seconds=0)
        assert (one.matches, one.stopped) == (1, "time")


async def test_a_search_that_nobody_waits_for_ends_after_its_slice(
    home: Home, slices: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = Event(), Event()
    one = StoreSearch.go_on

    def held(search: StoreSearch, connection: Connection, seconds: float) -> None:
        entered.set()
        assert go_on.wait(30)
        one(search, connection, seconds)

    monkeypatch.setattr(StoreSearch, "go_on", held)
    async with open_observer(Options(home=home, trigger="mcp")) as observer:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: observer.search_logs(ERRORS, limit=10, seconds=60))
                assert await anyio.to_thread.run_sync(entered.wait, 30)
                tasks.cancel_scope.cancel()
            go_on.set()
            # What comes next on its connection comes right behind that slice.
            await observer.store.search(lambda _: None)
    assert len(slices) == 1
