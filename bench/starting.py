"""What starting and supervising an execution costs: `python bench/starting.py [--starts 100] [--idle 30]`.

Start to acknowledged is measured through the runtime, beside a plain `subprocess.run(["true"])` in the same run.
A supervisor's CPU is that of the shell that puts it into the background and of the supervisor itself at the moment
of the acknowledgement, from /proc; its memory is read there too, a second later.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import anyio

from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.spawning import Launcher
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.runtime.starting import StartRequest


def cpu_ms(pid: int) -> float:
    """User and system time of a process, exact to the microsecond through its schedstat."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


def memory_mib(pid: int) -> tuple[float, float, float]:
    """Resident, proportional and private memory."""
    sizes = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in sizes:
            sizes[name] = int(rest.split()[0])
    return sizes["Rss"] / 1024, sizes["Pss"] / 1024, (sizes["Private_Clean"] + sizes["Private_Dirty"]) / 1024


def shell_cpu(launcher: Launcher, run: RunDirectory) -> float:
    """CPU of the shell that only puts a supervisor into the background, in ms; the supervisor finds no execution."""
    Path(run.path).mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    launcher.spawn(run, None)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def bare_interpreter_cpu(launcher: Launcher) -> float:
    """CPU of an interpreter that does nothing, in ms: what no supervisor can be cheaper than."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([launcher.interpreter, "-I", "-S", "-c", "pass"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def figures(name: str, values: list[float], unit: str) -> None:
    ordered = sorted(values)
    print(
        f"{name:44} median {statistics.median(ordered):7.1f} {unit}   "
        f"p95 {ordered[int(len(ordered) * 0.95)]:7.1f}   max {ordered[-1]:7.1f}   n={len(ordered)}"
    )


async def measure(home: Home, starts: int, idle: int) -> None:
    options = Options(home=home, trigger="cli", allow_command=True, max_running=starts)
    async with open_runtime(options) as runtime:
        plain: list[float] = []
        acknowledged: list[float] = []
        for _ in range(starts):
            begun = time.perf_counter()
            await anyio.to_thread.run_sync(lambda: subprocess.run(["true"], check=True))
            plain.append((time.perf_counter() - begun) * 1000)
            begun = time.perf_counter()
            started = await runtime.execute(StartRequest(workflow_id="command", params={"argv": ["true"]}))
            acknowledged.append((time.perf_counter() - begun) * 1000)
            await runtime.wait(started.execution.number, 30)
        figures("subprocess.run(['true'])", plain, "ms")
        figures("execute to acknowledged", acknowledged, "ms")
        cpu: list[float] = []
        memory: list[tuple[float, float, float]] = []
        pids: list[int] = []
        numbers: list[int] = []
        for _ in range(min(starts, 20)):
            params = {"argv": ["sleep", "600"]}
            execution = (await runtime.execute(StartRequest(workflow_id="command", params=params))).execution
            assert execution.supervisor is not None, "acknowledged"
            cpu.append(cpu_ms(execution.supervisor.pid))
            pids.append(execution.supervisor.pid)
            numbers.append(execution.number)
        launcher = Launcher(*started_with(pids[0]))
        detaching = [shell_cpu(launcher, home.run(f"none-{i}")) for i in range(20)]
        bare = [bare_interpreter_cpu(launcher) for _ in range(20)]
        figures("CPU of an interpreter that does nothing", bare, "ms")
        figures("CPU of the shell that detaches it", detaching, "ms")
        figures("CPU of the supervisor at its acknowledgement", cpu, "ms")
        both = statistics.median(detaching) + statistics.median(cpu)
        print(f"{'CPU of a supervisor start in all':44} median {both:7.1f} ms")
        await anyio.sleep(1)
        memory = [memory_mib(pid) for pid in pids]
        for index, name in enumerate(("resident", "proportional", "private")):
            figures(f"memory of a supervisor, {name}", [sizes[index] for sizes in memory], "MiB")
        before = [cpu_ms(pid) for pid in pids]
        await anyio.sleep(idle)
        spent = [(cpu_ms(pid) - old) / idle / 10 for pid, old in zip(pids, before, strict=True)]
        print(f"{'idle CPU of a supervisor':44} median {statistics.median(spent):7.3f} %    over {idle} s")
        for number in numbers:
            await runtime.cancel(number, "the benchmark")
        for number in numbers:
            await runtime.wait(number, 30)


def started_with(pid: int) -> tuple[str, str]:
    """Interpreter and library of a running supervisor."""
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return arguments[0], str(Path(arguments[3]).parents[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--idle", type=int, default=30)
    given = parser.parse_args()
    home = Home(tempfile.mkdtemp(prefix="ol-bench-"))
    home.create()
    try:
        anyio.run(measure, home, given.starts, given.idle)
    finally:
        shutil.rmtree(home.root)


main()
