"""A child that touches the files of its run: its true exit code, or `lost` with a reason; never a false `completed`."""

import anyio
import pytest

from chaos.processes import kill
from hostile.nursery import Nursery
from waiting import until

HERE = 'here="${OUTLAST_EVENTS%/*}"; run="${here%/steps/*}"'
PLANTED = """echo '{"status": "completed", "reason": "exit code 0", "exit_code": 0}' > "$run/outcome.json\""""
DEEDS = (
    'echo 0 > "$here/exitcode"',
    'rm -f "$here/exitcode"',
    'rm -f "$here/exitcode"; echo 0 > "$here/exitcode"',
    'rm -f "$here/exitcode"; mkdir "$here/exitcode"',
    'rm -f "$here/exitcode"; mkfifo "$here/exitcode"',
    'rm -f "$here/exitcode"; ln -s /dev/null "$here/exitcode"',
    'rm -f "$here/started"',
    'echo sealed > "$here/started"',
    'echo nonsense > "$here/started"',
    'rm -rf "$here"',
    'rm -f "$run/marks"',
    ': > "$run/marks"',
    'head -c 4096 /dev/urandom > "$run/marks"',
    'rm -f "$run/marks"; mkdir "$run/marks"',
    'rm -f "$here/out"',
    'rm -f "$run/run.lock"; touch "$run/run.lock"',
    'rm -f "$run/outcome.json"; echo "[]" > "$run/outcome.json"',
    'rm -f "$run/plan.json" "$run/number" "$run/supervisor.log"',
    'rm -f "$here/out"; mkfifo "$here/out"',
    'rm -f "$here/out"; echo forged > "$here/out"',
    'rm -f "$run/outcome.json"; mkdir "$run/outcome.json"',
    'rm -f "$run/outcome.json"; mkfifo "$run/outcome.json"',
    'rm -f "$run/plan.json"; mkfifo "$run/plan.json"',
    'rm -f "$run/supervisor.log"; mkfifo "$run/supervisor.log"',
    PLANTED,
    f'{PLANTED}; echo 0 > "$here/exitcode"; rm -f "$here/started"',
    f'{PLANTED}; echo 0 > "$here/exitcode"; echo sealed > "$here/started"',
    'echo 0 > "$here/exitcode"; rm -f "$here/started"',
    'n=3; while [ $n -le 9 ]; do eval "echo 0 >&$n" 2> /dev/null; eval "exec $n>&-"; n=$((n+1)); done',
)
"""What somebody does by mistake, or worse, with what a child knows of its run directory."""
AT_ONCE = 8
"""Children that wait for the test at the same time; more may have to queue."""
REMOVALS = ('rm -rf "$run"', 'rm -rf "$run"/*', 'mv "$run" "$run.moved"')
"""What takes everything away."""
REPLACED = 'rm -rf "$run"; touch "$run"'


async def started(nursery: Nursery, deeds: tuple[str, ...], end: str = "") -> dict[str, int]:
    """Start a child for each deed, all at once; their numbers."""
    return {
        deed: await nursery.start(f"{HERE}; echo before; {deed}; echo after; : > done-{index}; {end} exit 7")
        for index, deed in enumerate(deeds)
    }


async def told(nursery: Nursery, numbers: dict[str, int]) -> dict[str, tuple[str, int | None, list[str]]]:
    """What is told of each: status, exit code, lines."""
    return {
        deed: ((settled := await nursery.end(number)).status.value, settled.exit_code, await nursery.lines(number))
        for deed, number in numbers.items()
    }


@pytest.mark.requirement("S3-6")
async def test_a_child_that_tampers_is_told_as_it_ended(nursery: Nursery) -> None:
    deeds = (*DEEDS, *REMOVALS, REPLACED)
    numbers = await started(nursery, deeds)
    assert await told(nursery, numbers) == dict.fromkeys(deeds, ("failed", 7, ["before", "after"]))


@pytest.mark.requirement("S3-6", "X1")
@pytest.mark.parametrize("first", range(0, len(DEEDS), AT_ONCE))
async def test_so_it_is_when_its_supervisor_dies_and_nothing_runs_twice(nursery: Nursery, first: int) -> None:
    deeds = DEEDS[first : first + AT_ONCE]
    numbers = await started(nursery, deeds, "until [ -e go ]; do sleep 0.05; done;")
    for index in range(len(deeds)):
        await until(nursery.file(f"done-{index}").exists)
    await nursery.change_supervisors(*numbers.values())
    nursery.file("go").touch()
    assert await told(nursery, numbers) == dict.fromkeys(deeds, ("failed", 7, ["before", "after"]))


@pytest.mark.requirement("S3-6")
async def test_who_takes_everything_away_is_lost_where_its_supervisor_dies_too(nursery: Nursery) -> None:
    """Nobody is left who knows what it was; it must not go on unseen."""
    numbers = await started(nursery, REMOVALS, "echo $$ >> pids; sleep 300;")
    await nursery.pids(len(REMOVALS))
    await nursery.change_supervisors(*numbers.values())
    for number in numbers.values():
        settled = await nursery.end(number)
        assert settled.reason == "its run directory is gone; what was left of it was killed"
        assert (settled.status, settled.exit_code) == ("lost", None)
    assert nursery.alive() == []


@pytest.mark.requirement("S3-6")
async def test_no_file_makes_more_than_lost_of_an_attempt_whose_wrapper_was_killed(nursery: Nursery) -> None:
    taken_over = 'echo before; until [ -e go ]; do sleep 0.02; done; : > "$here/started"'
    deeds = (
        taken_over,
        'echo before; echo 0 > "$here/exitcode"',
        'echo before; : > "$here/started"',
        ': > "$here/started"',
    )
    numbers = {deed: await nursery.start(f"{HERE}; {deed}; kill -KILL $PPID; exit 7") for deed in deeds}
    await nursery.change_supervisors(numbers[taken_over])
    nursery.file("go").touch()
    for deed, number in numbers.items():
        settled = await nursery.end(number)
        assert (settled.status, settled.exit_code) == ("lost", None), deed
        assert settled.reason.startswith("interrupted: its wrapper was killed before it could record an exit code")
        assert await nursery.lines(number) == ["before"] * deed.count("echo before")


@pytest.mark.requirement("S3-6")
@pytest.mark.parametrize(
    ("deed", "status", "code", "reason"),
    [
        (PLANTED, "failed", 7, "exit code 7"),
        (f'{PLANTED}; rm "$here/exitcode"', "lost", None, "its exit code is gone: only a file says that it completed"),
    ],
    ids=["with its exit code", "without"],
)
async def test_a_false_verdict_is_none_where_everything_ended_before_somebody_looked(
    nursery: Nursery, deed: str, status: str, code: int | None, reason: str
) -> None:
    number = await nursery.start(f"{HERE}; echo $PPID >> pids; until [ -e go ]; do sleep 0.02; done; {deed}; exit 7")
    await nursery.pids(1)
    assert await anyio.to_thread.run_sync(kill, nursery.supervisor(number))
    nursery.file("go").touch()
    await until(lambda: nursery.alive() == [])
    settled = await nursery.end(number)
    assert (settled.status, settled.exit_code, settled.reason) == (status, code, reason)
