"""Keeping what a command prints, beside what one would otherwise use: `python bench/alternatives.py [--lines 5000000]`.

The same command copies the same lines to its output. Measured is the time from its start until all of them are where
the tool keeps them, in lines a second: a plain file; task-spooler's output file; a durable, searchable log of an
Outlast execution, first printed (readable from then on), then sealed; Prefect's API; a durable stream of DBOS. The last
two take a thousandth and a ten-thousandth of the lines, at least 1,000: they would take hours.

task-spooler is Debian's package. `--others DIR` names a virtual environment with `prefect` and `dbos` (`python -m venv
DIR && DIR/bin/pip install prefect dbos`); without it they are left out. Everything stays on this machine.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio

from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.runtime.starting import StartRequest

DRIVERS = Path(__file__).parent / "drivers"
PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE": "1000000",
}


class Missing(Exception):
    """A tool is not installed."""


def write_lines(path: Path, count: int) -> Path:
    with path.open("w") as file:
        for n in range(count):
            file.write(
                f"2026-01-01T00:{n // 60000 % 60:02d}:{n // 1000 % 60:02d}.{n % 1000:03d}Z INFO worker-{n % 16} "
                f"request {n * 2654435761 % (1 << 32):08x} handled in {n * 7 % 2000} ms, {n * 31 % 999983} bytes\n"
            )
    return path


def to_file(lines: Path, folder: Path) -> float:
    begun = time.perf_counter()
    with (folder / "copy").open("wb") as file:
        subprocess.run(["cat", lines], stdout=file, check=True)
    return time.perf_counter() - begun


def task_spooler(lines: Path, folder: Path) -> float:
    if (program := shutil.which("tsp") or shutil.which("ts")) is None:
        raise Missing("task-spooler is not installed (apt install task-spooler)")
    environment = os.environ | {"TS_SOCKET": str(folder / "socket"), "TMPDIR": str(folder)}
    subprocess.run([program, "true"], env=environment, check=True, stdout=subprocess.DEVNULL)  # starts its server
    try:
        begun = time.perf_counter()
        subprocess.run([program, "-f", "cat", lines], env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun
    finally:
        subprocess.run([program, "-K"], env=environment, check=True)


def outlast(lines: Path, folder: Path) -> tuple[float, float]:
    """Seconds until it has ended with every line readable, and until all of them are in the store."""
    home = Home(str(folder / "home"))
    Path(home.root).mkdir()
    home.create()

    async def run() -> tuple[float, float]:
        async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
            begun = time.perf_counter()
            started = await runtime.execute(StartRequest(workflow_id="command", params={"argv": ["cat", str(lines)]}))
            execution = await runtime.wait(started.execution.number, 600)
            printed = time.perf_counter() - begun
            assert (execution.status, (await runtime.log_count(execution)).final) == ("completed", True)
            await runtime.seal(execution)
            return printed, time.perf_counter() - begun

    return anyio.run(run)


def driven(others: Path | None, driver: str, environment: dict[str, str], *arguments: str) -> float:
    if others is None:
        raise Missing("needs --others")
    command = [str(others / "bin/python"), str(DRIVERS / driver), *arguments]
    done = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=5_000_000)
    parser.add_argument("--others", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ol-bench-"))
    sealed = 0.0

    def tell(name: str, count: int, measure: Callable[[], float]) -> float:
        try:
            rate = count / measure()
        except Missing as missing:
            print(f"{name:34} left out: {missing}")
            return 0.0
        ratio = f"   Outlast, sealed: {sealed / rate:,.2f} times as many" if sealed else ""
        print(f"{name:34} {rate:14,.0f} lines/s   ({count:,} lines){ratio}")
        return rate

    try:
        lines = write_lines(folder / "lines", given.lines)
        printed, stored = outlast(lines, folder)
        tell("Outlast, printed and readable", given.lines, lambda: printed)
        sealed = tell("Outlast, sealed", given.lines, lambda: stored)
        tell("cat > file", given.lines, lambda: to_file(lines, folder))
        tell("task-spooler", given.lines, lambda: task_spooler(lines, folder))
        some = max(1000, given.lines // 1000)
        few = write_lines(folder / "some", some)
        home = PREFECT | {"PREFECT_HOME": str(folder / "prefect")}
        tell("Prefect, its API", some, lambda: driven(given.others, "prefect_logs.py", home, str(few)))
        some = max(1000, given.lines // 10_000)
        few = write_lines(folder / "some", some)
        database = str(folder / "dbos.sqlite")
        tell("DBOS, a durable stream", some, lambda: driven(given.others, "dbos_logs.py", {}, str(few), database))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
