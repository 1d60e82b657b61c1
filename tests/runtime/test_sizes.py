"""What a thousand executions cost on the disk, and what their logs cost the store in transactions."""

import os
import signal
import sys
from pathlib import Path

import pytest

from outlast.kernel import faults
from outlast.kernel.database import Database
from outlast.kernel.home import Home
from outlast.runtime.runtime import Runtime
from runtime.conftest import Run
from waiting import until

EXECUTIONS = 25
LINES = 1_000
MOST_FOR_A_THOUSAND = 100 * 1000 * 1000
PROGRAM = """
import random, sys
chance = random.Random(sys.argv[1])
for i in range(int(sys.argv[2])):
    took = chance.randrange(4000)
    print(f"2026-11-26T10:{i // 60 % 60:02}:{i % 60:02}.{took:03} INFO worker-{took % 7} "
          f"GET /customers/{chance.randrange(10**6)}/orders status={chance.choice([200, 200, 404, 500])} {took} ms")
"""
"""Prints lines of some 95 bytes that repeat in form and not in content, as those of services do."""


async def pages(runtime: Runtime) -> int:
    """Bytes of the database, what the write-ahead log holds of it included."""
    return await runtime.store.read(
        lambda c: c.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    )


@pytest.mark.requirement("S3-8")
async def test_a_thousand_executions_with_a_thousand_lines_each_stay_below_100_mb(runtime: Runtime, run: Run) -> None:
    before = await pages(runtime)
    for number in range(EXECUTIONS):
        started = await run(sys.executable, "-c", PROGRAM, str(number), str(LINES))
        assert (await runtime.wait(started.execution.number, 60)).state.status == "completed"
    await runtime.seal_all()
    lines = await runtime.store.read(lambda c: c.execute("SELECT sum(log_lines) FROM executions").fetchone()[0])
    assert lines == EXECUTIONS * LINES
    assert (await pages(runtime) - before) * 1000 / EXECUTIONS < MOST_FOR_A_THOUSAND


@pytest.mark.requirement("S3-8")
async def test_a_long_log_is_stored_in_few_transactions_after_it_was_written(runtime: Runtime, run: Run) -> None:
    started = await run(sys.executable, "-c", PROGRAM, "1", "100000")
    assert (await runtime.wait(started.execution.number, 60)).state.status == "completed"
    stored: list[str] = []
    faults.listen(lambda name: stored.append(name) if name == "seal.stored" else None)
    try:
        await runtime.seal_all()
    finally:
        faults.listen(None)
    assert 1 <= len(stored) <= 20


@pytest.mark.requirement("S3-8")
async def test_a_command_that_prints_waits_for_nobody(runtime: Runtime, run: Run, home: Home, tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    script = f"until [ -e {go} ]; do sleep 0.01; done; head -c 20000000 /dev/zero | tr '\\0' '\\n'; : > {done}"
    execution = (await run("sh", "-c", script)).execution
    assert execution.supervisor is not None
    # Neither its supervisor nor the store reads along: one is stopped, the other is held by somebody else.
    os.kill(execution.supervisor.pid, signal.SIGSTOP)
    try:
        with Database(home).lock.held(10):
            go.touch()
            await until(done.exists)
    finally:
        os.kill(execution.supervisor.pid, signal.SIGCONT)
    assert (await runtime.wait(execution.number, 60)).state.status == "completed"
    assert (await runtime.log_count(await runtime.get(execution.number))).lines == 20_000_000
