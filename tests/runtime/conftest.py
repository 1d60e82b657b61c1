"""A runtime over the test's home, and a short way to run commands through it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from outlast.kernel.home import Home
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, Started, open_runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.logs.lines import Line
from outlast.storage.records import Execution

Run = Callable[..., Awaitable[Started]]


@pytest.fixture
async def runtime(home: Home) -> AsyncIterator[Runtime]:
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
        yield runtime


@pytest.fixture
def define(home: Home) -> Callable[[str, str], Path]:
    """Write a workflow file into the home."""

    def write(workflow_id: str, text: str) -> Path:
        path = Path(home.workflows, f"{workflow_id}.yaml")
        path.write_text(f"id: {workflow_id}\n{text}")
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def run(runtime: Runtime) -> Run:
    """Start a command and return when it is acknowledged."""

    async def start(*argv: str, **request: object) -> Started:
        return await runtime.execute(
            StartRequest(workflow_id="command", params={"argv": list(argv)}, **request)  # type: ignore[arg-type]  # whatever fields a test names
        )

    return start


@pytest.fixture
def text_of(runtime: Runtime) -> Callable[[Execution], Awaitable[list[str]]]:
    """The newest lines of an execution as text."""

    async def read(execution: Execution) -> list[str]:
        page = await runtime.logs(execution, LogQuery(limit=1000))
        return [entry.data.decode() for entry in page.entries if isinstance(entry, Line)]

    return read
