"""All checks, one after the other."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from outlast.kernel.errors import OutlastError
from outlast.kernel.home import Home
from outlast.server.clients.launch import this_installation
from outlast.server.clients.machine import Machine
from outlast.server.doctor.configured import client_findings
from outlast.server.doctor.conversation import server_finding
from outlast.server.doctor.database import database_findings
from outlast.server.doctor.findings import Finding, ok, problem
from outlast.server.doctor.home import home_findings
from outlast.server.doctor.versions import versions
from outlast.server.doctor.workflows import workflow_findings
from outlast.server.settings import default_home, read_home, read_settings


def examination(flags: Mapping[str, str], machine: Machine) -> Iterator[Finding]:
    """Look at everything; each finding as soon as it is known. Raises nothing for what is wrong."""
    yield from made("versions", versions)
    others: tuple[Path, ...] = ()
    home = default_home()
    try:
        home = read_home(flags, machine.environ)
        others = read_settings(flags, machine.environ).workflow_dirs
        yield ok("settings", "what flags, variables and config.toml say is understood")
    except OutlastError as error:
        # The other checks go on with what is known.
        yield problem("settings", error.message.rstrip("."), error.next or "outlast --help lists all settings")
    launch = this_installation()
    yield from made("home", lambda: home_findings(home))
    yield from made("database", lambda: database_findings(home))
    yield from made("workflows", lambda: workflow_findings(home, others))
    yield from made("clients", lambda: client_findings(machine, launch, home))
    yield from made("server", lambda: server_finding(launch, machine.environ))


def database_again(home: Home) -> list[Finding]:
    """What is found in the home's database, and of what is left of executions, by now."""
    return list(made("database", lambda: database_findings(home)))


def made(check: str, findings: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; one that cannot be made is a finding too, and keeps no other one from being made."""
    try:
        yield from findings()
    except (OSError, OutlastError) as error:
        yield problem(check, f"could not be looked at: {error}".rstrip("."), "see to that, then look again")
