"""`run`, `wait`, `cancel`: starting, following, ending, and what goes on without the command."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from commandline import SECONDS, Cli, Gate, Spawn, lines_of

from outlast.kernel.home import Home
from outlast.server.cli.root import outlast
from outlast.server.cli.session import Session
from waiting import until

Shell = Callable[[str], Result]


@pytest.fixture
def greet(home: Home) -> None:
    """A workflow with parameters of several types."""
    Path(home.workflows, "greet.yaml").write_text(
        "id: greet\n"
        "params:\n"
        "  who: {type: string}\n"
        "  times: {type: integer, default: 1}\n"
        "  loud: {type: boolean, default: false}\n"
        'shell: echo "$PARAM_WHO $PARAM_TIMES $PARAM_LOUD"\n'
    )


def test_run_answers_at_once_with_the_number(cli: Cli, gate: Gate) -> None:
    result = cli("run", "--", "sh", "-c", gate.pass_it)
    assert result.exit_code == 0
    assert lines_of(result) == ["#1 command started", "next: outlast logs -f 1 | outlast wait 1"]
    shown = json.loads(cli("show", "1", "--json").stdout)
    assert (shown["status"], shown["trigger"], shown["mode"]) == ("running", "cli", "local-run")
    assert shown["client"]["name"] == "outlast run"
    gate.open()
    assert cli("wait", "1").exit_code == 0


@pytest.fixture
def publish(home: Home) -> None:
    """A workflow with a secret. It prints how long that is."""
    Path(home.workflows, "publish.yaml").write_text(
        "id: publish\n"
        "params: {token: {secret: true, description: Upload token}, tag: {}}\n"
        "shell: echo $PARAM_TAG ${#PARAM_TOKEN}\n"
    )


def test_a_missing_secret_says_how_to_give_it(cli: Cli, publish: None) -> None:
    result = cli("run", "publish", "-p", "tag=v1")
    assert result.exit_code == 2
    first, following = result.stderr.splitlines()
    assert first == "invalid_input: params.token is missing: secret string (Upload token)"
    assert following.startswith("next: outlast workflows show publish; --params @FILE or --params - (standard input)")
    assert "--params @FILE" not in cli("run", "publish", "-p", "token=abcdef").stderr


def test_parameters_come_from_a_file_or_from_standard_input(cli: Cli, publish: None, tmp_path: Path) -> None:
    document = tmp_path / "params.json"
    document.write_text('{"token": "swordfish"}')
    assert cli("run", "publish", "--wait", "-p", "tag=a", "--params", f"@{document}").stdout == "a 9\n"
    arguments = ["run", "publish", "--wait", "-p", "tag=b", "--params", "-"]
    assert CliRunner().invoke(outlast, arguments, input='{"token": "abc"}').stdout == "b 3\n"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{token: x}", "--params: is not JSON: "),
        (b"\xff", "--params: is not JSON: "),
        ("[]", "--params: must be a JSON object."),
        (" " * 1_100_000, "--params: has more than 1024 KiB."),
        (None, "--params: {} cannot be read: No such file or directory."),
    ],
)
def test_a_file_without_parameters_is_refused(
    cli: Cli, publish: None, tmp_path: Path, written: str | bytes | None, said: str
) -> None:
    document = tmp_path / "params.json"
    if written is not None:
        document.write_bytes(written.encode() if isinstance(written, str) else written)
    result = cli("run", "publish", "--params", f"@{document}")
    assert result.exit_code == 2
    assert result.stderr.startswith("invalid_input: " + said.format(document))
    assert "--params @FILE" in result.stderr.splitlines()[-1]


def test_outlast_inside_a_workflow_uses_the_same_home(home: Home, cli: Cli, tmp_path: Path) -> None:
    nested = f"{sys.executable} -m outlast"
    Path(home.workflows, "inner.yaml").write_text("id: inner\nrun: [echo, from inside]\n")
    Path(home.workflows, "outer.yaml").write_text(
        f"id: outer\nshell: '{nested} run inner --wait && {nested} ps'\nenv: {{HOME: {tmp_path}}}\n"
    )
    result = cli("run", "outer", "--wait")
    assert result.exit_code == 0, result.stdout
    assert "from inside" in lines_of(result)
    assert [line.split()[:3] for line in lines_of(result)[-1:]] == [["1", "outer", "running"]]
    assert json.loads(cli("show", "2", "--json").stdout)["workflow_id"] == "inner"
    assert not list(tmp_path.iterdir())


def test_run_in_json_has_the_fields_of_execute_workflow(cli: Cli) -> None:
    view = json.loads(cli("run", "--json", "--", "true").stdout)
    assert list(view) == ["handle_id", "number", "workflow_id", "status", "reason", "already_existed"]
    assert (view["number"], view["workflow_id"], view["already_existed"]) == (1, "command", False)
    assert json.loads(cli("wait", "1", "--json").stdout)["handle_id"] == view["handle_id"]


@pytest.mark.parametrize(("code", "exit_code"), [(0, 0), (1, 1), (3, 1), (127, 1)])
def test_run_wait_prints_what_it_prints_and_ends_as_it_does(shell: Shell, code: int, exit_code: int) -> None:
    result = shell(f"echo one; echo two >&2; exit {code}")
    assert (result.exit_code, result.stdout) == (exit_code, "one\ntwo\n")
    assert result.stderr.startswith("#1 command started\n#1 command ")
    assert result.stderr.rstrip().endswith(f"exit code {code}")


def test_a_command_that_cannot_start_says_why(cli: Cli) -> None:
    result = cli("run", "--", "no-such-program-anywhere")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "no-such-program-anywhere" in result.stdout
    assert "next: outlast show 1" in result.stdout


def test_a_command_runs_in_this_directory(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("run", "--wait", "--", "pwd").stdout == f"{tmp_path}\n"


def test_everything_behind_two_dashes_belongs_to_the_command(cli: Cli) -> None:
    assert cli("run", "--wait", "--", "echo", "--json", "--", "-p", "x").stdout == "--json -- -p x\n"


def test_commands_are_refused_unless_the_setting_allows_them(home: Home, spawn: Spawn) -> None:
    process = spawn("run", "--", "true", OUTLAST_ALLOW_COMMAND="")
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 4
    assert err.startswith(b"command_not_allowed: ")
    assert f"`allow_command = true` in {home.config}".encode() in err
    Path(home.config).write_text("allow_command = true\n")
    process = spawn("run", "--wait", "--", "echo", "hi", OUTLAST_ALLOW_COMMAND="")
    assert process.communicate(timeout=SECONDS)[0] == b"hi\n"


def test_parameters_are_words_of_the_declared_type_or_json(cli: Cli, greet: None) -> None:
    result = cli("run", "--wait", "greet", "-p", "who=a b", "-p", "times=3", "-p", "loud=yes")
    assert (result.exit_code, result.stdout) == (0, "a b 3 true\n")
    assert cli("run", "--wait", "greet", "--params", '{"who": "c", "times": 2}').stdout == "c 2 false\n"
    assert cli("run", "--wait", "greet", "--params", '{"who": "d"}', "-p", "times=4").stdout == "d 4 false\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "wo=x"], 'unknown_parameter: "wo" is not a parameter of greet'),
        (["-p", "who=x", "-p", "times=many"], "invalid_input: params.times must be an integer"),
        ([], "invalid_input: params.who is missing"),
        (["--params", "[1]"], "invalid_input: --params: must be a JSON object."),
        (["--params", "{"], "invalid_input: --params: is not JSON"),
        (["--params", '{"who": "x"}', "-p", "who=y"], "invalid_input: who: given in --params and with -p."),
        (["-p", "who=x", "--label", "team"], "invalid_input: --label: 'team' is no label."),
        (["-p", "who=x", "--label", "a=1", "--label", "a=2"], "invalid_input: --label: given twice."),
        (["--wait", "--timeout", "soon", "-p", "who=x"], "invalid_input: --timeout: 'soon' is not a duration"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_starts(cli: Cli, greet: None, arguments: list[str], said: str) -> None:
    result = cli("run", "greet", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(said)
    assert json.loads(cli("history", "--json").stdout)["total"] == 0


def test_wrong_parameters_lead_to_the_workflow(cli: Cli, greet: None) -> None:
    assert "next: outlast workflows show greet\n" in cli("run", "greet", "-p", "wo=x").stderr


def test_an_unknown_workflow_is_not_found(cli: Cli, greet: None) -> None:
    result = cli("run", "gret")
    assert result.exit_code == 3
    assert "did you mean greet" in result.stderr


def test_a_key_used_again_starts_nothing(cli: Cli, greet: None) -> None:
    first = cli("run", "--wait", "greet", "-p", "who=x", "--key", "k")
    again = cli("run", "greet", "-p", "who=x", "--key", "k")
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert again.stdout.startswith("#1 greet exists already, the same key was used: completed")
    assert json.loads(cli("run", "--json", "greet", "-p", "who=x", "--key", "k").stdout)["already_existed"] is True
    other = cli("run", "greet", "-p", "who=y", "--key", "k")
    assert (other.exit_code, other.stderr.split(":")[0]) == (4, "idempotency_conflict")
    assert json.loads(cli("history", "--json").stdout)["total"] == 1


def test_labels_are_kept_and_found(cli: Cli, greet: None) -> None:
    cli("run", "--wait", "greet", "-p", "who=x", "--label", "team=red", "--label", "why=a=b")
    cli("run", "--wait", "greet", "-p", "who=x")
    assert json.loads(cli("show", "1", "--json").stdout)["labels"] == {"team": "red", "why": "a=b"}
    found = json.loads(cli("history", "--json", "--label", "why=a=b").stdout)
    assert [row["number"] for row in found["executions"]] == [1]


def test_a_wait_that_is_over_exits_with_124_and_the_execution_goes_on(cli: Cli, gate: Gate) -> None:
    result = cli("run", "--wait", "--timeout", "0.2", "--", "sh", "-c", f"echo hi; {gate.pass_it}; exit 3")
    assert result.exit_code == 124
    assert "#1 goes on: outlast wait 1" in result.stderr
    waiting = cli("wait", "--timeout", "200ms", "1")
    assert waiting.exit_code == 124
    assert waiting.stdout.startswith("#1 command running ")
    assert waiting.stderr == "The time to wait is over, #1 goes on: outlast wait 1\n"
    gate.open()
    over = cli("wait", "1")
    assert over.exit_code == 1
    assert over.stdout.rstrip().endswith("exit code 3")


def test_ctrl_c_stops_the_waiting_and_not_the_execution(cli: Cli, spawn: Spawn, gate: Gate) -> None:
    process = spawn("run", "--wait", "--", "sh", "-c", f"echo ready; {gate.pass_it}; echo done")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (130, b"")
    assert err.endswith(b"#1 goes on. outlast logs -f 1 shows it again, outlast cancel 1 ends it.\n")
    assert json.loads(cli("show", "1", "--json").stdout)["status"] == "running"
    gate.open()
    assert cli("wait", "1").exit_code == 0
    assert cli("logs", "1", "--raw").stdout == "ready\ndone\n"


def test_cancel_ends_it_with_everything_it_has_started(cli: Cli, gate: Gate) -> None:
    cli("run", "--", "sh", "-c", f"sh -c '{gate.pass_it}' & {gate.pass_it}")
    result = cli("cancel", "#1", "--wait")
    assert result.exit_code == 0
    assert result.stdout.startswith("#1 command cancelled after ")
    again = cli("cancel", "1", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["status"] == "cancelled"
    assert json.loads(again.stdout)["cancel_requested"] is False
    assert cli("wait", "1").exit_code == 1


def test_cancel_returns_before_the_end_unless_it_is_to_wait(home: Home, cli: Cli, gate: Gate) -> None:
    path = Path(home.workflows, "stubborn.yaml")
    path.write_text(f"id: stubborn\nkill_grace: 2s\nshell: trap '' TERM; {gate.pass_it}; {gate.pass_it}\n")
    cli("run", "stubborn")
    result = cli("cancel", "1", "--json")
    assert json.loads(result.stdout)["cancel_requested"] is True
    assert cli("cancel", "1", "--wait").exit_code == 0
    assert json.loads(cli("show", "1", "--json").stdout)["cancel_requested_by"]


@pytest.mark.requirement("S3-21")
def test_what_the_command_line_started_can_be_read_after_everything_was_killed(
    cli: Cli, spawn: Spawn, gate: Gate
) -> None:
    process = spawn("run", "--wait", "--", "sh", "-c", f"echo before; {gate.pass_it}; echo after; exit 7")
    assert process.stdout is not None
    assert process.stdout.readline() == b"before\n"
    os.kill(supervisor_of(1), signal.SIGKILL)
    process.kill()
    process.wait(timeout=SECONDS)
    gate.open()
    later = spawn("wait", "1")
    later.communicate(timeout=SECONDS)
    assert later.returncode == 1
    shown = json.loads(spawn("show", "1", "--json").communicate(timeout=SECONDS)[0])
    assert (shown["status"], shown["exit_code"], shown["log_lines"]) == ("failed", 7, 2)
    assert spawn("logs", shown["handle_id"], "--raw").communicate(timeout=SECONDS)[0] == b"before\nafter\n"
    assert json.loads(cli("history", "--json").stdout)["executions"][0]["handle_id"] == shown["handle_id"]


def supervisor_of(number: int) -> int:
    session = Session()
    with session.observer() as observer:
        supervisor = observer.call(observer.it.get, number).supervisor
    assert supervisor is not None
    return supervisor.pid


def test_a_home_is_tidy_after_what_was_waited_for(home: Home, shell: Shell) -> None:
    shell("echo hi")
    assert list(Path(home.runs).iterdir()) == []


def test_what_was_not_waited_for_is_tidied_by_who_looks_at_it(home: Home, cli: Cli, gate: Gate) -> None:
    cli("run", "--", "sh", "-c", f"{gate.pass_it}; echo hi")
    gate.open()
    assert cli("logs", "-f", "--raw", "1").stdout == "hi\n"
    assert list(Path(home.runs).iterdir()) == []
    assert cli("logs", "1", "--raw").stdout == "hi\n"


async def test_a_large_log_is_moved_by_a_process_of_its_own(home: Home, spawn: Spawn) -> None:
    text = "head -c 9000000 /dev/zero | tr '\\0' x | fold -w 1000"
    process = spawn("run", "--wait", "--", "sh", "-c", text)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, len(out)) == (0, 9_009_000), err
    await until(lambda: not list(Path(home.runs).iterdir()))
    last = spawn("logs", "1", "--raw", "-n", "1").communicate(timeout=SECONDS)[0]
    assert last.rstrip(b"\n") == b"x" * 1000
