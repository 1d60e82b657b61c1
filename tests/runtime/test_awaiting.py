"""Waiting for lines: those who wait for one execution look together, and none depends on another."""

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from outlast.runtime.awaiting import Arrivals
from outlast.runtime.live import Live
from outlast.runtime.runtime import Runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.records import Execution
from waiting import until


@pytest.fixture
async def silent(runtime: Runtime, define: Callable[[str, str], Path], tmp_path: Path) -> Path:
    """Execution #1 prints one line and waits until the file is there."""
    go = tmp_path / "go"
    define("silent", f"shell: |\n  echo one\n  until [ -e {go} ]; do sleep 0.02; done\n")
    await runtime.execute(StartRequest(workflow_id="silent"))
    await runtime.wait_for_line(1, 0, 30)
    return go


@pytest.mark.requirement("S3-17")
async def test_who_gives_up_in_the_middle_of_a_look_leaves_the_others_waiting(
    runtime: Runtime, silent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = runtime._arrivals  # pyright: ignore[reportPrivateUsage] - nobody else shows who waits
    looking, go_on = anyio.Event(), anyio.Event()
    real = Live.get

    async def slow(live: Live, handle: str | int) -> Execution:
        looking.set()
        await go_on.wait()
        return await real(live, handle)

    monkeypatch.setattr(Live, "get", slow)
    ended: list[bool] = []

    async def wait() -> None:
        ended.append((await arrivals.wait(1, 1, 60)).over)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as patient:
            async with anyio.create_task_group() as impatient:
                impatient.start_soon(wait)
                await looking.wait()
                for _ in range(3):
                    patient.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                impatient.cancel_scope.cancel()
            go_on.set()
            silent.touch()
    assert ended == [True] * 3
    assert (arrivals._seen, arrivals._looking, arrivals._waiting) == ({}, {}, {})  # pyright: ignore[reportPrivateUsage] - nobody else shows who waits


@pytest.mark.requirement("S3-17")
async def test_what_cannot_be_looked_at_is_an_error_for_everybody_who_waits(
    runtime: Runtime, silent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []

    async def wait() -> None:
        try:
            await runtime.wait_for_line(1, 1, 60)
        except OSError as error:
            failed.append(str(error))

    async def broken(live: Live, handle: str | int) -> Execution:
        await anyio.lowlevel.checkpoint()
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        async with anyio.create_task_group() as waiting:
            for _ in range(3):
                waiting.start_soon(wait)
            await until(lambda: len(seen_by(runtime)) == 1)
            patched.setattr(Live, "get", broken)
    assert failed == ["the disk is gone"] * 3
    silent.touch()
    await runtime.wait(1, 30)


def seen_by(runtime: Runtime) -> dict[int, int]:
    arrivals: Arrivals = runtime._arrivals  # pyright: ignore[reportPrivateUsage] - nobody else shows who waits
    return arrivals._waiting  # pyright: ignore[reportPrivateUsage] - nobody else shows who waits
