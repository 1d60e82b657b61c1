"""What every test stands on: one event loop that nobody blocks, a home of its own, nothing left running."""

import os
import shutil
import signal
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from leftovers import end_leftovers
from outlast.kernel.home import Home
from requirements import Promises

TESTS = Path(__file__).parent

ON_THE_EVENT_LOOP = ("outlast.storage", "outlast.runtime", "outlast.tools", "outlast.server")
"""Where a blocking call made on the event loop fails the test. On other threads everything may block."""

# The machine may be slow and shared: how long an example takes says nothing about what it shows.
settings.register_profile("outlast", deadline=None)
settings.load_profile("outlast")


# What runs in the background or under nohup ignores these, and so would everything that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

PROMISES = pytest.StashKey[Promises]()


@pytest.hookimpl(tryfirst=True)  # before -k and -m take tests away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    by_requirement: defaultdict[str, list[str]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("skip") is None:
            for marker in item.iter_markers("requirement"):
                for requirement in marker.args:
                    by_requirement[requirement].append(item.nodeid)
    collected = {item.path for item in items}
    uncollected = [
        str(path.relative_to(TESTS))
        for path in sorted(TESTS.rglob("test_*.py"))
        if path not in collected and "def test_" in path.read_text(encoding="utf-8")
    ]
    config.stash[PROMISES] = Promises(dict(by_requirement), uncollected)


@pytest.fixture
def promises(request: pytest.FixtureRequest) -> Promises:
    """The requirement marks of everything that was collected, deselected tests included."""
    return request.config.stash[PROMISES]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def nobody_blocks_the_event_loop() -> Iterator[tuple[str, ...]]:
    with blockbuster_ctx(ON_THE_EVENT_LOOP):
        yield ON_THE_EVENT_LOOP


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own settings or executions reach a test, and no test reaches anybody's home."""
    for name in [name for name in os.environ if name.startswith("OUTLAST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OUTLAST_HOME", "/dev/null/a test without the home fixture")


@pytest.fixture
def home(no_settings_from_outside: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An empty `$OUTLAST_HOME` of the test's own, which the processes that the test starts inherit.

    Its path is short, because the paths of UNIX sockets are limited to about 100 bytes. When a process that
    names it is still alive twenty seconds after the test, the test fails and the process is killed.
    """
    home = Home(os.path.realpath(tempfile.mkdtemp(prefix="ol-")))
    home.create()
    monkeypatch.setenv("OUTLAST_HOME", home.root)
    yield home
    for thread in threading.enumerate():
        if thread.name == "store-connection":
            thread.join(20)  # one whose opening was given up still closes what it opened
    killed = end_leftovers(home.root)
    shutil.rmtree(home.root)
    if killed:
        pytest.fail("the test left processes behind, now killed:\n" + "\n".join(killed))
