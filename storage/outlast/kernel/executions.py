"""Creating, cancelling and deleting executions. Each function is one rule inside one write transaction."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from outlast.kernel import claims, events, texts
from outlast.kernel.checksums import crc, stamp, stamped
from outlast.kernel.entities import Version, named, version_of
from outlast.kernel.errors import Conflict, NotFound
from outlast.kernel.home import Home, sync_directory
from outlast.kernel.ids import format_id, parse_id
from outlast.kernel.plan import Json, Plan
from outlast.kernel.queries import load
from outlast.kernel.status import ExecutionStatus

SQL = load("executions")


class Created(NamedTuple):
    number: int
    id: str
    already_existed: bool
    claimed: list[claims.Claim]
    """What now holds a slot and needs a supervisor; the new execution may be among them."""


class Cancelled(NamedTuple):
    number: int
    status: ExecutionStatus
    requested: bool
    """Whether its supervisor still has to act on the request."""


def create(connection: sqlite3.Connection, home: Home, plan: Plan, now: int) -> Created:
    """Record a new execution and claim a slot for it if one is free.

    With an idempotency key that this user has used before, nothing is created and the earlier execution is
    returned; Conflict `idempotency_conflict` where that one was another request. Conflict `concurrency_conflict`
    where the concurrency key is taken and the workflow says `reject`; `cancel_running` cancels those that have it.
    """
    user = named(connection, "user", plan.user)
    request_hash = bytes.fromhex(plan.request_hash)
    if plan.idempotency_key is not None:
        earlier = connection.execute(SQL["by_idempotency_key"], (user, plan.idempotency_key)).fetchone()
        if earlier is not None:
            return existing(earlier, request_hash, plan.idempotency_key)
    rivals = same_key(connection, plan)
    if rivals and plan.on_conflict == "reject":
        raise concurrency_conflict(plan, *rivals[0])
    number = next_number(connection, home)
    if plan.on_conflict == "cancel_running":
        for rival, _ in rivals:
            cancel(connection, rival, f"#{number} (newer, with the same concurrency key {plan.concurrency_key})", now)
    insert(connection, plan, number, user, now, idempotency_key=plan.idempotency_key)
    events.record(connection, number, now, "created")
    stamp(connection, number)
    return Created(number, plan.id, False, claims.claim_next(connection, now))


def reinsert(connection: sqlite3.Connection, home: Home, plan: Plan, number: int | None, now: int) -> int:
    """Record an execution again that a restored database does not know but a run directory does; its number.

    It is pending and unclaimed, as if it had just been created: its next supervisor finds in the run directory
    what became of it. It gets a new number where its own belongs to another execution by now.
    """
    if number is None or connection.execute(SQL["taken"], (number,)).fetchone() is not None:
        number = next_number(connection, home)
    user, key = named(connection, "user", plan.user), plan.idempotency_key
    if key is not None and connection.execute(SQL["by_idempotency_key"], (user, key)).fetchone() is not None:
        key = None  # the backup knows an earlier execution under it
    insert(connection, plan, number, user, now, idempotency_key=key)
    events.record(connection, number, now, "reinserted")
    stamp(connection, number)
    return number


def insert(
    connection: sqlite3.Connection, plan: Plan, number: int, user: int, now: int, *, idempotency_key: str | None
) -> None:
    """The rows of a new execution."""
    connection.execute(
        SQL["insert"],
        {
            "number": number,
            "id": parse_id(plan.id),
            "version": version_of(connection, version_in(plan), now),
            "user": user,
            "agent": None if plan.agent is None else named(connection, "agent", plan.agent),
            "customer": None if plan.customer is None else named(connection, "customer", plan.customer),
            "trigger": plan.trigger,
            "client": optional(plan.client),
            "labels": optional(plan.labels),
            "metadata": optional(plan.metadata),
            "binary_path": plan.steps[0].argv[0],
            "idempotency_key": idempotency_key,
            "request_hash": bytes.fromhex(plan.request_hash),
            "concurrency_key": plan.concurrency_key,
            "on_conflict": plan.on_conflict,
            "retry_of": plan.retry_of,
            "created_at": plan.created_at,
            "now": now,
        },
    )
    plan_bytes = plan.encode()
    connection.execute(SQL["insert_payload"], (number, plan_bytes, crc(plan_bytes, None, None)))
    for name, value in plan.params.items():
        insert_param(connection, number, name, plan.param_types[name], value, secret=name in plan.secret_params)
    for no, step in enumerate(plan.steps, start=1):
        connection.execute(SQL["insert_step"], (number, no, step.id, step.name))
    texts.index(connection, number)


def insert_param(
    connection: sqlite3.Connection, number: int, name: str, kind: str, value: Json, *, secret: bool
) -> None:
    text, hidden = encoded(value), int(secret)
    connection.execute(SQL["insert_param"], (number, name, kind, text, hidden, crc(number, name, kind, text, hidden)))


def existing(earlier: tuple[int, bytes, bytes], request_hash: bytes, key: str) -> Created:
    number, raw_id, earlier_hash = earlier
    if earlier_hash != request_hash:
        raise Conflict(
            f"idempotency_key {key!r} was used for #{number} with another workflow or other parameters.",
            code="idempotency_conflict",
            next=f"get_status({number}), or use a new idempotency_key",
            handle_id=format_id(raw_id),
        )
    return Created(number, format_id(raw_id), True, [])


def same_key(connection: sqlite3.Connection, plan: Plan) -> list[tuple[int, bytes]]:
    """The executions, by number and id, that have the plan's concurrency key and are not over."""
    return (
        [] if plan.concurrency_key is None else connection.execute(SQL["same_key"], (plan.concurrency_key,)).fetchall()
    )


