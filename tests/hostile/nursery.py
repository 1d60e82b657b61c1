"""Starting a hostile child through the runtime, and looking at what became of it."""

import json
from contextlib import suppress
from pathlib import Path

import anyio

from chaos.processes import Entry, entry, kill, supervisors
from outlast.kernel.home import Home
from outlast.kernel.marks import MERGED
from outlast.kernel.states import Settled
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.runtime import Runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.logs.lines import Line, LogGap
from outlast.storage.records import Execution
from waiting import BOUND, until

GRACE = "150ms"
"""Between TERM and KILL: enough for a shell to answer, short enough for tests of those that do not."""


class Nursery:
    """Children run in `folder`. They append the pids that shall be gone after a cancel to its file `pids`."""

    def __init__(self, runtime: Runtime, home: Home, folder: Path) -> None:
        self.runtime = runtime
        self.home = home
        self.folder = folder
        self._known: dict[int, Entry] = {}
        self._ids: dict[int, str] = {}

    async def start(self, *argv: str, **options: object) -> int:
        """Start a command, a shell script where it is one text; its number. `options`: of its workflow."""
        command = list(argv) if len(argv) > 1 else ["/bin/sh", "-c", *argv]
        path = Path(self.home.workflows, f"child-{len(self._ids) + 1}.yaml")
        definition = {"id": path.stem, "kill_grace": GRACE, "cwd": str(self.folder), "run": command, **options}
        path.write_text(json.dumps(definition))
        path.chmod(0o600)
        execution = (await self.runtime.execute(StartRequest(workflow_id=path.stem))).execution
        self._ids[execution.number] = execution.id
        return execution.number

    async def execution(self, number: int) -> Execution:
        return await self.runtime.get(number)

    async def end(self, number: int, seconds: float = BOUND) -> Settled:
        """How it ended by itself."""
        execution = await self.runtime.wait(number, seconds)
        assert execution.settled is not None, f"still {execution.status}"
        return execution.settled

    async def cancel(self, number: int) -> Settled:
        """Cancel it; how it ended. Nobody who is known may be left then."""
        await self.runtime.cancel(number, "a test")
        settled = await self.end(number)
        assert self.alive() == []
        return settled

    def file(self, name: str) -> Path:
        return self.folder / name

    def spool(self, number: int) -> Path:
        """What it prints to."""
        return Path(self.home.run(self._ids[number]).attempt("run", 1).spool(MERGED))

    async def pids(self, count: int) -> list[int]:
        """Wait until that many processes have said who they are; from then on they are known."""
        path = self.file("pids")
        await until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count)
        found = [int(word) for word in path.read_text().split()]
        self._known |= {pid: one for pid in found if (one := entry(pid)) is not None}
        return found

    def alive(self) -> list[int]:
        """Those of the known ones that are alive."""
        return [pid for pid, known in self._known.items() if (now := entry(pid)) and now.start == known.start]

    def end_survivors(self) -> None:
        """Leave nobody behind, also where a test has failed."""
        with suppress(FileNotFoundError):
            for word in self.file("pids").read_text().split():
                self._known.setdefault(int(word), Entry(int(word), 0, 0))
        for pid, known in self._known.items():
            if (now := entry(pid)) is not None and now.start == known.start:
                kill(now)

    def supervisor(self, number: int) -> Entry:
        """The supervisor of a live execution. Asks nobody: whoever is asked looks after it, too."""
        (found,) = supervisors(self.home.root, self._ids[number])
        return found

    async def change_supervisors(self, *numbers: int) -> None:
        """End the supervisors of these executions and have others take them over."""
        for victim in [self.supervisor(number) for number in numbers]:
            assert await anyio.to_thread.run_sync(kill, victim)
        await self.runtime.reconcile()

    async def lines(self, number: int) -> list[str]:
        """Its newest lines as text; gaps as `first-last: reason`."""
        page = await self.runtime.logs(await self.execution(number), LogQuery(limit=1000))
        return [
            f"{one.first}-{one.last}: {one.reason}" if isinstance(one, LogGap) else one.data.decode("utf-8", "replace")
            for one in page.entries
        ]

    async def data(self, number: int) -> bytes:
        """Everything that it printed, as it was printed. A gap fails the test."""
        execution = await self.execution(number)
        printed, after = bytearray(), 0
        while True:
            page = await self.runtime.logs(execution, LogQuery(limit=1000, after=after))
            if not page.entries:
                return bytes(printed)
            for one in page.entries:
                assert isinstance(one, Line), one
                printed += one.data + (b"\n" if one.ended else b"")
                after = one.n


def peak(supervisor: Entry) -> int:
    """The most memory that a supervisor has used so far, KiB."""
    for line in Path(f"/proc/{supervisor.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise ProcessLookupError(supervisor.pid)
