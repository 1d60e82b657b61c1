"""Children that do not want to go: after a cancel nobody is left, and an end by itself waits for nobody."""

import signal
import sys

import anyio
import pytest

from chaos.processes import entry
from hostile.nursery import Nursery
from outlast.kernel.ids import new_id
from outlast.runtime.logbooks import LogQuery
from waiting import until

REFUSERS = """
deaf='trap "" TERM INT HUP QUIT; echo $$ >> pids; while :; do sleep 1; done'
sh -c "$deaf" &
sh -c "sh -c '$deaf' & $deaf" &
sh -c 'echo $$ >> pids; kill -STOP $$; sleep 300' &
sh -c 'trap "" TERM; echo $$ >> pids; kill -STOP $$' &
(setsid env -i /bin/sh -c 'echo $$ >> pids; exec sleep 300' &)
(setsid sh -c 'echo $$ >> pids; exec sleep 300 > /dev/null 2>&1' &)
echo $$ >> pids
"""
"""They stay in the attempt's group, keep its output open or carry its marker."""
HIDDEN = """
(setsid env -i /bin/sh -c 'echo $$ >> pids; exec sleep 300 >&- 2>&-' &)
(setsid sh -c 'echo $$ >> pids; unset OUTLAST_EXECUTION_ID; exec sleep 300' > /dev/null 2>&1 &)
"""
"""They do nothing of that: only their descent tells whose they are."""

COMETS = """
import os, time
end = time.monotonic() + 60
if os.fork():
    os._exit(0)
os.setsid()
os.environ.clear()
open("pids", "a").write(f"{os.getpid()}\\n")
# Each lives for the time of one fork: whoever reads the table of processes and then signals comes too late.
beats = open("beats", "ab", buffering=0)
while time.monotonic() < end:
    beats.write(b".")
    if os.fork():
        os._exit(0)
"""
BOMB = """
import os, time
end = time.monotonic() + 60
open("pids", "a").write(f"{os.getpid()}\\n")
beats = open("beats", "ab", buffering=0)
for _ in range(5):
    os.fork()
# 32 that have two children at any time, which have children for a moment as well.
while time.monotonic() < end:
    for _ in range(2):
        if not os.fork():
            beats.write(b".")
            os.fork()
            time.sleep(0.005)
            os._exit(0)
    os.wait()
    os.wait()
"""


@pytest.mark.requirement("X1")
async def test_whoever_refuses_to_go_is_gone_after_a_cancel(nursery: Nursery) -> None:
    number = await nursery.start(f"{REFUSERS}{HIDDEN}wait")
    await nursery.pids(10)
    assert len(nursery.alive()) == 10
    settled = await nursery.cancel(number)
    assert (settled.status, settled.reason) == ("cancelled", "cancelled by a test")


@pytest.mark.requirement("X1")
async def test_so_they_are_when_another_supervisor_has_taken_over(nursery: Nursery) -> None:
    number = await nursery.start(f"{REFUSERS}wait")
    await nursery.pids(8)
    await nursery.change_supervisors(number)
    assert len(nursery.alive()) == 8
    assert (await nursery.cancel(number)).status == "cancelled"


async def test_two_hundred_are_killed(nursery: Nursery) -> None:
    number = await nursery.start(
        "for _ in $(seq 200); do sh -c 'trap \"\" TERM; echo $$ >> pids; sleep 300' & done; wait"
    )
    await nursery.pids(200)
    assert (await nursery.cancel(number)).status == "cancelled"


@pytest.mark.parametrize("script", [COMETS, BOMB], ids=["comets", "bomb"])
async def test_what_forks_faster_than_it_is_killed_is_gone_after_a_cancel(nursery: Nursery, script: str) -> None:
    number = await nursery.start(f"{sys.executable} -I -S -c '{script}'; sleep 300")
    beats = nursery.file("beats")
    await until(lambda: beats.exists() and beats.stat().st_size > 100)
    assert (await nursery.cancel(number)).status == "cancelled"
    last = beats.stat().st_size
    await anyio.sleep(0.2)  # hundreds of beats
    assert beats.stat().st_size == last