def concurrency_conflict(plan: Plan, number: int, raw_id: bytes) -> Conflict:
    return Conflict(
        f"#{number} has the concurrency key {plan.concurrency_key!r} and is not over yet.",
        code="concurrency_conflict",
        next=f"get_status({number}, wait_seconds=45), then try again",
        handle_id=format_id(raw_id),
    )


def next_number(connection: sqlite3.Connection, home: Home) -> int:
    """The next number: above every one ever given, also when the database was restored from an older copy."""
    number = max(highest_number(connection), kept_number(home)) + 1
    keep_number(home, number)
    return number


def highest_number(connection: sqlite3.Connection) -> int:
    """The highest number that this database has given."""
    return connection.execute(SQL["highest_number"]).fetchone()[0]


def kept_number(home: Home) -> int:
    """The highest number that may have been given, as the file beside the database knows it."""
    try:
        fd = os.open(home.numbers, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        text = os.pread(fd, 32, 0).strip()
    finally:
        os.close(fd)
    # A power cut may leave the file empty or full of zero bytes; the database then knows by itself.
    return int(text) if text.isdigit() else 0


def keep_number(home: Home, number: int, *, durably: bool = False) -> None:
    """Keep beside the database that `number` may have been given. `durably`: for when the database will not know it."""
    fd = os.open(home.numbers, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, b"%-20d\n" % number, 0)
        if durably:
            os.fsync(fd)
    finally:
        os.close(fd)
    if durably:
        sync_directory(home.root)


def version_in(plan: Plan) -> Version:
    return Version(
        plan.workflow_id, plan.version_hash, plan.workflow_name, plan.workflow_type, plan.definition, plan.source
    )


def encoded(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def optional(value: Mapping[str, Json] | None) -> str | None:
    return None if value is None else encoded(dict(value))


def cancel(connection: sqlite3.Connection, number: int, by: str, now: int) -> Cancelled:
    """Ask for an execution's end. One that nobody has claimed is settled here, no process being involved.

    A settled execution stays as it is; asking twice changes nothing. NotFound where there is none, Conflict
    `recorded_elsewhere` where only a record of it is here.
    """
    row = connection.execute(SQL["for_cancel"], (number,)).fetchone()
    if row is None:
        raise not_found(number)
    status, claimed_at, raw_id, recorded = ExecutionStatus(row[0]), row[1], row[2], row[3]
    if status.terminal:
        return Cancelled(number, status, False)
    if recorded:
        raise Conflict(
            f"#{number} is only recorded here; what runs it is no process of Outlast's.",
            code="recorded_elsewhere",
            next="cancel it where it runs",
            handle_id=format_id(raw_id),
        )
    if status is ExecutionStatus.PENDING and claimed_at is None:
        with stamped(connection, number):
            connection.execute(SQL["cancel_unclaimed"], {"number": number, "now": now, "by": by})
            connection.execute(SQL["cancel_steps"], {"number": number, "now": now})
            texts.settled(connection, number, ExecutionStatus.CANCELLED)
            events.record(connection, number, now, "cancelled", data={"by": by})
        return Cancelled(number, ExecutionStatus.CANCELLED, False)
    with stamped(connection, number):
        if connection.execute(SQL["request_cancel"], {"number": number, "now": now, "by": by}).rowcount:
            events.record(connection, number, now, "cancel_requested", data={"by": by})
    return Cancelled(number, status, True)


def lose(connection: sqlite3.Connection, number: int, reason: str, now: int) -> None:
    """Settle a live execution of a restored database whose run directory is gone: nobody can know what became of it."""
    with stamped(connection, number):
        connection.execute(SQL["lose"], {"number": number, "now": now, "reason": reason})
        connection.execute(SQL["lose_attempts"], {"number": number, "now": now, "reason": reason})
        connection.execute(SQL["lose_steps"], {"number": number, "now": now, "reason": reason})
        connection.execute(SQL["cancel_steps"], {"number": number, "now": now})
        texts.settled(connection, number, ExecutionStatus.LOST)
        events.record(connection, number, now, "lost", data={"reason": reason})


def delete(connection: sqlite3.Connection, number: int) -> str:
    """Delete a settled execution and everything that belongs to it alone; its id. Conflict while it is live.

    A record can go at any time: no process of ours is behind it, and an engine that is gone would never end it.
    """
    row = connection.execute(SQL["for_delete"], (number,)).fetchone()
    if row is None:
        raise not_found(number)
    raw_id, status, recorded = row
    if not (recorded or ExecutionStatus(status).terminal):
        raise Conflict(
            f"#{number} is {status}; only an execution that is over can be deleted.",
            code="execution_is_live",
            next=f"cancel_execution({number}) first",
            handle_id=format_id(raw_id),
        )
    related = [n for (n,) in connection.execute(SQL["descended"], {"number": number}).fetchall()]
    with ExitStack() as stack:
        for other in related:
            stack.enter_context(stamped(connection, other))
        connection.execute(SQL["delete"], (number,))
        texts.forget(connection, number)
    return format_id(raw_id)


def not_found(handle: object) -> NotFound:
    return NotFound(
        f"No execution {str(handle)[:80]!r}.",
        code="execution_not_found",
        next="list_execution_history shows the ones that exist",
    )


def set_max_running(connection: sqlite3.Connection, limit: int) -> None:
    """Store how many executions may hold a slot at once; every process over this database keeps to it."""
    connection.execute(SQL["set_max_running"], (str(limit),))
