"""Requests that are taken back, and clients that leave before they are answered: what becomes of what they started."""

import os
import random
import sqlite3
import time
from contextlib import closing
from itertools import count
from typing import Any

from abuse.wire import Wire, frame
from chaos.inspection import Snapshot, of_processes
from outlast.kernel.home import Home

LATEST = 0.03
"""Seconds between a request and its being taken back; most are answered sooner."""


def requests(number: int, key: str) -> dict[str, dict[str, Any]]:
    """A call of each tool; `number` is an execution that runs."""
    return {
        "execute_workflow": {"workflow_id": "command", "params": {"argv": ["true"]}, "idempotency_key": key},
        "get_status": {"handle_id": number, "wait_seconds": 45},
        "get_logs": {"handle_id": number, "pattern": "x"},
        "list_execution_history": {},
        "list_workflows": {},
        "cancel_execution": {"handle_id": number, "wait_seconds": 45},
    }


def take_back(home: Home, wire: Wire, rounds: int, chance: random.Random) -> list[str]:
    """Take back a request to each tool, `rounds` times at random moments; what is wrong afterwards."""
    keys: list[str] = []
    ids = count()
    for turn in range(rounds):
        running = start(wire, "sleep", "300")
        for tool, arguments in requests(running, f"key {turn}").items():
            id = next(ids)
            request, cancelled = (
                wire.tool_call(tool, arguments, id),
                frame("notifications/cancelled", {"requestId": id}),
            )
            match chance.randrange(4):
                case 0:
                    wire.send(cancelled + request + (cancelled if "wait_seconds" in arguments else b""))
                case 1:
                    wire.send(request + cancelled)
                case _:
                    wire.send(request)
                    time.sleep(chance.uniform(0, LATEST))
                    wire.send(cancelled)
        keys.append(f"key {turn}")
        wire.call("cancel_execution", handle_id=running, wait_seconds=30)
    known = Snapshot(home.root).executions
    wrong = wrong_with(home)
    # Not so where a server ended in the middle: it leaves what was prepared and never started.
    wrong += [f"runs/{name} is no execution (I4)" for name in os.listdir(home.runs) if name not in known]
    for key in keys:  # whoever was not told asks again
        wire.call("execute_workflow", **requests(0, key)["execute_workflow"], wait_seconds=30)
    used = [row["idempotency_key"] for row in Snapshot(home.root).executions.values()]
    return wrong + [f"{used.count(key)} executions have the {key} (I3)" for key in keys if used.count(key) != 1]


def leave_at_once(home: Home, wire: Wire, starts: int) -> list[str]:
    """Ask for much and leave without waiting; what is wrong afterwards."""
    running = start(wire, "sh", "-c", "exit 3")
    for n in range(starts):
        for tool, arguments in requests(running, f"key {n}").items():
            wire.send(wire.tool_call(tool, arguments, id=f"{tool} {n}"))
    code = wire.leave()
    known = Snapshot(home.root).executions
    told = [
        one["result"]["structuredContent"] for one in wire.others if "execute" in str(one.get("id")) and "result" in one
    ]
    handles = [content["handle_id"] for content in told if "handle_id" in content]
    wrong = [f"{handle} was acknowledged and is not in history (I1)" for handle in handles if handle not in known]
    return wrong + wrong_with(home) + ([f"exit code {code}"] if code else [])


def start(wire: Wire, *argv: str) -> int:
    result = wire.call("execute_workflow", workflow_id="command", params={"argv": list(argv)})
    return int(result["structuredContent"]["number"])


def wrong_with(home: Home) -> list[str]:
    """What contradicts that a request did everything or nothing, seen from outside."""
    snapshot = Snapshot(home.root)
    wrong = list(of_processes(home.root, snapshot))
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            wrong.append("somebody has a transaction open (I26)")
    return wrong
