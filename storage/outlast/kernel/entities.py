"""What executions point at: users, agents, customers, versions of workflows. Each is recorded when it is new."""

import sqlite3
from typing import Literal, NamedTuple, TypeAlias

from outlast.kernel.queries import load

SQL = load("entities")

Kind: TypeAlias = Literal["user", "agent", "customer"]


class Version(NamedTuple):
    """A definition as it was when something was started from it."""

    workflow_id: str
    hash: str
    """SHA-256 in hex."""
    name: str
    type: str | None
    definition: str
    """Canonical JSON."""
    source: str | None
    """The file it was read from."""


def version_of(connection: sqlite3.Connection, version: Version, now: int) -> int:
    """The row of a definition version."""
    workflow_id, *described = version
    connection.execute(SQL["insert_workflow"], (workflow_id, now))
    (workflow,) = connection.execute(SQL["workflow"], (workflow_id,)).fetchone()
    connection.execute(SQL["insert_version"], (workflow, *described, now))
    return connection.execute(SQL["version"], (workflow, version.hash)).fetchone()[0]


def named(connection: sqlite3.Connection, kind: Kind, name: str) -> int:
    """The row of a user, agent or customer."""
    connection.execute(SQL[f"insert_{kind}"], (name,))
    return connection.execute(SQL[kind], (name,)).fetchone()[0]
