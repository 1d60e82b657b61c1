"""Many processes start executions at once: no error, no number twice, never more at a time than allowed."""

import itertools
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from outlast.kernel.errors import Conflict
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, Started, open_runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.history import Filter
from waiting import BOUND, until

Run = Callable[..., Awaitable[Started]]
PROCESSES, EACH, LIMIT = 10, 4, 3
STARTER = """
import sys, anyio
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.runtime.starting import StartRequest
home, journal, key, count = sys.argv[1:]
script = f"echo + >> {journal}; sleep 0.02; echo - >> {journal}"
async def main():
    async with open_runtime(Options(home=Home(home), trigger="cli", allow_command=True)) as runtime:
        for _ in range(int(count)):
            request = StartRequest(
                workflow_id="command", params={"argv": ["sh", "-c", script]}, idempotency_key=key or None
            )
            print((await runtime.execute(request)).execution.number, flush=True)
anyio.run(main)
"""


def start_everywhere(home: Home, journal: Path, *, key: str = "", count: int = EACH) -> list[int]:
    """Start executions from ten processes at once; every number that was acknowledged."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, home.root, str(journal), key, str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    numbers: list[int] = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        numbers += map(int, out.split())
    return numbers


@pytest.mark.requirement("X2")
async def test_ten_processes_start_at_once_and_the_limit_holds(home: Home, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with open_runtime(Options(home=home, trigger="cli", max_running=LIMIT)) as runtime:
        numbers = await anyio.to_thread.run_sync(start_everywhere, home, journal)
        assert sorted(numbers) == list(range(1, PROCESSES * EACH + 1))

        async def all_over() -> bool:
            await runtime.reconcile()
            return (await runtime.history(Filter(active=True), limit=1)).total == 0

        await until(all_over, 90)
        assert (await runtime.history(Filter(), limit=1)).total == PROCESSES * EACH
        page = await runtime.history(Filter(), limit=100)
        assert {summary.status for summary in page.executions} == {"completed"}
    running = itertools.accumulate(1 if line == "+" else -1 for line in journal.read_text().split())
    assert max(running) <= LIMIT


@pytest.mark.requirement("X3")
async def test_one_idempotency_key_from_ten_processes_is_one_execution(home: Home, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    numbers = await anyio.to_thread.run_sync(lambda: start_everywhere(home, journal, key="order-66", count=1))
    assert len(set(numbers)) == 1
    async with open_runtime(Options(home=home, trigger="cli")) as runtime:
        assert (await runtime.wait(numbers[0], BOUND)).status == "completed"
    assert journal.read_text() == "+\n-\n"
    assert len(os.listdir(home.runs)) == 1


@pytest.mark.requirement("X3")
async def test_the_same_key_with_another_request_is_refused_and_starts_nothing(runtime: Runtime, run: Run) -> None:
    first = await run("true", idempotency_key="once")
    again = await run("true", idempotency_key="once")
    assert (again.already_existed, again.execution.id) == (True, first.execution.id)
    with pytest.raises(Conflict) as caught:
        await run("false", idempotency_key="once")
    assert (caught.value.code, caught.value.handle_id) == ("idempotency_conflict", first.execution.id)
    assert (await runtime.history(Filter())).total == 1


async def test_the_queue_moves_on_when_no_outlast_process_but_supervisors_is_left(home: Home, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True, max_running=1)) as runtime:
        for name in "abc":
            params = {"argv": ["sh", "-c", f"echo {name} >> {journal}"]}
            await runtime.execute(StartRequest(workflow_id="command", params=params))
    # Each supervisor gives its slot to the next one and starts that one's supervisor.
    await until(lambda: journal.exists() and journal.read_text() == "a\nb\nc\n")
    async with open_runtime(Options(home=home, trigger="cli")) as runtime:
        assert (await runtime.wait(3, BOUND)).status == "completed"


@pytest.mark.parametrize(("on_conflict", "outcome"), [("queue", "pending"), ("cancel_running", "pending")])
async def test_executions_with_one_key_run_one_at_a_time(
    runtime: Runtime, define: Callable[[str, str], Path], on_conflict: str, outcome: str
) -> None:
    define("keyed", f"concurrency: {{key: one, on_conflict: {on_conflict}}}\nkill_grace: 100ms\nrun: [sleep, '300']\n")
    first = await runtime.execute(StartRequest(workflow_id="keyed"))
    second = await runtime.execute(StartRequest(workflow_id="keyed"))
    assert second.execution.status == outcome
    if on_conflict == "queue":
        await runtime.cancel(first.execution.number, "a test")
    state = (await runtime.wait(first.execution.number, BOUND)).settled
    assert state is not None
    assert state.status == "cancelled"

    async def second_runs() -> bool:
        await runtime.reconcile()
        return (await runtime.get(second.execution.number)).status == "running"

    await until(second_runs)
    await runtime.cancel(second.execution.number, "a test")
    await runtime.wait(second.execution.number, BOUND)


async def test_a_key_that_rejects_names_who_holds_it(runtime: Runtime, define: Callable[[str, str], Path]) -> None:
    define("keyed", "concurrency: {key: one, on_conflict: reject}\nrun: [sleep, '300']\n")
    first = await runtime.execute(StartRequest(workflow_id="keyed"))
    with pytest.raises(Conflict) as caught:
        await runtime.execute(StartRequest(workflow_id="keyed"))
    assert (caught.value.code, caught.value.handle_id) == ("concurrency_conflict", first.execution.id)
    await runtime.cancel(first.execution.number, "a test")
    await runtime.wait(first.execution.number, BOUND)


@pytest.mark.requirement("X12")
async def test_who_started_what_is_kept(runtime: Runtime, define: Callable[[str, str], Path], tmp_path: Path) -> None:
    (tmp_path / ".git/refs/heads").mkdir(parents=True)
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git/refs/heads/main").write_text("0123456789abcdef0123456789abcdef01234567\n")
    define("plain", f"cwd: {tmp_path}\nrun: ['true']\n")
    client = {"name": "a client", "version": "1.0", "session": "s-1"}
    started = await runtime.execute(StartRequest(workflow_id="plain", client=client, agent="ada", customer="acme"))
    execution = await runtime.wait(started.execution.number, BOUND)
    assert execution.client == client | {
        "git": {"branch": "main", "commit": "0123456789abcdef0123456789abcdef01234567"}
    }
    assert (execution.agent, execution.customer, execution.trigger) == ("ada", "acme", "cli")
    assert len(execution.version) == 64
    found = await runtime.history(Filter(agent="ada", customer="acme"))
    assert [summary.number for summary in found.executions] == [execution.number]
