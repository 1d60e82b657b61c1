"""Power cuts of whole runs: in each image the machine boots again, what was live is adopted and comes to its end."""

import json
import os
import time
from pathlib import Path
from typing import Any

import anyio

from chaos.arming import arm
from disk.running import WORLD
from outlast.kernel.clock import Clock
from outlast.kernel.errors import NotFound
from outlast.kernel.home import Home
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, open_runtime
from outlast.storage.logs.lines import Line
from outlast.storage.records import Execution
from waiting import until

OTHER_BOOT = "00000000-0000-4000-8000-000000000000"


class Runs:
    """What was acknowledged of executions so far."""

    def __init__(self) -> None:
        self.executions: dict[int, dict[str, Any]] = {}

    @property
    def rows(self) -> int:
        """How many executions are looked for in an image."""
        return len(self.executions)

    def hear(self, line: bytes) -> None:
        told: dict[str, Any] = json.loads(line)
        self.executions.setdefault(told["number"], {}).update(told)

    def broken(self, home: Home) -> list[str]:
        """What is wrong in an image of the home, once everything in it has come to its end."""
        age(home.root)
        arm(home, boot_id=OTHER_BOOT)
        return anyio.run(self._reboot, home)

    async def _reboot(self, home: Home) -> list[str]:
        wrong: list[str] = []
        async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:

            async def over() -> bool:
                return await runtime.reconcile() == 0

            try:
                await until(over)
            except TimeoutError:
                wrong.append("not everything comes to its end")
            await runtime.seal_all()
            for number, facts in self.executions.items():
                try:
                    problems = await of_execution(runtime, await runtime.get(facts["id"]), facts)
                except NotFound:
                    problems = ["is gone"]
                wrong += [f"#{number}: {problem}" for problem in problems]
        for path in Path(home.root).glob(WORLD + "*"):
            starts = len(path.read_text().split())
            if starts > 1:
                wrong.append(f"{path.name} was started {starts} times")
        return wrong


async def of_execution(runtime: Runtime, execution: Execution, facts: dict[str, Any]) -> list[str]:
    """What is wrong with an execution that was acknowledged."""
    settled, wrong = execution.settled, list[str]()
    if settled is None:
        return [f"is {execution.status}"]
    if "status" in facts:
        promised = facts["status"], facts["reason"], facts["exit_code"]
        if (str(settled.status), settled.reason, settled.exit_code) != promised:
            wrong.append(f"is {settled}, and was {promised}")
    elif settled.status == "completed" and settled.exit_code != 0:
        wrong.append("is completed without an exit code (I7)")
    page = await runtime.logs(execution, LogQuery(limit=1000))
    lines = [entry for entry in page.entries if isinstance(entry, Line)]
    if "lines" in facts:
        expected = [b"line %d" % n for n in range(1, facts["lines"] + 1)]
        if [line.data for line in lines] != expected:
            wrong.append(f"has {len(lines)} lines that are right or wrong, {len(expected)} were promised")
    else:
        wrong += of_lines(lines)
    following = 1
    for entry in page.entries:
        first, last = (entry.n, entry.n) if isinstance(entry, Line) else (entry.first, entry.last)
        if first != following:
            wrong.append(f"line {first} comes where {following} should (I13)")
        following = last + 1
    if page.count.lines != following - 1:
        wrong.append(f"says {page.count.lines} lines, {following - 1} lines and gaps are there (I14)")
    return wrong


def of_lines(lines: list[Line]) -> list[str]:
    """What is wrong with the lines of an execution whose end nobody was told: as far as they are there, they are those
    that were printed. Of what was not synced some disks keep the size and not the content: that reads as NULs."""
    for line in lines[:-1]:
        if b"\0" in line.data:
            return []  # from here on a line may be two
        if line.data != b"line %d" % line.n:
            return [f"line {line.n} is {line.data!r} (I14)"]
    return []


def age(root: str) -> None:
    """Date everything before this boot: the image lay on the disk when the machine came up."""
    clock = Clock()
    before = time.time() - clock.boottime() / 1e6 - 3600
    for directory, _, names in os.walk(root):
        for name in names:
            os.utime(f"{directory}/{name}", (before, before))
