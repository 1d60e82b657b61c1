"""The command as a whole: what it imports, how it ends, what it says when something is wrong."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from commandline import SECONDS, Cli, Spawn

from outlast.kernel.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    StartFailed,
    StoreBusy,
    StoreUnreachable,
)
from outlast.kernel.home import Home
from outlast.server.cli.ending import in_commands
from outlast.server.cli.root import COMMANDS, outlast

IMPORTED = """
import sys
from outlast.server.cli import main
try:
    main()
finally:
    sys.stderr.write(" ".join({name.partition(".")[0] for name in sys.modules}))
"""


def imported_by(*arguments: str) -> set[str]:
    """The top-level modules that a process has imported when a command is done."""
    result = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    return set(result.stderr.splitlines()[-1].split())


def all_commands() -> dict[str, click.Command]:
    """Every command by its path, sub-commands too."""
    context = click.Context(outlast)
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = outlast.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": one for sub, one in command.commands.items()}
    return found


def test_commands_that_only_look_import_neither_mcp_nor_pydantic_nor_rich(cli: Cli) -> None:
    assert cli("run", "--wait", "--", "echo", "hi").exit_code == 0
    for arguments in (
        ["--help"],
        ["history"],
        ["history", "--json"],
        ["ps"],
        ["show", "1"],
        ["logs", "1"],
        ["wait", "1"],
    ):
        assert not imported_by(*arguments) & {"mcp", "pydantic", "rich", "yaml"}, arguments
    assert "aiosqlite" not in imported_by("--help")
    assert "pydantic" in imported_by("workflows", "list"), "the test would notice"


def test_module_and_command_are_the_same() -> None:
    by_module = subprocess.run(
        [sys.executable, "-m", "outlast", "--help"], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    by_command = subprocess.run(
        [Path(sys.executable).with_name("outlast"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert by_module.stdout == by_command.stdout
    assert by_module.stdout.startswith("Usage: outlast [OPTIONS] COMMAND")


def test_the_list_of_commands_says_what_they_say_themselves() -> None:
    shown = CliRunner().invoke(outlast, ["--help"]).output
    for name, entry in COMMANDS.items():
        command = all_commands()[name]
        assert (command.short_help, command.hidden) == (entry.help, entry.hidden)
        assert (f"  {name} " in shown) is not entry.hidden


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("hist", "No such command 'hist'. Did you mean history?"),
        ("cancle", "No such command 'cancle'. Did you mean cancel?"),
        ("s", "No such command 's'. Did you mean serve or show or search?"),
        ("xyz", "No such command 'xyz'."),
    ],
)
def test_a_command_that_is_not_there_leads_to_the_one_that_was_meant(written: str, said: str) -> None:
    result = CliRunner().invoke(outlast, [written])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: {said}"


def test_every_command_answers_in_json_and_says_what_it_is_for() -> None:
    for name, command in all_commands().items():
        assert command.help, name
        if not isinstance(command, click.Group) and name != "serve":
            assert any("--json" in parameter.opts for parameter in command.params), name


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("x"), 2),
        (NotFound("x"), 3),
        (NotAllowed("x"), 4),
        (Conflict("x"), 4),
        (StoreUnreachable("x"), 5),
        (StoreBusy("x"), 5),
        (StartFailed("x"), 1),
        (ExceptionGroup("wrapped", [NotFound("x")]), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_code(
    home: Home, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    assert run_failing(monkeypatch, error).exit_code == code


def run_failing(monkeypatch: pytest.MonkeyPatch, error: BaseException, *flags: str) -> Result:
    """The result of a command that raises."""

    @click.command()
    def seal() -> None:
        raise error

    monkeypatch.setattr("outlast.server.cli.commands.seal.seal", seal)
    return CliRunner().invoke(outlast, [*flags, "seal"])


def test_an_error_says_what_next_in_words_of_commands(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_failing(monkeypatch, NotFound("No execution 'x'.", code="gone", next="get_status(5) | get_logs(5)"))
    assert result.stderr == "gone: No execution 'x'.\nnext: outlast show 5 | outlast logs 5\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        ("get_status(5, wait_seconds=45), then try again", "outlast show 5, then try again"),
        ('list_execution_history(workflow_id="x")', "outlast history"),
        ("list_execution_history shows the ones that exist", "outlast history shows the ones that exist"),
        ("list_workflows", "outlast workflows list"),
        ("cancel_execution(7) first", "outlast cancel 7 first"),
        ("outlast demo", "outlast demo"),
    ],
)
def test_tools_that_errors_name_become_commands(tool: str, command: str) -> None:
    assert in_commands(tool) == command


def test_with_json_an_error_is_json_too(cli: Cli) -> None:
    result = cli("show", "99", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert json.loads(result.stderr)["code"] == "execution_not_found"
    result = cli("logs", "--json", "--raw", "1")
    assert (result.exit_code, json.loads(result.stderr)["code"]) == (2, "invalid_input")


def test_an_unexpected_error_is_one_line_and_the_rest_is_in_the_log(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_failing(monkeypatch, RuntimeError("the\nsky fell"))
    assert result.exit_code == 70
    assert result.stderr == f"internal_error: RuntimeError: the sky fell (details are in {home.server_log})\n"
    log = Path(home.server_log).read_text()
    assert "Traceback" in log
    assert "sky fell" in log


def test_an_unexpected_error_is_shown_whole_with_debug(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_failing(monkeypatch, RuntimeError("the sky fell"), "--debug")
    assert result.exit_code == 70
    assert result.stderr.startswith("Traceback")
    assert not Path(home.server_log).exists()


def test_without_a_usable_home_an_unexpected_error_is_still_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_failing(monkeypatch, RuntimeError("the sky fell"))
    assert result.stderr == "internal_error: RuntimeError: the sky fell (run `outlast --debug …` for details)\n"


@pytest.mark.parametrize("arguments", [["history"], ["ps"], ["show", "1"], ["db", "check"], ["serve"]])
def test_a_home_that_cannot_be_used_is_an_unreachable_store(tmp_path: Path, arguments: list[str]) -> None:
    occupied = tmp_path / "occupied"
    occupied.touch()
    result = CliRunner().invoke(outlast, ["--home", str(occupied), *arguments])
    assert result.exit_code == 5
    assert result.stderr.startswith(f"store_unreachable: {occupied} cannot be used: ")


def test_usage_errors_exit_with_2_and_name_the_command(cli: Cli) -> None:
    for arguments in (["nonsense"], ["history", "--limit", "0"], ["show"], ["run"], ["run", "a", "--timeout", "5"]):
        result = cli(*arguments)
        assert result.exit_code == 2, arguments
        assert result.stderr.startswith("Usage: ")


def test_a_wrong_setting_stops_every_command_before_it_does_anything(home: Home, spawn: Spawn) -> None:
    process = spawn("ps", OUTLAST_LOG_LEVEL="loud")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"invalid_input: OUTLAST_LOG_LEVEL: must be one of debug, info, warning, error, not 'loud'.")
    assert not Path(home.database).exists()


def test_a_server_ends_when_its_client_is_gone_and_logs_into_the_home(home: Home, spawn: Spawn) -> None:
    process = spawn("serve")
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert stat.S_IMODE(Path(home.server_log).stat().st_mode) == 0o600
