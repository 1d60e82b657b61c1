"""What is different where a terminal is there: colours, tables, a line that tells how it goes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import SECONDS, Cli, Gate
from terminals import Terminal, show

from old_homes import over
from outlast.kernel.home import Home
from stored import hands_on

RED_LINE = r"printf '\033[31mred\033[0m \033[2J\n'"


def test_output_keeps_its_colours_and_loses_everything_else(cli: Cli, terminals: list[Terminal]) -> None:
    cli("run", "--wait", "--", "sh", "-c", RED_LINE)
    coloured = show(terminals, "logs", "1").rest()
    assert "\x1b[31mred\x1b[0m \\x1b[2J" in coloured
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        plain = show(terminals, "logs", "1", **variables).rest()
        assert "\x1b" not in plain
        assert "\\x1b[31mred" in plain


def test_tables_have_colours_where_the_terminal_has(cli: Cli, terminals: list[Terminal]) -> None:
    cli("run", "--wait", "--", "false")
    table = show(terminals, "history").rest()
    assert "\x1b[31mfailed" in table
    assert "\x1b" not in show(terminals, "history", NO_COLOR="1").rest()
    assert "\x1b" not in show(terminals, "history", "--json").rest()
    assert "\x1b[31mfailed after" in show(terminals, "show", "1").rest()


def test_a_line_tells_how_it_goes_and_is_gone_at_the_end(terminals: list[Terminal], gate: Gate) -> None:
    terminal = show(terminals, "run", "--wait", "--", "sh", "-c", f"echo first; {gate.pass_it}; echo second")
    terminal.read_until("first\r\n")
    terminal.read_until("· 1 line")
    gate.open()
    text = terminal.rest()
    assert terminal.process.returncode == 0
    assert re.search(r"#1 command · running [0-9.]+s · 1 line", text)
    assert "second\r\n" in text
    end = text.rindex("\x1b[2K")  # the line is wiped, then the last word is said
    assert re.fullmatch(r"\x1b\[2K#1 command completed in [0-9.]+s, exit code 0\r\n", text[end:])
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor is back"


def test_ctrl_c_at_a_terminal_detaches(cli: Cli, terminals: list[Terminal], gate: Gate) -> None:
    terminal = show(terminals, "run", "--wait", "--", "sh", "-c", gate.pass_it)
    terminal.read_until("running")
    os.killpg(terminal.process.pid, 2)
    assert "#1 goes on." in terminal.rest()
    assert terminal.process.returncode == 130
    gate.open()
    assert cli("wait", "1").exit_code == 0


def test_a_missing_secret_is_asked_for_without_an_echo(home: Home, cli: Cli, terminals: list[Terminal]) -> None:
    Path(home.workflows, "publish.yaml").write_text(
        "id: publish\nparams: {token: {secret: true, description: Upload token}}\nshell: echo ${#PARAM_TOKEN}\n"
    )
    terminal = show(terminals, "run", "publish", "--wait")
    terminal.read_until("token (Upload token): ")
    terminal.type("swordfish\n")
    rest = terminal.rest()
    assert terminal.process.returncode == 0
    assert "9\r\n" in rest
    assert "swordfish" not in rest


def test_ps_can_be_watched_until_nothing_is_left(cli: Cli, terminals: list[Terminal], gate: Gate) -> None:
    cli("run", "--", "sh", "-c", gate.pass_it)
    terminal = show(terminals, "ps", "--watch")
    terminal.read_until("running")
    gate.open()
    terminal.rest()
    assert terminal.process.returncode == 0
    assert cli("wait", "1").exit_code == 0


def test_a_pipe_gets_no_escapes_whatever_the_environment_says(cli: Cli, tmp_path: Path) -> None:
    cli("run", "--wait", "--", "sh", "-c", RED_LINE)
    for arguments in (["history"], ["show", "1"], ["logs", "1"], ["ps"], ["run", "--wait", "--", "true"]):
        result = subprocess.run(
            [sys.executable, "-m", "outlast", *arguments],
            env=os.environ | {"TERM": "xterm", "FORCE_COLOR": "1", "OUTLAST_ALLOW_COMMAND": "true"},
            capture_output=True,
            timeout=SECONDS,
        )
        assert result.returncode == 0
        assert b"\x1b" not in result.stdout + result.stderr


@pytest.mark.requirement("S3-9")
def test_prune_asks_before_it_removes(home: Home, cli: Cli, terminals: list[Terminal]) -> None:
    with hands_on(home) as hands:
        over(hands)
    for answer, left, code in (("n", 1, 130), ("y", 0, 0)):
        asked = show(terminals, "prune", "--keep", "0")
        asked.read_until("Remove 1 execution? [y/N]:")
        asked.type(answer + "\n")
        asked.rest()
        assert asked.process.returncode == code
        assert json.loads(cli("history", "--json").stdout)["total"] == left
