"""What is to be done to a client's configuration, shown before it is done."""

import difflib
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, cast

from outlast.kernel.errors import Conflict, InvalidInput, NotFound
from outlast.server.clients import replacing
from outlast.server.clients.formats import Entry, NotUnderstood, servers_of
from outlast.server.clients.machine import Machine
from outlast.server.clients.table import Client

MANAGED = ("OUTLAST_PATH", "OUTLAST_HOME")
"""The variables of an entry that `outlast install` writes; others are the user's."""


class Outcome(StrEnum):
    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"
    SAME = "already there"
    ABSENT = "not there"


class Change(NamedTuple):
    outcome: Outcome
    path: Path
    before: bytes | None
    """None: there is no file."""
    after: bytes | None
    """Equal to `before` where nothing is to be done."""

    def diff(self) -> str:
        """A unified diff; empty where nothing changes."""
        old, new = ((data or b"").decode("utf-8").splitlines(keepends=True) for data in (self.before, self.after))
        name = str(self.path)
        lines = difflib.unified_diff(old, new, "/dev/null" if self.before is None else name, name)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def apply(self) -> Path | None:
        """Do it; where a copy of what was there is now. Raises Conflict, InvalidInput."""
        if self.after == self.before or self.after is None:
            return None
        try:
            return replacing.replace(self.path, self.before, self.after)
        except OSError as error:
            raise InvalidInput(
                f"{self.path} cannot be written: {error.strerror}.", next="make it and its directory writable for you"
            ) from None


def putting_in(client: Client, path: Path, name: str, entry: Entry) -> Change:
    """The change that configures Outlast. Keys and variables that somebody has added to its entry stay.

    Raises Conflict `name_taken` where another server has the name, InvalidInput `configuration_not_understood` where
    the file is not edited.
    """
    before = read(path)
    try:
        text = decoded(before)
        servers = servers_of(client.format.read(text), client.key)
        there = servers.get(name)
        if there is not None:
            refuse_strangers(name, there, path)
            entry = merged(cast("Entry", there), entry)
        if there == entry:
            return Change(Outcome.SAME, path, before, before)
        after = client.format.edited(text, client.key, name, entry).encode("utf-8")
    except NotUnderstood as why:
        raise not_understood(path, client, name, entry, why) from None
    return Change(Outcome.ADDED if there is None else Outcome.UPDATED, path, before, after)


def taking_out(client: Client, path: Path, name: str) -> Change:
    """The change that removes Outlast. Raises like `putting_in`."""
    before = read(path)
    try:
        text = decoded(before)
        there = servers_of(client.format.read(text), client.key).get(name)
        if there is None:
            return Change(Outcome.ABSENT, path, before, before)
        refuse_strangers(name, there, path)
        after = client.format.edited(text, client.key, name, None).encode("utf-8")
    except NotUnderstood as why:
        raise InvalidInput(
            f"{path} {why}. It stays as it is.",
            code="configuration_not_understood",
            next=f"remove {name} under {client.key} by hand",
        ) from None
    return Change(Outcome.REMOVED, path, before, after)


def file_of(client: Client, machine: Machine, *, project: bool) -> Path:
    """The configuration that is meant. Raises InvalidInput where the client has none for projects."""
    if not project:
        return client.file(machine)
    if client.project_file is None:
        raise InvalidInput(
            f"{client.title} has no configuration for single projects.", next=f"outlast install {client.name}"
        )
    return machine.folder / client.project_file


def refuse_missing(client: Client, machine: Machine) -> None:
    """Raise NotFound `client_not_found` where the client has never been used on this machine."""
    signs = client.signs(machine)
    if not any(sign.exists() for sign in signs):
        raise NotFound(
            f"{client.title} was not found on this machine: there is no {signs[0]}.",
            code="client_not_found",
            next=f"install {client.title} and start it once, or write its configuration all the same: "
            f"outlast install {client.name} --force",
        )


def is_outlast(entry: object) -> bool:
    """Whether an entry starts an Outlast, be it this one or another."""
    if not isinstance(entry, dict):
        return False
    fields = cast("dict[str, Any]", entry)
    command, arguments = fields.get("command"), fields.get("args")
    words = [command, *(cast("list[object]", arguments) if isinstance(arguments, list) else [])]
    names = [word.replace("\\", "/").rpartition("/")[2] for word in words if isinstance(word, str)]
    # Also behind uvx, wsl.exe, python -m and the like.
    return any(name in ("outlast", "outlast.exe") for name in names)


def refuse_strangers(name: str, entry: object, path: Path) -> None:
    if not is_outlast(entry):
        raise Conflict(
            f"{path} has another server called {name}; it stays as it is.",
            code="name_taken",
            next="choose another name with --name",
        )


def merged(there: Entry, ours: Entry) -> Entry:
    """Our entry with what somebody added to the one before."""
    kept = there.get("env")
    env = cast("dict[str, object]", kept) if isinstance(kept, dict) else {}
    others = {name: value for name, value in env.items() if name not in MANAGED}
    return there | ours | {"env": others | cast("dict[str, object]", ours["env"])}


def read(path: Path) -> bytes | None:
    try:
        return replacing.content(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", next="make it readable for you") from None


def decoded(data: bytes | None) -> str:
    try:
        return (data or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise NotUnderstood("is not UTF-8") from None


def not_understood(path: Path, client: Client, name: str, entry: Entry, why: NotUnderstood) -> InvalidInput:
    return InvalidInput(
        f"{path} {why}. It stays as it is.",
        code="configuration_not_understood",
        next=f"put this into it by hand, {client.format.snippet(client.key, name, entry)}",
    )


class Configured(NamedTuple):
    """What a configuration says of Outlast."""

    client: Client
    path: Path
    found: bool
    """Whether the client has been used on this machine."""
    entries: dict[str, Entry]
    """Of any Outlast, by name."""
    problem: str | None
    """Why the file could not be looked at, as a sentence."""
    project: bool
    """Whether it is the file of the project in the working directory."""


def look(client: Client, machine: Machine, *, project: bool = False) -> Configured:
    """Look at a client's configuration; raises nothing for what stands there."""
    path = file_of(client, machine, project=project)
    found = project or any(sign.exists() for sign in client.signs(machine))
    try:
        servers = servers_of(client.format.read(decoded(read(path))), client.key)
    except NotUnderstood as why:
        return Configured(client, path, found, {}, f"{path} {why}.", project)
    except InvalidInput as error:
        return Configured(client, path, found, {}, error.message, project)
    ours = {name: cast("Entry", entry) for name, entry in servers.items() if is_outlast(entry)}
    return Configured(client, path, found, ours, None, project)
