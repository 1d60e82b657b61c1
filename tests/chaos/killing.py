"""Killing what carries executions, at random moments, one scenario for each way in which that happens to people.

Each scenario starts `runs` executions or more. Only processes that belong to its home are killed, by pid and start
time.
"""

import time
from collections.abc import Callable
from threading import Event, Thread

from chaos.arena import Arena
from chaos.processes import entry, supervisors
from chaos.serving import Gone, Server
from chaos.work import Work

BATCH = 40
"""Executions after which a scenario lets them end before it goes on."""


def servers(arena: Arena, runs: int, how: str, *, supervisors_too: bool = False) -> None:
    """Servers are killed while they start executions and answer; each is followed by another one."""
    rested = 0
    while len(arena.works) < runs:
        server = arena.server()
        with arena.killing(server, how):
            for _ in range(arena.chance.randrange(1, 4)):
                if not arena.start(server, arena.work()):
                    break
            follow(server, arena.works[-1])
        if supervisors_too:
            arena.kill_supervisors()
        if len(arena.works) - rested >= BATCH:
            rest(arena, arena.works[rested:])
            rested = len(arena.works)


def follow(server: Server, work: Work) -> None:
    """Ask on and on, as agents do, until the server is gone."""
    try:
        while True:
            for tool in ("get_status", "get_logs", "list_execution_history"):
                server.call(tool, **({"handle_id": work.handle} if "get" in tool and work.handle else {"limit": 3}))
    except Gone:
        return


def rest(arena: Arena, works: list[Work]) -> None:
    """Let these come to their end, so that not everything runs at once."""
    with arena.server() as server:
        for work in works:
            arena.start(server, work)
        arena.await_ends()


def kill_servers(arena: Arena, runs: int) -> None:
    """SIGKILL to the server alone."""
    servers(arena, runs, "kill")


def kill_groups(arena: Arena, runs: int) -> None:
    """SIGTERM, then SIGKILL to the server's process group, as MCP clients do."""
    servers(arena, runs, "group")


def kill_trees(arena: Arena, runs: int) -> None:
    """SIGKILL to the server and to whatever is found below it by walking parent pids."""
    servers(arena, runs, "tree")


def kill_supervisors(arena: Arena, runs: int) -> None:
    """The supervisor of a running execution is killed, one to four times; the next call finds it another one."""
    with arena.server() as server:
        for _ in range(runs):
            work = arena.work()
            work.hold()
            arena.start(server, work)
            for _ in range(arena.chance.randrange(1, 5)):
                time.sleep(arena.chance.uniform(0, 0.1))  # the random moment is the point
                if arena.kill_supervisor(work):
                    arena.adopt(server, work)
            work.let_end()


def kill_both(arena: Arena, runs: int) -> None:
    """Server and supervisors together, as a closed terminal and a hungry memory killer would."""
    servers(arena, runs, "kill", supervisors_too=True)


def kill_in_start_window(arena: Arena, runs: int) -> None:
    """Each execution's first supervisor dies somewhere between its birth and its first word."""
    with arena.server() as server:
        for _ in range(runs):
            arena.until_slot_free()
            work, over = arena.work(longest=400), Event()
            delay = arena.chance.uniform(0, 0.045)
            killer = Thread(
                target=kill_the_next, args=(arena, {one.pid for one in supervisors(arena.home)}, delay, over)
            )
            killer.start()
            try:
                arena.start(server, work)
            finally:
                over.set()
                killer.join()


def kill_the_next(arena: Arena, known: set[int], delay: float, over: Event) -> None:
    """Kill the next supervisor that appears, `delay` seconds after it was seen."""
    while not over.is_set():
        for one in supervisors(arena.home):
            if one.pid not in known:
                time.sleep(delay)  # the random moment is the point
                arena.slay(one)
                return


def kill_children(arena: Arena, runs: int) -> None:
    """The command itself is killed, or all of its process group, wrapper included."""
    with arena.server() as server:
        for _ in range(runs):
            work = arena.running(server, longest=4000)
            time.sleep(arena.chance.uniform(0, 0.1))  # the random moment is the point
            found = entry(work.pids()[0])
            assert found is not None, f"{work.key} waits to be killed"
            work.ends_by = arena.chance.choice(["child", "wrapper"])
            work.note_printed()
            if arena.chance.random() < 0.3:
                arena.kill_supervisor(work)
            if work.ends_by == "child":
                arena.slay(found)
            else:
                arena.kill_group(work)


SCENARIOS: dict[str, Callable[[Arena, int], None]] = {
    "server": kill_servers,
    "server-group": kill_groups,
    "server-tree": kill_trees,
    "supervisor": kill_supervisors,
    "both": kill_both,
    "start-window": kill_in_start_window,
    "child": kill_children,
}
