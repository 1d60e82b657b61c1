"""One home, the servers over it, what they acknowledged, and what should have come of it."""

import os
import random
import signal
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from chaos import inspection
from chaos.processes import Entry, commands, entry, kill, supervisors
from chaos.serving import Gone, Server, command
from chaos.work import Work, random_work

STUCK_AFTER = 10.0
"""Seconds that an execution may stay non-terminal after its last process is gone, with a server up (I8)."""
PATIENCE = 90.0
SLOTS = 8
"""Executions that run at once by default."""
ADOPTED_WITHIN = 1.0
"""Seconds of a call that finds a dead supervisor, until it has another one. Measured; a busy machine may miss it."""


@dataclass(slots=True)
class Toll:
    """What a scenario cost and showed."""

    kills: int = 0
    """Living processes that were killed."""
    executions: int = 0
    lines: int = 0
    adoptions: list[float] = field(default_factory=list[float])
    """Seconds from a call that finds a supervisor dead to the next supervisor."""
    settlings: list[float] = field(default_factory=list[float])
    """Seconds that executions stayed non-terminal after their last process was gone and a server was up."""
    wrong: list[str] = field(default_factory=list[str])
    """What contradicts an invariant; empty when every promise held."""

    def __str__(self) -> str:
        parts = [
            f"{self.kills} kills",
            f"{self.executions} executions",
            f"{self.lines:,} lines",
            f"{len(self.wrong)} wrong",
        ]
        if self.adoptions:
            late = sum(seconds > ADOPTED_WITHIN for seconds in self.adoptions)
            parts.append(
                f"adopted after {middle(self.adoptions):.2f} s (slowest {max(self.adoptions):.2f}, {late} late)"
            )
        if self.settlings:
            parts.append(f"settled after at most {max(self.settlings):.1f} s")
        return ", ".join(parts)


class Arena:
    """Where a scenario plays. Everything in it belongs to `home`."""

    def __init__(self, home: str, seed: int) -> None:
        self.home = home
        self.chance = random.Random(seed)
        self.toll = Toll()
        self.works: list[Work] = []
        self.code: Path | None = None
        """A source root of another version, for servers and commands from now on."""

    def server(self) -> Server:
        """A server that has shaken hands."""
        return Server(self.home, code=self.code)

    def wrong(self, what: str) -> None:
        """Say that something contradicts an invariant."""
        self.toll.wrong.append(what)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds; TimeoutError naming it when it does not."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waiting until {what}")
            time.sleep(0.005)

    def until_slot_free(self) -> None:
        """Wait until what is started next is not queued."""
        self.until(lambda: inspection.made(self.home), "the server makes its database")
        with closing(inspection.connect(self.home)) as connection:
            self.until(lambda: len(inspection.live(connection)) < SLOTS, "a slot is free")

    def work(self, *, longest: int = 4000) -> Work:
        """Something to be run, which `finish` will look for."""
        work = random_work(self.home, self.chance, len(self.works), longest=longest)
        self.works.append(work)
        return work

    def start(self, server: Server, work: Work) -> bool:
        """Ask for a work's execution; whether that was acknowledged."""
        try:
            answer = server.call("execute_workflow", **work.request())
        except Gone:
            return False
        if work.handle not in (None, answer["handle_id"]):
            self.wrong(f"{work.key} is {answer['handle_id']}, and was acknowledged as {work.handle} (I3)")
        work.handle, work.number = answer["handle_id"], answer["number"]
        return True

    def running(self, server: Server, *, longest: int = 400) -> Work:
        """A work that has begun, and does not end before it may."""
        work = self.work(longest=longest)
        work.hold()
        self.start(server, work)
        self.until(lambda: bool(work.pids()), f"{work.key} begins")
        return work

    def kill_group(self, work: Work) -> None:
        """SIGKILL to a running work's command and its wrapper."""
        os.killpg(leader_of(work).pid, signal.SIGKILL)
        self.toll.kills += 1

    def kill_supervisor(self, work: Work) -> bool:
        """Kill a work's supervisor; False where it has none."""
        killed = [self.slay(one) for one in supervisors(self.home, work.handle or "-")]
        return any(killed)

    def kill_supervisors(self) -> None:
        for one in supervisors(self.home):
            self.slay(one)

    def slay(self, victim: Entry) -> bool:
        killed = kill(victim)
        self.toll.kills += killed
        return killed

    @contextmanager
    def killing(self, server: Server, how: str) -> Generator[None]:
        """Have the server killed somewhere in the middle of what is done meanwhile."""

        def end() -> None:
            match how:
                case "kill":
                    server.kill()
                case "group":
                    server.kill_group(self.chance.uniform(0, 0.05))
                case _:
                    server.kill_tree()

        timer = Timer(self.chance.uniform(0, 0.3), end)
        timer.start()
        try:
            yield
        finally:
            timer.join()
            server.close()
            self.toll.kills += 1

    def adopt(self, server: Server, work: Work) -> None:
        """Call for a work whose supervisor was just killed, and measure how long it takes until it has another."""
        assert work.handle is not None
        before = inspection.state(self.home, work.handle)
        begun = time.monotonic()
        server.call("get_status", handle_id=work.handle)
        self.until(lambda: inspection.state(self.home, work.handle or "") != before, f"{work.key} is adopted")
        self.toll.adoptions.append(time.monotonic() - begun)

    def finish(self, server: Server | None = None) -> Toll:
        """Let everything come to its end under a server that is not asked, then look whether it is as it should be."""
        own = server is None
        server = server or self.server()
        for work in self.works:
            work.let_end()
        self.await_ends()
        for work in self.works:
            # Whoever was not told asks again: it must find the one execution, or now make it.
            self.start(server, work)
        self.await_ends()
        if own:
            server.leave()
        for _ in range(2):  # a supervisor that has just settled still exits while the first one seals
            sealing = command(self.home, "seal", code=self.code)
            if sealing.returncode:
                self.wrong(f"sealing: {sealing.stderr}")
        self.toll.wrong += inspection.inspect(self.home, self.works)
        self.toll.executions = len(self.works)
        self.toll.lines = sum(work.lines for work in self.works)
        return self.toll

    def await_ends(self) -> None:
        """Watch from outside until everything is over, with a server up that nobody asks. An execution without a
        process must be over within ten seconds, one that waits for a slot apart."""
        self.until(lambda: inspection.made(self.home), "the server makes its database")
        deadline = time.monotonic() + PATIENCE
        gone: dict[str, float] = {}
        with closing(inspection.connect(self.home)) as connection:
            while live := inspection.live(connection):
                carried = set(commands(self.home).values())
                now = time.monotonic()
                for execution_id, status in live.items():
                    if execution_id in carried or status == "queued":
                        gone.pop(execution_id, None)
                    elif now - gone.setdefault(execution_id, now) > STUCK_AFTER:
                        self.wrong(f"{execution_id} stays {status} without a process (I8)")
                        return
                self._over(gone, live.keys())
                if now > deadline:
                    self.wrong(f"{len(live)} executions are not over after {PATIENCE:g} s")
                    return
                time.sleep(0.05)
            self._over(gone, ())

    def _over(self, gone: dict[str, float], live: Iterable[str]) -> None:
        for execution_id in gone.keys() - set(live):
            self.toll.settlings.append(time.monotonic() - gone.pop(execution_id))


def leader_of(work: Work) -> Entry:
    """The wrapper of a running work's command: the leader of its process group."""
    found = entry(os.getpgid(work.pids()[0]))
    assert found is not None, f"{work.key} runs"
    return found


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