async def test_processes_of_another_execution_that_come_and_go_keep_no_cancel_waiting(nursery: Nursery) -> None:
    other = "while [ ! -e stop ]; do (sleep 0.1 &); echo >> beats; sleep 0.02; done; : > stopped"
    nested = f"OUTLAST_EXECUTION_ID={new_id(0)} setsid sh -c '{other}' &"
    number = await nursery.start(f"{nested} echo $$ >> pids; sleep 300")
    beats = nursery.file("beats")
    await nursery.pids(1)
    await until(beats.exists)
    try:
        assert (await nursery.cancel(number)).status == "cancelled"
        before = beats.stat().st_size
        await until(lambda: beats.stat().st_size > before)
    finally:
        nursery.file("stop").touch()
    await until(nursery.file("stopped").exists)


@pytest.mark.requirement("S3-6")
@pytest.mark.parametrize("apart", ["", "setsid ", "setsid env -i "])
async def test_a_grandchild_that_keeps_the_output_open_keeps_nobody_waiting(nursery: Nursery, apart: str) -> None:
    late = "echo $$ >> pids; until [ -e go ]; do sleep 0.02; done; echo late; echo > written; exec sleep 300"
    number = await nursery.start(
        f"echo before; {apart}/bin/sh -c '{late}' & until [ -e pids ]; do sleep 0.01; done; exit 7"
    )
    settled = await nursery.end(number)
    assert (settled.status, settled.exit_code) == ("failed", 7)
    (pid,) = await nursery.pids(1)
    details = await nursery.runtime.details(await nursery.execution(number))
    assert pid in [left["pid"] for left in details.leftovers if isinstance(left, dict)]
    nursery.file("go").touch()
    await until(nursery.file("written").exists)
    assert await nursery.lines(number) == ["before"]
    assert await nursery.runtime.seal(await nursery.execution(number))
    page = await nursery.runtime.logs(await nursery.execution(number), LogQuery())
    assert (await nursery.lines(number), page.count) == (["before"], (1, True))


@pytest.mark.requirement("S3-6")
@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ("kill -TERM 0; sleep 300", "failed", 128 + signal.SIGTERM),
        ("kill -KILL 0; sleep 300", "lost", None),
        ("trap '' TERM; kill -TERM $PPID; sleep 0.1; exit 7", "failed", 7),
        ("kill -STOP $PPID; (sleep 0.2; kill -CONT $PPID) & exit 7", "failed", 7),
    ],
    ids=["its group, politely", "its group", "its wrapper, politely", "its wrapper's pace"],
)
async def test_a_child_that_signals_what_runs_it_is_told_as_it_ended(
    nursery: Nursery, script: str, status: str, code: int | None
) -> None:
    settled = await nursery.end(await nursery.start(script))
    assert (settled.status, settled.exit_code) == (status, code)


@pytest.mark.requirement("X1")
async def test_a_child_that_kills_its_supervisor_is_told_as_it_ended(nursery: Nursery) -> None:
    kill_it = "until [ -e go ]; do sleep 0.01; done; read -r _ _ _ parent _ < /proc/$PPID/stat; kill -KILL $parent"
    number = await nursery.start(f"echo before; {kill_it}; echo after; exit 7")
    supervisor = nursery.supervisor(number)
    nursery.file("go").touch()
    await until(lambda: entry(supervisor.pid) is None)
    settled = await nursery.end(number)
    assert (settled.status, settled.exit_code) == ("failed", 7)
    assert await nursery.lines(number) == ["before", "after"]


@pytest.mark.requirement("X1")
async def test_a_child_that_kills_its_session_is_lost(nursery: Nursery) -> None:
    """Its wrapper is in it."""
    script = (
        "import os\n"
        "for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):\n"
        "    if pid != os.getpid() and os.getsid(pid) == os.getsid(0):\n"
        "        os.kill(pid, 9)\n"
        "open('done', 'w').close()\n"
    )
    number = await nursery.start(sys.executable, "-I", "-S", "-c", script)
    await until(nursery.file("done").exists)
    settled = await nursery.end(number)
    assert (settled.status, settled.exit_code) == ("lost", None)
