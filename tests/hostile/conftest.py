"""A runtime over the test's home, and a nursery of hostile children in it."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hostile.nursery import Nursery
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime


@pytest.fixture
def healthy_store(home: Home) -> Iterator[None]:
    """Whatever a child did, the database is whole afterwards."""
    yield
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True, timeout=30)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
async def nursery(home: Home, healthy_store: None, tmp_path: Path) -> AsyncIterator[Nursery]:
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
        nursery = Nursery(runtime, home, tmp_path)
        yield nursery
        nursery.end_survivors()
