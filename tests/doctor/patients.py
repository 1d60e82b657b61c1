"""Homes in which something went wrong, and a doctor for them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from click.testing import CliRunner, Result

from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.locks import run_lock_held, run_lock_holder
from outlast.server.cli.root import outlast
from waiting import until

SECONDS = 60

PROGRAM = """
import os, sys
from outlast.kernel import faults
from outlast.server.cli import main
from outlast.server.doctor import examination
examination.server_finding = lambda *_: iter(())
point = sys.argv.pop(1)
faults.listen(lambda name: os.kill(os.getpid(), 9) if name == point else None)
main()
"""
"""The command as a process of its own, killed at a fault point; its doctor starts no server, as in `no_server`."""


def run(*arguments: str | int) -> Result:
    return CliRunner().invoke(outlast, list(map(str, arguments)), env={"OUTLAST_ALLOW_COMMAND": "true"})


def start(text: str) -> str:
    """Start a text for the shell as an execution; its id."""
    return json.loads(run("run", "--json", "--", "sh", "-c", text).stdout)["handle_id"]


def examined(*flags: str) -> dict[str, Any]:
    """What can be mended, by check, with what was mended."""
    view = json.loads(run("doctor", "--json", *flags).stdout)
    found = {each["check"]: each for each in view["checks"] if each["fix"] is not None}
    return found | ({"mended": view["mended"]} if "mended" in view else {})


def fixed(*, done: bool = True) -> list[str]:
    """Mend everything; what of. Afterwards nothing is left to mend."""
    found = examined("--fix", "--yes")
    mended = found.pop("mended")
    assert all(each["done"] is done for each in mended), mended
    assert bool(found) is not done
    return [each["check"] for each in mended]


def text_of(number: int) -> list[str]:
    lines = run("logs", number, "--jsonl").stdout.splitlines()
    return [json.loads(line)["text"] for line in lines]


def status_of(number: int) -> tuple[str, int | None]:
    view = json.loads(run("show", number, "--json").stdout)
    return view["status"], view["exit_code"]


def files(home: Home) -> dict[str, bytes]:
    """Everything but the WAL's index, which whoever opens the database makes anew, and who held the store lock last."""
    passed_over = {home.database + "-shm", home.store_lock}
    paths = [path for path in Path(home.root).rglob("*") if path.is_file() and str(path) not in passed_over]
    return {str(path): path.read_bytes() for path in paths}


def wait(condition: Callable[[], bool]) -> None:
    anyio.run(until, condition)


def kill_supervisor(home: Home, execution_id: str) -> None:
    lock = home.run(execution_id).run_lock
    holder = run_lock_holder(lock)
    assert holder is not None
    assert holder.signal(Clock().boot_id(), signal.SIGKILL)
    wait(lambda: not run_lock_held(lock))


def program(point: str, *arguments: str) -> list[str]:
    """What starts the command as a process of its own, which dies at a fault point, if it gets to it."""
    return [sys.executable, "-c", PROGRAM, point, *arguments]


def killed_at(point: str) -> None:
    """A doctor that mends and is killed at a fault point."""
    process = subprocess.run(program(point, "doctor", "--fix", "--yes"), capture_output=True, timeout=SECONDS)
    assert process.returncode == -signal.SIGKILL, process.stderr
