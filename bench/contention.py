"""Many processes write to one store: `python bench/contention.py [--processes 20] [--rate 50] [--seconds 60]`.

Each process has a store of its own, as a server has, and commits at a fixed rate: an event of an execution each time,
or a whole execution with `--write execution`. A write's time is counted from the moment at which it was due, so that a
queue in front of it counts. Beside it, in the same run: how many commits of the same kind one process alone gets done
in a second, one after the other.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable

import anyio

from outlast.kernel import events, recording
from outlast.kernel.database import Connection
from outlast.kernel.errors import OutlastError
from outlast.kernel.home import Home
from outlast.kernel.ids import new_id
from outlast.kernel.record import Record, RecordedStep
from outlast.kernel.status import ExecutionStatus, StepStatus
from outlast.storage.store import Store, open_store


def record(connection: Connection, home: Home) -> int:
    """One execution with its step, as another engine ran it: some eight rows. Its number."""
    now = time.time_ns() // 1000
    told = Record(
        id=new_id(now),
        workflow_id="report",
        workflow_name="Report",
        workflow_type=None,
        status=ExecutionStatus.COMPLETED,
        user="bench",
        trigger="api",
        created_at=now - 2_000_000,
        started_at=now - 1_000_000,
        ended_at=now,
        reason="exit code 0",
        steps=(RecordedStep("run", "Run", StepStatus.COMPLETED, now - 1_000_000, now),),
        params={"rows": 1000},
    )
    return recording.record(connection, home, told, now).number


async def writer(store: Store, home: Home, kind: str) -> Callable[[], Awaitable[object]]:
    """What commits once."""
    if kind == "execution":
        return lambda: store.write(lambda c: record(c, home))
    number = await store.write(lambda c: record(c, home))
    return lambda: store.write(lambda c: events.record(c, number, time.time_ns() // 1000, "progress"))


async def alone(home: Home, kind: str, seconds: float) -> float:
    """Commits a second of one process without company."""
    async with open_store(home) as store:
        write = await writer(store, home, kind)
        begun, done = time.monotonic(), 0
        while time.monotonic() - begun < seconds:
            await write()
            done += 1
        return done / seconds


async def work(home: Home, kind: str, rate: float, seconds: float) -> None:
    """One of the processes: prints `ready`, reads a line, and prints what came of it."""
    async with open_store(home) as store:
        write = await writer(store, home, kind)
        print("ready", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        begun, times, errors = time.monotonic(), list[float](), list[str]()
        for turn in range(round(rate * seconds)):
            due = begun + turn / rate
            await anyio.sleep(max(0.0, due - time.monotonic()))
            try:
                await write()
            except OutlastError as error:
                errors.append(f"{error.code}: {error.message}")
            else:
                times.append(time.monotonic() - due)
        print(json.dumps({"times": times, "errors": errors, "took": time.monotonic() - begun}), flush=True)


def measure(home: Home, kind: str, processes: int, rate: float, seconds: float) -> bool:
    """Print what is found; whether there was no error."""
    print(f"one process alone: {anyio.run(alone, home, kind, min(5.0, seconds)):,.0f} commits/s")
    command = [sys.executable, __file__, "--work", home.root, "--write", kind]
    command += ["--rate", str(rate), "--seconds", str(seconds)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [json.loads(process.communicate()[0]) for process in started]
    times = sorted(one for each in found for one in each["times"])
    rates = sorted(len(each["times"]) / each["took"] for each in found)
    errors = [error for each in found for error in each["errors"]]
    print(f"{processes} processes, {rate:g} writes/s each wanted, {seconds:g} s: {len(times):,} writes")
    print(f"errors: {len(errors)}" + "".join(f"\n  {error}" for error in sorted(set(errors))))
    print(f"slowest process {rates[0]:.1f} writes/s, fastest {rates[-1]:.1f}: ratio {rates[0] / rates[-1]:.2f}")
    print(
        f"time of a write: median {statistics.median(times) * 1000:.1f} ms, "
        f"p99 {times[int(len(times) * 0.99)] * 1000:.1f} ms, max {times[-1] * 1000:.1f} ms"
    )
    return not errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--write", choices=["event", "execution"], default="event")
    parser.add_argument("--work", metavar="HOME", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        anyio.run(work, Home(given.work), given.write, given.rate, given.seconds)
        return 0
    home = Home(tempfile.mkdtemp(prefix="ol-bench-"))
    home.create()
    try:
        return 0 if measure(home, given.write, given.processes, given.rate, given.seconds) else 1
    finally:
        shutil.rmtree(home.root)


sys.exit(main())
