"""What a child finds around it: its variables and its working directory, resolved when the execution is created."""

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

from outlast.definitions.values import text_problem
from outlast.kernel.errors import InvalidInput

INHERITED = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR")
"""Variables that a child gets from the server; besides them LC_* and PATH."""


def base_environment(server: Mapping[str, str], path: str | None) -> dict[str, str]:
    """The variables that every child gets. `path` is the setting; without it the server's own PATH counts.

    A server that was started without HOME, USER, LOGNAME or SHELL takes them from the user database.
    """
    env = {name: value for name, value in server.items() if _is_inherited(name)}
    env["PATH"] = path or server.get("PATH") or os.defpath
    if not {"HOME", "USER", "LOGNAME", "SHELL"} <= env.keys():
        for name, value in _from_user_database().items():
            env.setdefault(name, value)
    for name, value in env.items():
        check_text(name, value)
    return env


def passed_on(server: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The variables that the setting env_pass names, where the server has them. They count as secrets.

    What every child gets anyway is no secret, so those names add nothing.
    """
    passed = {name: server[name] for name in names if name in server and name != "PATH" and not _is_inherited(name)}
    for name, value in passed.items():
        check_text(name, value)
    return passed


def working_directory(cwd: str | None, source: str | None, project: str | None, home: str) -> str:
    """The absolute working directory: `cwd`, relative to the definition file, `~` for the home directory.

    Without `cwd` the project's directory for a project's workflows, else the home directory. `cwd` of a workflow
    that has no file is relative to those.
    """
    default = project or home
    if cwd is None:
        return default
    if cwd == "~" or cwd.startswith("~/"):
        cwd = home + cwd[1:]
    return str(Path(source).parent / cwd if source else Path(default) / cwd)


def check_text(name: str, value: str) -> None:
    """Raise InvalidInput for a variable that the plan could not hold; its value is not shown."""
    if sentence := text_problem(value):
        raise InvalidInput(f"environment variable {name} {sentence}", next="correct it where the server is started")


def _is_inherited(name: str) -> bool:
    return name in INHERITED or name.startswith("LC_")


def _from_user_database() -> dict[str, str]:
    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:  # A container may run under a uid that has no entry.
        return {"HOME": "/"}
    return {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": user.pw_shell or "/bin/sh"}
