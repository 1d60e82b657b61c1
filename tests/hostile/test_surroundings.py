"""Children that do something to what surrounds them: terminal, directory, user, limits."""

import os
import subprocess
import sys

import pytest

from hostile.nursery import Nursery
from outlast.kernel.home import Home

ON_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, "-c", sys.argv[1], *sys.argv[2:]])))
"""
RUN_ONE = """
import anyio, os, sys
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.runtime.starting import StartRequest

async def main():
    os.close(os.open("/dev/tty", os.O_RDWR))  # this process has one
    async with open_runtime(Options(home=Home(sys.argv[1]), trigger="cli", allow_command=True)) as runtime:
        started = await runtime.execute(StartRequest(workflow_id="command", params={"argv": sys.argv[2:]}))
        settled = (await runtime.wait(started.execution.number, 30)).settled
        print("ended with", settled.exit_code)

anyio.run(main)
"""


@pytest.mark.requirement("X1")
def test_a_child_of_a_server_on_a_terminal_does_not_get_that(home: Home, healthy_store: None) -> None:
    child = (
        "if (echo to the terminal > /dev/tty) 2> /dev/null; then exit 1; fi; if read -r line; then exit 2; fi; exit 7"
    )
    command = [sys.executable, "-c", ON_A_TERMINAL, RUN_ONE, home.root, "/bin/sh", "-c", child]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "ended with 7"


@pytest.mark.parametrize(
    "script",
    [
        'mkdir -p here && cd here && rm -rf "$PWD" && cd .; ls',
        "ulimit -n 12; ulimit -f 0; ulimit -c 0; ulimit -v 200000; ulimit -t 5",
        "trap '' PIPE CHLD; umask 777",
        "exec 3>&1 4>&1 5>&1 6>&1 7>&1 8>&1 9>&1",
    ],
    ids=["its directory", "its limits", "its signals", "its descriptors"],
)
async def test_what_a_child_makes_of_its_surroundings_is_its_own(nursery: Nursery, script: str) -> None:
    number = await nursery.start(f"echo before; {{ {script}; }} > /dev/null 2>&1; exit 7")
    settled = await nursery.end(number)
    assert (settled.status, settled.exit_code) == ("failed", 7)
    assert await nursery.lines(number) == ["before"]


async def test_a_child_that_removes_its_directory_is_cancelled_all_the_same(nursery: Nursery) -> None:
    os.mkdir(nursery.file("sub"))
    script = f"echo $$ >> {nursery.file('pids')}; rm -rf {nursery.file('sub')}; sleep 300"
    number = await nursery.start(script, cwd=str(nursery.file("sub")))
    await nursery.pids(1)
    assert (await nursery.cancel(number)).status == "cancelled"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its user")
async def test_a_child_that_changes_its_user_is_cancelled_all_the_same(nursery: Nursery) -> None:
    script = (
        "import os, signal, time\n"
        "file = open('pids', 'a', buffering=1)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.setgid(65534)\n"
        "os.setuid(65534)\n"
        "os.fork()\n"
        "file.write(f'{os.getpid()}\\n')\n"
        "time.sleep(300)\n"
    )
    number = await nursery.start(sys.executable, "-I", "-S", "-c", script)
    await nursery.pids(2)
    assert (await nursery.cancel(number)).status == "cancelled"
