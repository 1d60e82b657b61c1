"""The net below every other test holds."""

import os
import subprocess
import sys

import pytest

from leftovers import end_leftovers, leftovers
from outlast.kernel.home import Home

if sys.platform != "linux":
    pytest.skip("processes are looked for in /proc", allow_module_level=True)

SLEEPER = [sys.executable, "-S", "-c", "import sys, signal; print(flush=True); signal.pause()"]


def start_sleeper(arguments: list[str], cwd: str = "/", **environment: str) -> subprocess.Popen[bytes]:
    """A process that runs until it is killed."""
    process = subprocess.Popen([*SLEEPER, *arguments], env=environment, cwd=cwd, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"\n"
    return process


@pytest.mark.parametrize("where", ["environment", "arguments", "working directory"])
def test_a_process_that_a_test_forgot_is_found_and_killed(home: Home, where: str) -> None:
    process = start_sleeper(
        [home.runs] if where == "arguments" else [],
        home.runs if where == "working directory" else "/",
        **{"OUTLAST_HOME": home.root} if where == "environment" else {},
    )
    assert [line.split()[0] for line in end_leftovers(home.root, patience=0)] == [str(process.pid)]
    assert process.wait(10) == -9


def test_a_process_that_holds_a_spool_open_is_found(home: Home) -> None:
    with open(home.root + "/out", "wb") as spool:
        process = subprocess.Popen(SLEEPER, env={}, cwd="/", stdout=spool)
    assert [line.split()[0] for line in end_leftovers(home.root, patience=0)] == [str(process.pid)]
    assert process.wait(10) == -9


def test_a_process_that_is_about_to_end_is_waited_for(home: Home) -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"OUTLAST_HOME": home.root})
    [leftover] = leftovers(home.root)
    os.close(leftover.fd)
    process.communicate(timeout=10)
    assert end_leftovers(home.root) == []


def test_processes_of_others_are_left_alone(home: Home) -> None:
    process = start_sleeper([])
    assert end_leftovers(home.root, patience=0) == []
    assert process.poll() is None
    process.kill()
    process.wait(10)
