"""The settings: one table, read once at the edge. A flag wins over a variable, that over config.toml, that over the
default. `python -m outlast.server.settings` writes docs/settings.md."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from outlast.definitions.trust import Untrusted, read_trusted
from outlast.kernel.backups import KEPT
from outlast.kernel.errors import InvalidInput, NotAllowed
from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.server.setting_kinds import (
    DIRECTORIES,
    DIRECTORY,
    HOME,
    NAMES,
    PATH,
    SIZE_KIND,
    Kind,
    choice,
    switch,
    text_of,
    whole,
)
from outlast.storage.retention import FACTOR, Limits

PREFIX = "OUTLAST_"
DAY = 86_400_000_000
"""µs."""
LOG_LEVELS = ("debug", "info", "warning", "error")


class Setting(NamedTuple):
    name: str
    kind: Kind
    default: object
    """None where the sentence says what counts then."""
    sentence: str
    in_file: bool = True
    """Whether config.toml may say it."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


SETTINGS = (
    Setting(
        "home",
        HOME,
        "~/.outlast",
        "Where the database, workflows, backups and the files of live executions are.",
        in_file=False,
    ),
    Setting(
        "max_running",
        whole(1, 1000),
        None,
        "How many executions run at once; others wait. It counts for every process over this home. At first 8.",
    ),
    Setting(
        "path",
        PATH,
        None,
        "PATH of what workflows run. By default the PATH of the program that starts the execution.",
    ),
    Setting(
        "env_pass",
        NAMES,
        (),
        "Further variables that are handed on to what workflows run. Their values are secrets.",
    ),
    Setting(
        "mask_tokens",
        switch(),
        True,
        "Whether logs show `***` for what looks like a token. Secrets are masked anyway.",
    ),
    Setting(
        "allow_command",
        switch(),
        False,
        "Whether any command may be run, by `outlast run -- …` and by agents, not only workflows.",
    ),
    Setting("workflow_dirs", DIRECTORIES, (), "Directories with workflows, besides `workflows` in the home."),
    Setting("backups_kept", whole(1, 1000), KEPT, "How many backups of `outlast db backup` stay; older ones go."),
    Setting(
        "keep_days",
        whole(1, 36500),
        None,
        "After how many days servers remove executions that are over. By default never.",
    ),
    Setting(
        "keep_executions",
        whole(1, 999_999_999),
        None,
        "How many executions of each workflow stay when they are over. By default all.",
    ),
    Setting(
        "keep_bytes",
        SIZE_KIND,
        None,
        "How large all logs together may be in the database (2GB); the oldest go first. By default any size.",
    ),
    Setting(
        "keep_failed_factor",
        whole(1, 1000),
        FACTOR,
        "What failed, timed out, was cancelled or lost counts as so many times younger than it is.",
    ),
    Setting(
        "keep_rows",
        switch(),
        False,
        "Whether the three limits remove only logs, and the executions themselves stay in the history.",
    ),
    Setting(
        "archive_dir",
        DIRECTORY,
        None,
        "Where servers archive what they remove, in a file for each month. By default nowhere.",
    ),
    Setting("log_level", choice(*LOG_LEVELS), "info", "How much the server writes into server.log in the home."),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What counts for this process."""

    home: Home
    max_running: int | None
    path: str | None
    env_pass: tuple[str, ...]
    mask_tokens: bool
    allow_command: bool
    workflow_dirs: tuple[Path, ...]
    backups_kept: int
    keep_days: int | None
    keep_executions: int | None
    keep_bytes: int | None
    keep_failed_factor: int
    keep_rows: bool
    archive_dir: Path | None
    log_level: str

    @property
    def retention(self) -> Limits | None:
        """What servers leave of old executions; None where they leave all."""
        limits = Limits(
            max_age=None if self.keep_days is None else self.keep_days * DAY,
            keep=self.keep_executions,
            max_bytes=self.keep_bytes,
            failed_factor=self.keep_failed_factor,
            logs_only=self.keep_rows,
        )
        return limits if limits.given else None

    def options(self, trigger: str, *, background: bool) -> Options:
        """What a runtime is told. `trigger`: what this process is in the history (mcp, cli)."""
        return Options(
            home=self.home,
            trigger=trigger,
            max_running=self.max_running,
            path=self.path,
            env_pass=self.env_pass,
            mask_tokens=self.mask_tokens,
            allow_command=self.allow_command,
            workflow_directories=self.workflow_dirs,
            background=background,
            retention=self.retention,
            archive_directory=self.archive_dir,
        )


def read_settings(flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read every setting. `flags`: the values given on the command line, by setting name.

    Raises InvalidInput naming the flag, the variable or the file's key, and what is allowed; NotAllowed where
    somebody else could have written config.toml.
    """
    flags = flags or {}
    environ = os.environ if environ is None else environ
    check_variables(environ)
    values: dict[str, Any] = {}
    values["home"] = read_home(flags, environ)
    in_file = read_file(Path(values["home"].config))
    for setting in SETTINGS[1:]:
        value = _outside(setting, flags, environ)
        if value is None:
            value = in_file.get(setting.name, setting.default)
        values[setting.name] = value
    return Settings(**values)


def read_home(flags: Mapping[str, str], environ: Mapping[str, str]) -> Home:
    """The home alone, without a look into its config.toml. Raises InvalidInput."""
    named = _outside(BY_NAME["home"], flags, environ)
    return default_home() if named is None else home_at(text_of(named))


def default_home() -> Home:
    return home_at(text_of(BY_NAME["home"].default))


def home_at(path: str) -> Home:
    return Home(str(Path(path).expanduser().absolute()))


def check_variables(environ: Mapping[str, str]) -> None:
    """Raise InvalidInput for a variable that looks like a misspelt setting. Others may be anybody's."""
    names = [setting.variable.removeprefix(PREFIX) for setting in SETTINGS]
    for variable in environ:
        name = variable.removeprefix(PREFIX)
        if name != variable and name not in names and (close := get_close_matches(name, names, n=1, cutoff=0.8)):
            raise InvalidInput(
                f"{variable}: there is no such setting. Did you mean {PREFIX}{close[0]}?",
                next=f"unset {variable}",
            )


def read_file(path: Path) -> dict[str, object]:
    """The values in a config.toml, by setting name; {} where there is none."""
    try:
        data = read_trusted(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except Untrusted as error:
        raise NotAllowed(f"{path} {error}", code="untrusted_settings", next="correct that, then try again") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", next="make it readable for you") from None
    import tomllib  # only here: most homes have no such file

    try:
        document: dict[str, object] = tomllib.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not TOML: {error}.", next="correct the file") from None
    allowed = [setting.name for setting in SETTINGS if setting.in_file]
    values: dict[str, object] = {}
    for name, value in document.items():
        if name not in allowed:
            raise InvalidInput(
                f"{name} in {path}: there is no such setting. {_hint(name, allowed)}", next="correct the file"
            )
        values[name] = _read(f"{name} in {path}", BY_NAME[name].kind, BY_NAME[name].kind.from_toml, value)
    return values


def _outside(setting: Setting, flags: Mapping[str, str], environ: Mapping[str, str]) -> object:
    """The value of a flag or a variable; None where there is neither. An empty variable counts as none."""
    if (text := flags.get(setting.name)) is not None:
        return _read(setting.flag, setting.kind, setting.kind.from_text, text)
    if text := environ.get(setting.variable):
        return _read(setting.variable, setting.kind, setting.kind.from_text, text)
    return None


def _read(place: str, kind: Kind, reader: Callable[[Any], object], value: object) -> object:
    try:
        return reader(value)
    except (ValueError, RuntimeError):  # RuntimeError: a ~user without a home directory
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:80] + "…"
        raise InvalidInput(
            f"{place}: must be {kind.allowed}, not {shown}.", next="outlast --help lists all settings"
        ) from None


def _hint(name: str, allowed: list[str]) -> str:
    if name == "home":
        return "The file lies in the home, so it cannot say where that is: set OUTLAST_HOME."
    close = get_close_matches(name, allowed, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are {', '.join(allowed)}."


def shown_default(setting: Setting) -> str:
    """The default as a person would write it; empty where there is none."""
    match setting.default:
        case None | ():
            return ""
        case bool() as switch:
            return "true" if switch else "false"
        case other:
            return str(other)


def settings_page() -> str:
    """docs/settings.md."""
    rows = [
        f"| `{s.name}` | {s.kind.name} | {f'`{shown}`' if (shown := shown_default(s)) else ''} | {s.sentence} |"
        for s in SETTINGS
    ]
    return PAGE.replace("ROWS", "\n".join(rows))


PAGE = """\
# Settings

<!-- Written by `python -m outlast.server.settings`; change the table in settings.py. -->

Each setting can be given in four places. The first that says something counts:

1. a flag in front of the command: `outlast --max-running 2 serve`
2. a variable: `OUTLAST_MAX_RUNNING=2` (an empty one counts as none)
3. `config.toml` in the home: `max_running = 2`
4. the default

| setting | type | default | meaning |
|---|---|---|---|
ROWS

A flag is the setting's name with dashes, a variable its name in capitals behind `OUTLAST_`. Lists are lists in
`config.toml` (`env_pass = ["HTTPS_PROXY", "NPM_TOKEN"]`); in flags and variables names are separated by commas,
directories by colons. `home` cannot stand in `config.toml`, which lies there.

What is not understood is refused, with the place and what is allowed: nothing runs on a misspelt setting.
`config.toml` is only read when it and every directory above it belong to you or root and not everybody can write to
them: it says which commands may be run. (Members of its group can, where you let them.)
"""

if __name__ == "__main__":
    sys.stdout.write(settings_page())
