"""A process dies, fails or waits at each fault point in turn, while an execution goes through all of its life.

As the scenarios of killing.py: each takes an arena and how many rounds to make; a round is one point's.
"""

import errno
import itertools
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos import inspection
from chaos.arena import Arena
from chaos.arming import KILL, WAIT, Action, arm, disarm, fail, reached
from chaos.killing import rest
from chaos.processes import entry, supervisors
from chaos.serving import Gone, Refused, Server, command
from chaos.work import Work
from outlast.kernel import faults
from outlast.kernel.home import Home

ONCE = "migration.applied"
"""The one point that a home passes once: when its first database is made."""
ELSEWHERE = {"mending.reindexed", "archive.made", "archive.placed", "prune.emptied"}
"""Only a damaged database, or removing what the checks here look for, brings anybody there: tests/doctor and
tests/runtime/test_pruning.py do that."""
HELD = [name for name in faults.POINTS if name.startswith("supervisor.") and name != "supervisor.born"]
"""Points at which a supervisor holds its run lock."""


def kill_at_points(arena: Arena, runs: int) -> None:
    """Whoever comes to a point first is killed there."""
    for point, skip in rounds(arena, runs):
        with_armed(arena, point, {**KILL, "skip": skip})


def fail_at_points(arena: Arena, runs: int) -> None:
    """Whoever comes to a point first meets an input/output error or a full disk there."""
    for point, skip in rounds(arena, runs):
        with_armed(arena, point, fail(arena.chance.choice([errno.EIO, errno.ENOSPC]), skip=skip))


def rounds(arena: Arena, runs: int) -> list[tuple[str, int]]:
    """Each point in random order and again, with how often it is passed before something happens; what only a new
    home passes comes first."""
    points = [name for name in faults.POINTS if name != ONCE and name not in ELSEWHERE]
    arena.chance.shuffle(points)
    again = itertools.islice(itertools.cycle(points), max(0, runs - 1))
    # The store's points and the marks' are passed many times in a life, some of them certainly four times.
    return [(ONCE, 0), *((point, arena.chance.randrange(4) if point.startswith("store.") else 0) for point in again)]


def with_armed(arena: Arena, point: str, action: Action) -> None:
    """One whole life of an execution in which something happens at a point; then things are in order again."""
    home, work = Home(arena.home), arena.work(longest=200)
    arm(home, {point: action})
    if point == "library.written":
        shutil.rmtree(f"{arena.home}/lib")
    live(arena, work, cancelled=point == "supervisor.stopping")
    if point in {"backup.copied", "restore.made"}:
        Path(arena.home, "copy.db").unlink(missing_ok=True)
        command(arena.home, "db", "backup", f"{arena.home}/copy.db")
        command(arena.home, "db", "restore", f"{arena.home}/copy.db")
    if reached(home, point) is None:
        arena.wrong(f"nobody came to {point}")
    else:
        arena.toll.kills += action["do"] == "kill"
    disarm(home)
    if work.handle is None or inspection.state(arena.home, work.handle)[0] not in inspection.TERMINAL:
        rest(arena, [work])


def live(arena: Arena, work: Work, *, cancelled: bool) -> None:
    """An execution starts, ends and is sealed, while any server, supervisor or command may die or fail."""
    work.hold()
    try:
        with arena.server() as server:
            ask(arena, work, lambda: arena.start(server, work))
            if cancelled and work.handle is not None:
                cancel(arena, server, work)
            work.let_end()
            if work.handle is not None:
                ask(arena, work, lambda: server.call("get_status", handle_id=work.handle, wait_seconds=20))
    except Gone:
        work.let_end()
    arena.until(lambda: not supervisors(arena.home), "supervisors that have settled have ended, too")
    command(arena.home, "seal")


def cancel(arena: Arena, server: Server, work: Work) -> None:
    """Cancel a running work, while anybody may die."""
    work.note_printed()
    work.ends_by = "perhaps"
    answer = ask(arena, work, lambda: server.call("cancel_execution", handle_id=work.handle))
    if answer is not None:
        work.ends_by = "cancel"


def ask(arena: Arena, work: Work, call: Callable[[], object]) -> object:
    """The answer; None where it is an error, which must have started nothing, or name what it started (I4)."""
    try:
        return call()
    except Refused as refused:
        handle = refused.answer.get("handle_id")
        if handle is None and work.handle is None and inspection.find(arena.home, work.key) is not None:
            arena.wrong(f"{work.key} exists, and the answer is an error without a handle: {refused.answer} (I4)")
        work.handle = work.handle or handle
        return None


def hold_at_points(arena: Arena, runs: int) -> None:
    """A supervisor takes its time at a point, and then goes on or dies there: meanwhile nobody settles its execution
    or takes it over (I9), and reading it answers at once."""
    home = Home(arena.home)
    with arena.server() as other, ThreadPoolExecutor(1) as pool:
        points = arena.chance.sample(HELD, len(HELD))
        for point in itertools.islice(itertools.cycle(points), runs):
            work = arena.work(longest=200)
            arm(home, {point: WAIT})
            with arena.server() as server:
                doing = pool.submit(go_through, arena, server, work, point)
                arena.until(lambda point=point: reached(home, point) is not None, f"somebody comes to {point}")
                look(arena, other, work, point)
                holder = entry(reached(home, point) or 0)
                if holder is not None and arena.chance.random() < 0.5:
                    arena.slay(holder)
                disarm(home)
                doing.result()
                other.call("get_status", handle_id=work.handle, wait_seconds=45)


def go_through(arena: Arena, server: Server, work: Work, point: str) -> None:
    """All of an execution's life that a point can be in."""
    if point == "supervisor.stopping":
        work.hold()
    arena.start(server, work)
    if point == "supervisor.stopping":
        cancel(arena, server, work)
        work.let_end()


def look(arena: Arena, server: Server, work: Work, point: str) -> None:
    """See that looking changes nothing while a supervisor waits at a point."""
    handle = inspection.find(arena.home, work.key)
    if handle is None:
        arena.wrong(f"{work.key} has a supervisor at {point} and is in no history (I2)")
        return
    before = inspection.state(arena.home, handle)
    for _ in range(3):
        answer = server.call("get_status", handle_id=handle)
        after = inspection.state(arena.home, handle)
        if after != before or answer["status"] != before[0]:
            arena.wrong(f"{work.key} was {before} and is {after} while its supervisor waits at {point} (I9)")


SCENARIOS: dict[str, Callable[[Arena, int], None]] = {
    "points-kill": kill_at_points,
    "points-fail": fail_at_points,
    "points-hold": hold_at_points,
}
