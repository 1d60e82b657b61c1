"""Killing what carries executions, at random moments, and looking afterwards whether anything was lost.

Each scenario makes `runs` executions in one home and tells how many processes it killed and what is wrong
afterwards: nothing, when every promise held. Only processes that the scenario started are killed, by pid and start
time.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from chaos.work import Work, verdict
from outlast.kernel.clock import Clock
from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.process import ProcessId, identify
from outlast.kernel.spawning import Launcher
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, open_runtime
from outlast.runtime.starting import StartRequest

CLOCK = Clock()
STARTER = """
import sys, anyio
from pathlib import Path
from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.spawning import Launcher
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.runtime.starting import StartRequest
home, starts, lines, code, acknowledged, script = sys.argv[1:]
async def main():
    async with open_runtime(Options(home=Home(home), trigger="cli", allow_command=True)) as runtime:
        print("ready", flush=True)
        params = {"argv": ["sh", "-c", script, "work", starts, lines, code]}
        started = await runtime.execute(StartRequest(workflow_id="command", params=params, idempotency_key=starts))
        Path(acknowledged).write_text(started.execution.id)
        await runtime.wait(started.execution.number, 60)
anyio.run(main)
"""


@dataclass(slots=True)
class Toll:
    kills: int = 0
    """Living processes that were killed."""
    wrong: list[str] = field(default_factory=list[str])

    def kill(self, process: ProcessId) -> None:
        self.kills += process.signal(CLOCK.boot_id(), signal.SIGKILL)


def options(home: Home) -> Options:
    return Options(home=home, trigger="cli", allow_command=True)


def work(home: Home, chance: random.Random, index: int) -> Work:
    return Work(Path(home.root, f"starts-{index}"), chance.randrange(1, 4000), chance.choice([0, 0, 3, 77]))


async def kill_supervisors(home: Home, runs: int, seed: int) -> Toll:
    """Kill the supervisor of a running execution one to four times; the next one follows the same child."""
    chance = random.Random(seed)
    toll = Toll()
    async with open_runtime(options(home)) as runtime:
        for index in range(runs):
            task = work(home, chance, index)
            started = await runtime.execute(StartRequest(workflow_id="command", params=task.params()))
            number = started.execution.number
            for _ in range(chance.randrange(1, 5)):
                await anyio.sleep(chance.uniform(0, 0.1))
                await kill_supervisor(runtime, number, toll)
            toll.wrong += await verdict(runtime, number, task)
    return toll


async def kill_supervisor(runtime: Runtime, number: int, toll: Toll) -> None:
    execution = await runtime.get(number)
    if execution.settled is None and execution.supervisor is not None:
        toll.kill(execution.supervisor)


async def kill_in_start_window(home: Home, runs: int, seed: int) -> Toll:
    """Kill each execution's first supervisor somewhere between its birth and its first acknowledgement."""
    chance = random.Random(seed)
    toll = Toll()
    async with open_runtime(options(home)) as runtime:
        for index in range(runs):
            task = work(home, chance, index)
            with first_supervisor_killed(home, chance.uniform(0, 0.03), toll):
                started = await runtime.execute(StartRequest(workflow_id="command", params=task.params()))
            toll.wrong += await verdict(runtime, started.execution.number, task)
    return toll


@contextmanager
def first_supervisor_killed(home: Home, delay: float, toll: Toll) -> Generator[None]:
    """Kill the next supervisor that this process starts, `delay` seconds after it was born."""
    spawn = Launcher.spawn
    victims: list[ProcessId] = []

    def spawn_and_kill(launcher: Launcher, run: RunDirectory, ack: int | None) -> None:
        spawn(launcher, run, ack)
        if not victims:
            victims.extend(supervisors(home))
            time.sleep(delay)  # the random moment is the point of this scenario
            for victim in victims:
                toll.kill(victim)

    Launcher.spawn = spawn_and_kill
    try:
        yield
    finally:
        Launcher.spawn = spawn


def supervisors(home: Home) -> Iterator[ProcessId]:
    """The living supervisors of a home."""
    needle = f"{home.runs}/".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                command = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if needle in command and b"/outlast/supervisor/" in command:
                process = identify(int(name), CLOCK)
                if process is not None:
                    yield process


async def kill_starters(home: Home, runs: int, seed: int) -> Toll:
    """Kill the process that starts and follows an execution, at any moment of its life.

    What it acknowledged must be there; what it created must run to its end, once; asking again with the same
    idempotency key must give the one execution.
    """
    chance = random.Random(seed)
    toll = Toll()
    async with open_runtime(options(home)) as runtime:
        for index in range(runs):
            task = work(home, chance, index)
            acknowledged = Path(home.root, f"acknowledged-{index}")
            await anyio.to_thread.run_sync(start_and_kill, home, task, acknowledged, chance.uniform(0, 0.15), toll)
            request = StartRequest(workflow_id="command", params=task.params(), idempotency_key=str(task.starts))
            started = await runtime.execute(request)
            if acknowledged.exists() and acknowledged.read_text() not in ("", started.execution.id):
                toll.wrong.append(f"{acknowledged.read_text()} was acknowledged and is not {started.execution.id}")
            toll.wrong += await verdict(runtime, started.execution.number, task)
    return toll


def start_and_kill(home: Home, task: Work, acknowledged: Path, delay: float, toll: Toll) -> None:
    script = task.params()["argv"]
    assert isinstance(script, list), "made above"
    arguments = [home.root, str(task.starts), str(task.lines), str(task.code), str(acknowledged), str(script[2])]
    with subprocess.Popen([sys.executable, "-c", STARTER, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None, "asked for"
        process.stdout.readline()
        time.sleep(delay)  # the random moment is the point of this scenario
        if process.poll() is None:
            process.kill()
            toll.kills += 1


async def kill_everything(home: Home, runs: int, seed: int) -> Toll:
    """Kill starter and supervisor together, as a closed terminal and a hungry memory killer would."""
    chance = random.Random(seed)
    toll = Toll()
    async with open_runtime(options(home)) as runtime:
        for index in range(runs):
            task = work(home, chance, index)
            acknowledged = Path(home.root, f"acknowledged-{index}")
            await anyio.to_thread.run_sync(start_and_kill, home, task, acknowledged, chance.uniform(0, 0.15), toll)
            for process in list(supervisors(home)):
                toll.kill(process)
            request = StartRequest(workflow_id="command", params=task.params(), idempotency_key=str(task.starts))
            started = await runtime.execute(request)
            toll.wrong += await verdict(runtime, started.execution.number, task)
    return toll


SCENARIOS = {
    "supervisor": kill_supervisors,
    "start-window": kill_in_start_window,
    "starter": kill_starters,
    "everything": kill_everything,
}
