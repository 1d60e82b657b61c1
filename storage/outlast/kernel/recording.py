"""Recording an execution that somebody else's engine runs. One rule inside one write transaction."""

import hashlib
import sqlite3
from typing import NamedTuple

from outlast.kernel import events, texts
from outlast.kernel.checksums import crc, stamp
from outlast.kernel.entities import Version, named, version_of
from outlast.kernel.errors import Conflict
from outlast.kernel.executions import encoded, insert_param, next_number, optional
from outlast.kernel.home import Home
from outlast.kernel.ids import parse_id
from outlast.kernel.plan import Json
from outlast.kernel.queries import load
from outlast.kernel.record import MODE, Record

SQL = load("recording")


class Recorded(NamedTuple):
    number: int
    id: str
    already_existed: bool


def record(connection: sqlite3.Connection, home: Home, told: Record, now: int) -> Recorded:
    """Record a whole execution as it is told, once: one with this id that was recorded before stays as it is.

    It holds no slot and no key, and no supervisor ever looks after it. Raises InvalidInput naming the field that
    cannot be, Conflict `id_is_taken` where the id is that of an execution of ours.
    """
    told.check()
    raw_id = parse_id(told.id)
    earlier = connection.execute(SQL["earlier"], (raw_id,)).fetchone()
    if earlier is not None:
        number, mode = earlier
        if mode != MODE:
            raise Conflict(
                f"#{number} has the id {told.id} and is no record.",
                code="id_is_taken",
                next="record it under another id",
                handle_id=told.id,
            )
        return Recorded(number, told.id, True)
    number = next_number(connection, home)
    insert(connection, told, number, now)
    events.record(connection, number, now, "recorded", data={"status": told.status})
    stamp(connection, number)
    return Recorded(number, told.id, False)


def insert(connection: sqlite3.Connection, told: Record, number: int, now: int) -> None:
    """The rows of a recorded execution. Its log is empty and complete: lines are not part of a record."""
    duration = None
    if told.ended_at is not None:
        duration = told.ended_at - (told.ended_at if told.started_at is None else told.started_at)
    connection.execute(
        SQL["insert"],
        {
            "number": number,
            "id": parse_id(told.id),
            "version": version_of(connection, known_version(told), now),
            "user": named(connection, "user", told.user),
            "agent": None if told.agent is None else named(connection, "agent", told.agent),
            "customer": None if told.customer is None else named(connection, "customer", told.customer),
            "mode": MODE,
            "trigger": told.trigger,
            "client": optional(told.client),
            "labels": optional(told.labels),
            "metadata": optional(told.metadata),
            "request_hash": request_hash(told.workflow_id, told.params or {}),
            "status": told.status,
            "created_at": told.created_at,
            "now": now,
            "started_at": told.started_at,
            "ended_at": told.ended_at,
            "duration": duration,
            "reason": told.reason,
        },
    )
    output = unless_none(told.output)
    connection.execute(SQL["insert_payload"], (number, output, crc(None, output, None)))
    for name, value in (told.params or {}).items():
        insert_param(connection, number, name, type_of(value), value, secret=False)
    for no, step in enumerate(told.steps, start=1):
        connection.execute(
            SQL["insert_step"],
            (
                number,
                no,
                step.id,
                step.name,
                step.status,
                step.started_at,
                step.ended_at,
                unless_none(step.input),
                unless_none(step.output),
                step.error,
            ),
        )
    numbers = {step.id: no for no, step in enumerate(told.steps, start=1)}
    for artifact in told.artifacts:
        connection.execute(
            SQL["insert_artifact"],
            (
                number,
                None if artifact.step is None else numbers[artifact.step],
                artifact.type,
                artifact.name,
                artifact.location,
                artifact.size,
                artifact.content_type,
                optional(artifact.metadata),
                artifact.created_at,
            ),
        )
    texts.index(connection, number)


def known_version(told: Record) -> Version:
    """The definition as far as a record shows it: its steps. Another list of steps is another version."""
    definition = encoded(
        {
            "id": told.workflow_id,
            "name": told.workflow_name,
            "steps": [{"id": step.id, "name": step.name} for step in told.steps],
            "type": told.workflow_type,
        }
    )
    return Version(
        told.workflow_id,
        hashlib.sha256(definition.encode("utf-8", "surrogatepass")).hexdigest(),
        told.workflow_name,
        told.workflow_type,
        definition,
        None,
    )


def request_hash(workflow_id: str, params: dict[str, Json]) -> bytes:
    """SHA-256 of workflow and parameters; also tells whether a record's parameters are still all there."""
    request = encoded({"params": dict(sorted(params.items())), "workflow": workflow_id})
    return hashlib.sha256(request.encode("utf-8", "surrogatepass")).digest()


def unless_none(value: Json) -> str | None:
    return None if value is None else encoded(value)


def type_of(value: Json) -> str:
    """The type of a parameter that nobody has declared."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "object"
