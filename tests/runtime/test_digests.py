"""Digests of long logs are made in the background, and whoever asks gets what is not in them yet."""

import pytest

from outlast.kernel import digests
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.logs import digesting
from waiting import until

SHELL = f"seq 1 {digesting.FEWEST_LINES + 5000}; echo ERROR no"


@pytest.mark.requirement("X4")
async def test_what_a_server_seals_of_a_long_log_is_digested_without_being_asked(home: Home) -> None:
    async with open_runtime(Options(home=home, trigger="mcp", background=True, allow_command=True)) as server:
        started = await server.execute(StartRequest(workflow_id="command", params={"argv": ["/bin/sh", "-c", SHELL]}))
        number = started.execution.number

        async def kept() -> bool:
            row = await server.store.read(lambda c: digests.look(c, number))
            return row is not None and row.lines == digesting.FEWEST_LINES + 5001

        await until(kept)
        row, digest = await server.store.read(lambda c: digesting.load(c, number))
        assert row is not None
        assert [(t.text, t.count) for t in digest.templates()] == [
            (b"<num>", digesting.FEWEST_LINES + 5000),
            (b"ERROR no", 1),
        ]


@pytest.mark.requirement("X4")
async def test_whoever_asks_first_makes_the_digest_and_stores_it(home: Home) -> None:
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
        started = await runtime.execute(StartRequest(workflow_id="command", params={"argv": ["/bin/sh", "-c", SHELL]}))
        execution = await runtime.wait(started.execution.number, 30)
        live = await runtime.log_digest(execution, seconds=30)
        assert await runtime.seal(execution)
        found = await runtime.log_digest(execution, seconds=30)
        row = await runtime.store.read(lambda c: digests.look(c, execution.number))
        assert row is not None
        assert found.whole
        assert found.seen == row.lines == found.count.lines == live.count.lines == digesting.FEWEST_LINES + 5001
        assert [t.text for t in found.digest.templates()] == [t.text for t in live.digest.templates()]


async def test_a_short_log_has_no_stored_digest(home: Home) -> None:
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
        started = await runtime.execute(StartRequest(workflow_id="command", params={"argv": ["/bin/echo", "hello"]}))
        execution = await runtime.wait(started.execution.number, 30)
        assert await runtime.seal(execution)
        assert (await runtime.log_digest(execution, seconds=30)).whole
        assert await runtime.store.read(lambda c: digests.look(c, execution.number)) is None
