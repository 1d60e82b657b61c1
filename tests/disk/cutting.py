"""Power cuts: a workload is recorded once, then cut at many moments; each image is looked at as after a reboot."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from disk import recording
from disk.promises import Promises
from disk.rebooting import Runs
from disk.recording import Kind, Operation
from disk.replay import MODELS, Disk
from disk.running import WORLD
from disk.working import TOLD, WORKLOADS
from outlast.kernel.home import Home

TESTS = Path(__file__).parents[1]


@dataclass(slots=True)
class Figures:
    """What the cuts of one workload in one model came to."""

    cuts: int = 0
    rows: int = 0
    """Acknowledged executions that were looked for, over all images."""
    wrong: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return f"{self.cuts} cuts, {self.cuts} images, {self.rows:,} acknowledged rows, {len(self.wrong)} wrong"


class Promised(Protocol):
    """What was acknowledged before a cut."""

    @property
    def rows(self) -> int:
        """How many executions are looked for in an image."""
        ...

    def hear(self, line: bytes) -> None:
        """Something more was acknowledged."""
        ...

    def broken(self, home: Home) -> list[str]:
        """What an image of the home lacks, or has and should not have."""
        ...


def record(shim: Path, folder: Path, name: str, rounds: int) -> tuple[str, list[Operation]]:
    """Run a workload in a home of its own below `folder`; that home, and what happened to it."""
    home, written = f"{folder}/{name}", folder / f"{name}.record"
    programs = [["disk.running", str(rounds)]]
    if name in WORKLOADS:
        programs = [["disk.working", name, str(index), str(rounds)] for index in range(WORKLOADS[name][1])]
    environment = os.environ | recording.watched(shim, home, written) | {"OUTLAST_HOME": home, "PYTHONPATH": str(TESTS)}
    # The first one makes the home; the others find it.
    for command in (
        [[sys.executable, "-c", f"from outlast.kernel.home import Home; Home({home!r}).create()"]],
        [[sys.executable, "-m", *program] for program in programs],
    ):
        started = [subprocess.Popen(each, env=environment) for each in command]
        codes = [process.wait(300) for process in started]
        if any(codes):
            raise RuntimeError(f"the workload {name} failed")
    return home, recording.read(written)


def cut(
    home: str, operations: list[Operation], cuts: int, seed: int, *, promises: Promised | None = None, after: int = 1
) -> dict[str, Figures]:
    """Cut the power at random moments, in every model, and look at what is left. `after`: operations before the first
    cut."""
    chance = random.Random(seed)
    figures = {model: Figures() for model in MODELS}
    promises = promises or Promises()
    disk, told = Disk(home), f"{os.path.realpath(home)}/{TOLD}"
    # The last one comes when all is over, with everything acknowledged.
    for at in [*sorted(chance.choices(range(after, len(operations)), k=cuts - 1)), len(operations)]:
        passed = operations[disk.count : at]
        disk.feed(passed)
        for operation in passed:
            if operation.kind is Kind.WRITE and operation.path == told:
                promises.hear(operation.data)
        for model in MODELS:
            with image(disk, model, chance) as left:
                problems = promises.broken(left)
            figures[model].cuts += 1
            figures[model].rows += promises.rows
            figures[model].wrong += [f"cut at {at}: {problem}" for problem in problems]
    return figures


@contextmanager
def image(disk: Disk, model: str, chance: random.Random) -> Iterator[Home]:
    """The home that a cut left, as the next boot finds it; it is removed afterwards."""
    memory = "/dev/shm"
    folder = tempfile.mkdtemp(prefix="ol-cut-", dir=memory if os.access(memory, os.W_OK) else None)
    try:
        disk.image(Path(folder), model, chance)
        for path, content in disk.seen(WORLD):
            Path(folder, path).write_bytes(content)
        home = Home(folder)
        home.create()
        yield home
    finally:
        shutil.rmtree(folder)


Scenario = Callable[[Path, Path, int, int], dict[str, Figures]]
"""Gets the shim, a folder to work in, a number of cuts and a seed."""


def of_database(name: str) -> Scenario:
    """A scenario of what processes do through the store; the more cuts, the longer the record."""

    def scenario(shim: Path, folder: Path, cuts: int, seed: int) -> dict[str, Figures]:
        home, operations = record(shim, folder, name, rounds=min(40, 6 + cuts // 20))
        return cut(home, operations, cuts, seed)

    return scenario


def of_runs(shim: Path, folder: Path, cuts: int, seed: int) -> dict[str, Figures]:
    """Whole runs through the runtime; each image boots, adopts and settles, which takes much longer."""
    home, operations = record(shim, folder, "runs", rounds=min(30, 3 + cuts // 5))
    # The supervisors' code comes before anything runs, and has a test of its own.
    placed = next(
        at for at, operation in enumerate(operations) if operation.path.startswith(f"{os.path.realpath(home)}/runs/")
    )
    return cut(home, operations, cuts, seed, promises=Runs(), after=placed)


SCENARIOS: dict[str, Scenario] = {**{name: of_database(name) for name in WORKLOADS}, "runs": of_runs}
