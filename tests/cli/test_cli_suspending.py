"""Ctrl-Z: a suspended command never holds the store lock."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import SECONDS, Cli, Gate, Spawn

from outlast.kernel.home import Home

HOLDER = """
import contextlib, os, signal, sys, threading
from outlast.kernel.locks import StoreLock
from outlast.server.cli.suspending import suspendable

def say(word):
    sys.stdout.write(word + "\\n")
    sys.stdout.flush()

lock = StoreLock(sys.argv[1])

def hold():
    with lock.held(None):
        say("held")
        sys.stdin.readline()
        say("done")

@contextlib.contextmanager
def idle():
    say("asked")
    with lock.idle():
        yield

asked, woken = os.pipe()
os.set_blocking(woken, False)
signal.set_wakeup_fd(woken)
with suspendable() as suspender:
    holder = threading.Thread(target=hold)
    if sys.argv[2] == "open":
        suspender.opened(idle)
        holder.start()
    else:
        holder.start()
        os.read(asked, 1)
        say("asked")
    holder.join()
    if sys.argv[2] == "opening":
        suspender.opened(lock.idle)
say("end")
"""
"""Holds the lock on a thread until it reads a line, as the thread of a connection does during a transaction."""


@pytest.fixture(params=["open", "opening"])
def holder(request: pytest.FixtureRequest, home: Home) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, home.store_lock, request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate(timeout=SECONDS)


def said(process: subprocess.Popen[str]) -> str:
    """The next line that a child says; empty when it says nothing for SECONDS."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], SECONDS)
    return process.stdout.readline() if ready else ""


def stopped(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> bool:
    """Wait until a child stops, or ends; whether it stopped. faulthandler_timeout bounds the wait."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    return os.WIFSTOPPED(status)


def test_suspension_waits_for_the_end_of_a_transaction(home: Home, holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    assert said(holder) == "held\n"
    holder.send_signal(signal.SIGTSTP)
    assert said(holder) == "asked\n"
    # Suspended now, it would never read this.
    holder.stdin.write("go on\n")
    holder.stdin.flush()
    assert said(holder) == "done\n"
    assert stopped(holder)
    with open(home.store_lock, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    holder.send_signal(signal.SIGCONT)
    assert holder.communicate(timeout=SECONDS)[0] == "end\n"
    assert holder.returncode == 0


def test_a_suspended_command_keeps_nobody_from_working_and_goes_on_later(
    home: Home, cli: Cli, spawn: Spawn, gate: Gate
) -> None:
    process = spawn("run", "--wait", "--", "sh", "-c", f"echo ready; {gate.pass_it}; echo done; exit 3")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTSTP)
    assert stopped(process)
    assert cli("run", "--wait", "--", "true").exit_code == 0
    gate.open()
    assert cli("wait", "1").exit_code == 1
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=SECONDS)[0] == b"done\n"
    assert process.returncode == 1


def test_a_command_that_was_started_without_job_control_keeps_it_so(spawn: Spawn, gate: Gate, tmp_path: Path) -> None:
    script = tmp_path / "script"
    text = f"echo ready; {gate.pass_it}; echo done"
    script.write_text(f"trap '' TSTP\nexec {sys.executable} -m outlast run --wait -- sh -c '{text}'\n")
    process = subprocess.Popen(
        ["/bin/sh", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OUTLAST_ALLOW_COMMAND": "true"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTSTP)
    gate.open()
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (0, b"done\n"), err
