"""Clients that are killed while their server's pipe stays open in other hands, and executions that outlive them."""

import os
import time
from pathlib import Path

from abuse.endings import serving
from abuse.wire import Wire
from chaos.processes import Entry, below, read, supervisors, table
from outlast.kernel.home import Home

WAITING = 'until [ -e "$0" ]; do sleep 0.05; done; exit 7'


def kill_clients(home: Home, kills: int) -> tuple[list[float], list[str]]:
    """Kill so many clients, each after it has started an execution: seconds until each server was gone, and what is
    wrong afterwards."""
    go = Path(home.root, "go")
    seconds: list[float] = []
    numbers: list[int] = []
    for _ in range(kills):
        with serving(home) as victim:
            argv = ["sh", "-c", WAITING, str(go)]
            started = victim.wire.call("execute_workflow", workflow_id="command", params={"argv": argv})
            numbers.append(int(started["structuredContent"]["number"]))
            seconds.append(victim.end("parent gone"))
    wrong = [f"server {one.pid} is left" for one in servers(home)]
    wrong += [f"process {pid} is a zombie" for pid in zombies(home)]
    go.touch()
    with Wire(home.root) as wire:
        wire.shake_hands()
        for number in numbers:
            told = wire.call("get_status", handle_id=number, wait_seconds=45)["structuredContent"]
            if (told["status"], told["exit_code"]) != ("failed", 7):
                wrong.append(f"#{number} is {told['status']} ({told['exit_code']}) (I32)")
        wire.leave()
    return seconds, wrong


def servers(home: Home) -> list[Entry]:
    """The living servers of a home."""
    variable = f"OUTLAST_HOME={home.root}".encode()
    return [
        one
        for one in table()
        if b"serve" in read(one.pid, "cmdline").split(b"\0") and variable in read(one.pid, "environ").split(b"\0")
    ]


def zombies(home: Home) -> list[int]:
    """Dead processes below the home's supervisors that nobody asks about in five seconds."""
    deadline = time.monotonic() + 5
    left = unburied(home)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left &= unburied(home)  # shells that wait bury what they have called, and call again
    return sorted(pid for pid, _ in left)


def unburied(home: Home) -> set[tuple[int, int]]:
    """Pid and start of each zombie below the home's supervisors."""
    parents = {one.pid for supervisor in supervisors(home.root) for one in (supervisor, *below(supervisor.pid))}
    found: set[tuple[int, int]] = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        fields = read(int(name), "stat").rpartition(b")")[2].split()
        if fields and fields[0] == b"Z" and int(fields[1]) in parents:
            found.add((int(name), int(fields[19])))
    return found
