"""The clients' configurations: whether what they start is there, and is this Outlast with this home."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from outlast.kernel.home import Home
from outlast.server.clients.configuring import Configured, look
from outlast.server.clients.formats import Entry
from outlast.server.clients.launch import Launch, runnable
from outlast.server.clients.machine import Machine
from outlast.server.clients.table import CLIENTS
from outlast.server.doctor.findings import Finding, ok, problem, warning
from outlast.server.settings import default_home, home_at


def client_findings(machine: Machine, launch: Launch, home: Home) -> Iterator[Finding]:
    users = [look(client, machine) for client in CLIENTS.values()]
    known = {one.path for one in users}
    projects = [look(client, machine, project=True) for client in CLIENTS.values() if client.project_file is not None]
    # In the home directory some of a project's files are the user's own.
    found = [
        *(one for one in users if one.found),
        *(one for one in projects if one.path.exists() and one.path not in known),
    ]
    if not found:
        yield ok("clients", "no MCP client was found on this machine", "outlast install lists those that are known")
    for one in found:
        yield from configuration(one, launch, home)


def configuration(one: Configured, launch: Launch, home: Home) -> Iterator[Finding]:
    check = f"client {one.client.name}"
    install = f"outlast install {one.client.name}" + (" --project" if one.project else "")
    if one.problem is not None:
        yield warning(check, one.problem.rstrip("."), f"look at the file; {install} says what to paste")
    elif not one.entries:
        yield ok(check, f"{one.client.title} does not start Outlast", install)
    for name, entry in one.entries.items():
        yield judged(check, f"{install} --name {name}" if name != "outlast" else install, one, entry, launch, home)


def judged(check: str, install: str, one: Configured, entry: Entry, launch: Launch, home: Home) -> Finding:
    """What one entry is worth; `install` is the command that writes it anew."""
    command, where = entry.get("command"), f"in {one.path}"
    if not isinstance(command, str) or not command:
        return problem(check, f"the entry of Outlast has no command {where}", install)
    path = Path(command)
    if not path.is_absolute():
        return warning(
            check, f"{command} {where} is found only if it is on the client's own PATH, not your shell's", install
        )
    if not path.exists():
        return problem(check, f"{command} {where} does not exist", install)
    if not runnable(path):
        return problem(check, f"{command} {where} cannot be executed", install)
    arguments = words_of(entry.get("args"))
    if "serve" not in arguments:
        return problem(check, f"the entry of Outlast {where} does not say `serve`", install)
    if path.name == Path(launch.command).name and path.resolve() != Path(launch.command).resolve():
        return warning(check, f"{command} {where} is another Outlast than this one ({launch.command})", install)
    other = home_of(entry)
    if other != home:
        return warning(
            check,
            f"its home {where} is {other.root}, here it is {home.root}: neither sees the other's executions",
            install,
        )
    return ok(check, f"{one.client.title} starts {shlex.join([command, *arguments])}")


def words_of(arguments: object) -> list[str]:
    if not isinstance(arguments, list):
        return []
    return [word for word in cast("list[object]", arguments) if isinstance(word, str)]


def home_of(entry: Entry) -> Home:
    """The home of a server that is started by an entry."""
    env = entry.get("env")
    named = cast("dict[str, Any]", env).get("OUTLAST_HOME") if isinstance(env, dict) else None
    return home_at(named) if isinstance(named, str) and named else default_home()
