"""Old executions removed: archived first, in small steps, whole at any moment, and by itself where it is set."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from old_homes import DAY, NOW, Then, over, run_path
from outlast.kernel import retention
from outlast.kernel.errors import Conflict, OutlastError
from outlast.kernel.home import Home
from outlast.kernel.locks import RunLock
from outlast.runtime import pruning
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.observer import Observer, open_archived, open_observer
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.storage.history import Filter
from outlast.storage.logs.lines import LogGap
from outlast.storage.retention import Limits
from stored import Hands, hands_on, processes
from waiting import until

OLD = Limits(max_age=30 * DAY)
KILLED = """
import anyio
from old_homes import Then
from outlast.kernel import faults
from outlast.runtime.observer import open_observer
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.options import Options
from outlast.storage.retention import Limits

point, skip, archive = hear().split()
left = [int(skip)]

def listener(name):
    if name == point:
        if not left[0]:
            os.kill(os.getpid(), 9)
        left[0] -= 1

async def main():
    from pathlib import Path
    async with open_observer(Options(home=home, trigger="cli", clock=Then())) as observer:
        found = await observer.pruner.plan(Limits(max_age=0))
        faults.listen(listener)
        await observer.pruner.prune(found.due, archive=Path(archive))
    say("whole")

anyio.run(main)
"""


@pytest.fixture
def options(home: Home) -> Options:
    return Options(home=home, trigger="cli", clock=Then())


async def filled(home: Home, fill: Callable[[Hands], list[int]]) -> list[int]:
    """What a home is filled with, from a thread of its own."""

    def work() -> list[int]:
        with hands_on(home) as hands:
            return fill(hands)

    return await anyio.to_thread.run_sync(work)


@pytest.fixture
async def observer(options: Options) -> AsyncIterator[Observer]:
    async with open_observer(options) as observer:
        yield observer


async def numbers(observer: Observer) -> list[int]:
    """What is there, the oldest first."""
    page = await observer.history(Filter(), limit=500)
    return [row.number for row in reversed(page.executions)]


async def archived(options: Options, path: Path) -> list[int]:
    async with open_archived(options, path) as observer:
        return await numbers(observer)


@pytest.mark.requirement("S3-9")
async def test_what_is_pruned_is_in_the_archive_and_nowhere_else(
    home: Home, options: Options, observer: Observer, tmp_path: Path
) -> None:
    *old, young = await filled(home, lambda h: [*(over(h, directory=n == 1) for n in range(3)), over(h, 1)])
    plan = await observer.pruner.plan(OLD)
    assert [due.number for due in plan.due] == old
    path = tmp_path / "old.db"
    pruned = await observer.pruner.prune(plan.due, archive=path)
    assert ([due.number for due in pruned.removed], pruned.left, pruned.archive) == (old, [], path)
    assert await numbers(observer) == [young]
    assert await archived(options, path) == old
    assert await anyio.to_thread.run_sync(os.listdir, home.runs) == []
    assert await anyio.to_thread.run_sync(os.listdir, tmp_path) == ["old.db"]


@pytest.mark.requirement("S3-9", "S3-19")
@pytest.mark.parametrize(
    ("point", "skip"),
    [
        ("archive.made", 0),
        ("archive.placed", 0),
        ("prune.emptied", 0),
        ("prune.emptied", 1),
        ("removal.emptied", 1),
        *(("store.written", n) for n in range(3)),
        *(("store.committed", n) for n in range(3)),
    ],
)
def test_killed_at_any_point_each_execution_is_there_whole_or_gone_whole(
    home: Home, options: Options, tmp_path: Path, point: str, skip: int
) -> None:
    path = tmp_path / "old.db"
    with hands_on(home) as hands:
        # More than one batch, some with run directories, one not sealed yet.
        made = [over(hands, directory=n % 9 == 0, sealed=n != 3) for n in range(pruning.BATCH + 5)]
    with processes(KILLED) as (process,):
        process.hears(f"{point} {skip} {path}")
        assert process.says() == ""
        assert process.process.wait(60) == -9, "it came to the point"

    async def check() -> tuple[list[int], list[int]]:
        async with open_observer(options) as observer:
            there = await numbers(observer)
            for number in there:
                execution = await observer.get(number)
                assert (await observer.details(execution)).plan is not None
                assert (await observer.log_count(execution)).lines == 1
            problems = await observer.store.scan(lambda c: c.execute("PRAGMA foreign_key_check").fetchall())
            assert problems == []
            saved = await archived(options, path) if await anyio.to_thread.run_sync(path.exists) else []
            assert set(made) - set(there) <= set(saved), "nothing is gone that is not in the archive"
            assert not saved or saved == made
            found = await observer.pruner.plan(Limits(max_age=0))
            await observer.pruner.prune(found.due, archive=path)
            return await numbers(observer), await archived(options, path)

    assert anyio.run(check) == ([], made)
    assert os.listdir(tmp_path) == ["old.db"], "what was half made is removed by the next one"
    assert os.listdir(home.runs) == []


@pytest.mark.requirement("S3-19")
async def test_a_log_that_is_not_in_the_store_yet_is_moved_there_first(
    home: Home, options: Options, observer: Observer, tmp_path: Path
) -> None:
    (number,) = await filled(home, lambda h: [over(h, sealed=False, log=b"only in its files\n")])
    plan = await observer.pruner.plan(OLD)
    assert [due.sealed for due in plan.due] == [False]
    await observer.pruner.prune(plan.due, archive=tmp_path / "old.db")
    assert await numbers(observer) == []
    async with open_archived(options, tmp_path / "old.db") as archive:
        assert (await archive.log_count(await archive.get(number))).lines == 1


@pytest.mark.requirement("S3-19")
async def test_what_is_in_use_stays_until_it_is_not(home: Home, observer: Observer) -> None:
    def fill(hands: Hands) -> list[int]:
        found = [over(hands, directory=True), over(hands, sealed=False), over(hands)]
        paths.extend(run_path(hands, number) for number in found)
        # A spool with bytes of an attempt that has no closing mark: nobody can say that all of it is in the store.
        spool = paths[1] / "steps/run/2/out"
        spool.parent.mkdir()
        spool.write_text("late")
        return found

    paths: list[Path] = []
    exiting, unclosed, gone = await filled(home, fill)
    lock = await anyio.to_thread.run_sync(RunLock.acquire, home.run(paths[0].name).run_lock)
    assert lock is not None
    try:
        pruned = await observer.pruner.prune((await observer.pruner.plan(OLD)).due)
    finally:
        lock.release()
    assert [due.number for due in pruned.removed] == [gone]
    assert [due.number for due in pruned.left] == [exiting, unclosed]
    assert await numbers(observer) == [exiting, unclosed]
    pruned = await observer.pruner.prune((await observer.pruner.plan(OLD)).due)
    assert [due.number for due in pruned.removed] == [exiting]


@pytest.mark.requirement("S3-19")
async def test_what_is_pinned_between_the_look_and_the_removal_stays(home: Home, observer: Observer) -> None:
    first, second = await filled(home, lambda h: [over(h), over(h)])
    plan = await observer.pruner.plan(OLD)
    assert await observer.pin(second, "ada")
    pruned = await observer.pruner.prune(plan.due)
    assert ([due.number for due in pruned.removed], [due.number for due in pruned.left]) == ([first], [second])
    assert await observer.unpin(second)
    assert not await observer.unpin(second)


async def test_an_archive_that_cannot_be_written_costs_nothing(home: Home, observer: Observer, tmp_path: Path) -> None:
    made = await filled(home, lambda h: [over(h)])
    plan = await observer.pruner.plan(OLD)
    for path in (tmp_path / "nowhere" / "old.db", tmp_path):
        with pytest.raises(OutlastError):
            await observer.pruner.prune(plan.due, archive=path)
    assert await numbers(observer) == made
    assert await anyio.to_thread.run_sync(os.listdir, tmp_path) == []


async def test_damage_costs_one_execution_its_place_in_the_archive(
    home: Home, options: Options, observer: Observer, tmp_path: Path
) -> None:
    sound, damaged = await filled(home, lambda h: [over(h), over(h)])
    plan = await observer.pruner.plan(OLD)
    await observer.store.write(lambda c: c.execute("UPDATE executions SET priority = 7 WHERE number = ?", (damaged,)))
    pruned = await observer.pruner.prune(plan.due, archive=tmp_path / "old.db")
    assert ([due.number for due in pruned.removed], [due.number for due in pruned.left]) == ([sound], [damaged])
    assert await archived(options, tmp_path / "old.db") == [sound]


async def test_only_the_logs_go_and_the_gap_says_when(home: Home, observer: Observer) -> None:
    (number,) = await filled(home, lambda h: [over(h, log=b"one\ntwo\n")])
    limits = replace(OLD, logs_only=True)
    pruned = await observer.pruner.prune((await observer.pruner.plan(limits)).due, logs_only=True)
    assert [due.number for due in pruned.removed] == [number]
    execution = await observer.get(number)
    assert (execution.log_lines, execution.log_removed_at) == (2, NOW)
    page = await observer.logs(execution, LogQuery())
    (gap,) = page.entries
    assert isinstance(gap, LogGap)
    assert (gap.first, gap.last) == (1, 2)
    assert "removed on 2026-08-" in gap.reason
    assert (await observer.pruner.plan(limits)).due == ()


async def test_the_file_gets_smaller_unless_it_is_of_an_older_outlast(
    home: Home, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = b"".join(b"%d\n" % (n * 2654435761 % 2**32) for n in range(60_000))
    monkeypatch.setattr(pruning, "PAGES", 20)
    await filled(home, lambda h: [over(h, log=noise), over(h, log=noise)])
    pruned = await observer.pruner.prune((await observer.pruner.plan(OLD)).due)
    assert pruned.freed > 400_000
    assert pruned.free == 0


async def test_a_server_leaves_room_for_what_comes_next(home: Home, observer: Observer) -> None:
    noise = b"".join(b"%d\n" % (n * 2654435761 % 2**32) for n in range(60_000))
    await filled(home, lambda h: [over(h, log=noise), over(h, log=noise)])
    assert await observer.pruner.keep(OLD) == 2
    assert await observer.store.read(retention.free_pages) > 10


@pytest.mark.requirement("S3-19")
async def test_one_process_at_a_time_removes_and_the_others_say_so(home: Home, observer: Observer) -> None:
    made = await filled(home, lambda h: [over(h)])
    lock = await anyio.to_thread.run_sync(pruning.take_lock, home)
    assert lock is not None
    plan = await observer.pruner.plan(OLD)
    with pytest.raises(Conflict) as caught:
        await observer.pruner.prune(plan.due)
    assert caught.value.code == "prune_is_running"
    assert await observer.pruner.keep(OLD) == 0
    assert await numbers(observer) == made
    os.close(lock)
    assert await observer.pruner.keep(OLD) == 1


@pytest.mark.requirement("S3-19")
async def test_by_itself_it_is_done_once_an_hour_whoever_asks(home: Home, options: Options, observer: Observer) -> None:
    class Later(Then):
        def now(self) -> int:
            return NOW + pruning.EVERY

    await filled(home, lambda h: [over(h)])
    assert await observer.pruner.keep(OLD) == 1
    await filled(home, lambda h: [over(h)])
    assert await observer.pruner.keep(OLD) == 0
    async with open_observer(replace(options, clock=Later())) as other:
        assert await other.pruner.keep(OLD) == 1


async def test_more_than_one_round_is_done_at_once(
    home: Home, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "ROUND", 2)
    await filled(home, lambda h: [over(h) for _ in range(5)])
    assert await observer.pruner.keep(OLD) == 5


@pytest.mark.requirement("S3-19")
async def test_by_itself_it_archives_into_a_file_for_each_month(
    home: Home, options: Options, observer: Observer, tmp_path: Path
) -> None:
    made = await filled(home, lambda h: [over(h), over(h)])
    assert await observer.pruner.keep(OLD, tmp_path) == 2
    (name,) = await anyio.to_thread.run_sync(os.listdir, tmp_path)
    assert name == pruning.archive_name(NOW) == "executions-2026-08.db"
    assert await archived(options, tmp_path / name) == made


@pytest.mark.requirement("S3-19")
async def test_a_server_removes_by_itself_only_what_the_settings_say(home: Home, options: Options) -> None:
    def fill(hands: Hands) -> list[int]:
        found = [over(hands), over(hands), over(hands, 1)]
        hands.write(lambda c: retention.pin(c, found[1], "ada", NOW))
        return found

    _, pinned, young = await filled(home, fill)
    background = replace(options, background=True)
    async with open_runtime(background) as runtime:
        assert len(await numbers(runtime)) == 3
    async with open_runtime(replace(background, retention=OLD)) as runtime:

        async def removed() -> bool:
            return await numbers(runtime) == [pinned, young]

        await until(removed)


async def test_a_server_goes_on_when_removing_fails(
    home: Home, options: Options, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = await filled(home, lambda h: [over(h)])
    settings = replace(options, background=True, retention=OLD, archive_directory=tmp_path / "nowhere")
    async with open_runtime(settings) as runtime:
        await until(lambda: "removing old executions: " in caplog.text)
        assert await numbers(runtime) == made
    assert "cannot be written" in caplog.text
