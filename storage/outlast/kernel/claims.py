"""Slots: how many executions may run at once, who is next, and what becomes of a claim that nobody takes up."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from outlast.kernel import events, texts
from outlast.kernel.checksums import is_sound, stamped
from outlast.kernel.ids import format_id
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus

SQL = load("claims")

RETRY_AFTER = 2_000_000
"""µs after which a claim whose run lock is free is claimed again."""
MAX_CLAIMS = 5
"""Supervisors started for one claim before it is called a failure. A verdict by clock alone was wrong in 16 of 80."""


class Claim(NamedTuple):
    """An execution that holds a slot and awaits its supervisor."""

    number: int
    id: str


def claim_next(connection: sqlite3.Connection, now: int) -> list[Claim]:
    """Give free slots to waiting executions, oldest first within a priority; part of every settling transaction.

    A slot is held by what runs, rolls back or is claimed. An execution whose concurrency key is held by another
    stays in the queue; those behind it may go ahead.
    """
    claimed = next_in_queue(connection)
    for number, _ in claimed:
        with stamped(connection, number):
            connection.execute(SQL["claim"], (now, now, number))
    return claimed


def next_in_queue(connection: sqlite3.Connection) -> list[Claim]:
    """What the free slots would go to now; only looks."""
    (free,) = connection.execute(SQL["free_slots"]).fetchone()
    if free <= 0:
        return []
    held = {key for (key,) in connection.execute(SQL["held_keys"])}
    following: list[Claim] = []
    for number, raw_id, key in connection.execute(SQL["queue"]):
        if key is not None and key in held:
            continue
        if not is_sound(connection, number):
            continue  # nobody may act on a damaged row, and it must not keep the others waiting
        held.add(key)
        following.append(Claim(number, format_id(raw_id)))
        if len(following) == free:
            break
    return following


def why_waiting(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, str]:
    """What those of the executions wait for, in words, that are pending and hold no slot."""
    found: dict[int, str] = {}
    first_of: dict[str, int] = {}
    slots: str | None = None
    for number in numbers:
        row = connection.execute(SQL["waiting"], (number,)).fetchone()
        if row is None:
            continue
        (key,) = row
        if key is not None and key not in first_of:
            (first_of[key],) = connection.execute(SQL["first_of_key"], (key,)).fetchone()
        if key is not None and first_of[key] != number:
            found[number] = f"waits for #{first_of[key]} (concurrency key {key})"
        else:
            slots = slots or _slots_in_words(connection)
            found[number] = slots
    return found


def _slots_in_words(connection: sqlite3.Connection) -> str:
    (limit,) = connection.execute(SQL["slots"]).fetchone()
    (free,) = connection.execute(SQL["free_slots"]).fetchone()
    # A free one is given away by the next process that looks after this home.
    return "is next for a free slot" if free > 0 else f"waits for a slot ({limit - free} of {limit} are taken)"


def reclaim(connection: sqlite3.Connection, number: int, seen: int, now: int) -> list[Claim]:
    """Take over a claim made at `seen` that no supervisor took up; what now awaits a supervisor.

    Empty where somebody else moved it first. After MAX_CLAIMS supervisors the execution is settled as failed,
    reason `never started`, and its slot goes to the next in the queue.
    """
    row = connection.execute(SQL["claimed"], (number, seen)).fetchone()
    if row is None:
        return []
    raw_id, claims = row
    if claims >= MAX_CLAIMS:
        with stamped(connection, number):
            connection.execute(SQL["give_up"], {"number": number, "now": now})
            connection.execute(SQL["give_up_steps"], {"number": number, "now": now})
            texts.settled(connection, number, ExecutionStatus.FAILED)
            events.record(connection, number, now, "failed", data={"reason": "never started"})
        return claim_next(connection, now)
    with stamped(connection, number):
        connection.execute(SQL["reclaim"], (now, now, number))
    return [Claim(number, format_id(raw_id))]
