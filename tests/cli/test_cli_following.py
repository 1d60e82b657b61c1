"""`logs -f` at terminals and in pipes, while supervisors die and the log moves into the store."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from commandline import SECONDS, Cli, Gate, Spawn
from terminals import Terminal, show

from outlast.server.cli.session import Session

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
PARTS = 4
LINES = 300
"""In each part."""


def kill_supervisor(number: int) -> int:
    """Kill the supervisor of an execution; its process number."""
    with Session().observer() as observer:
        supervisor = observer.call(observer.it.get, number).supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    return supervisor.pid


class Follower:
    """A process that follows #1 into a pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self._out = process.stdout
        self.lines: list[bytes] = []

    def read_until(self, text: bytes) -> None:
        while not self.lines or text not in self.lines[-1]:
            line = self._out.readline()
            assert line, self.lines[-3:]
            self.lines.append(line)

    def rest(self) -> list[bytes]:
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.lines + out.splitlines(keepends=True)


@pytest.mark.requirement("S3-17", "S3-3")
def test_no_follower_misses_or_doubles_a_line_while_supervisors_die(
    cli: Cli, spawn: Spawn, gate: Gate, terminals: list[Terminal]
) -> None:
    parts = [f"seq {part * LINES + 1} {(part + 1) * LINES}" for part in range(PARTS)]
    cli("run", "--", "sh", "-c", f"; {gate.pass_it}; ".join(parts))
    raw, objects = Follower(spawn("logs", "1", "-f", "--raw")), Follower(spawn("logs", "1", "-f", "--jsonl"))
    matching = Follower(spawn("logs", "1", "-f", "--raw", "--grep", "00$", "--since", "1h"))
    terminal = show(terminals, "logs", "1", "-f")
    dead: set[int] = set()
    for part in range(1, PARTS):
        end = part * LINES
        raw.read_until(b"%d\n" % end)
        objects.read_until(b'"n": %d,' % end)
        matching.read_until(b"%d\n" % end)
        terminal.read_until(f" \x1b[0m{end}\r\n")
        dead.add(kill_supervisor(1))
        gate.open()
    every = range(1, PARTS * LINES + 1)
    assert raw.rest() == [b"%d\n" % n for n in every]
    assert [(one["n"], one["text"]) for one in map(json.loads, objects.rest())] == [(n, str(n)) for n in every]
    assert matching.rest() == [b"%d\n" % n for n in every if n % 100 == 0]
    shown = [ESCAPE.sub("", line).split() for line in terminal.rest().splitlines()]
    assert [(int(line[0]), line[2]) for line in shown] == [(n, str(n)) for n in every]
    assert {raw.process.returncode, objects.process.returncode, matching.process.returncode} == {0}
    assert terminal.process.returncode == 0
    assert len(dead) == PARTS - 1
    assert "exit code 0" in cli("show", 1).stdout


def test_following_ends_at_once_when_nobody_reads_although_nothing_is_printed(
    cli: Cli, spawn: Spawn, gate: Gate
) -> None:
    cli("run", "--", "sh", "-c", f"echo one; {gate.pass_it}")
    process = spawn("logs", "1", "-f", "--raw")
    assert process.stdout is not None
    assert process.stdout.readline() == b"one\n"
    process.stdout.close()
    assert process.wait(timeout=SECONDS) == 141
    process.stdout = None
    gate.open()
    assert cli("wait", "1").exit_code == 0


def test_head_gets_its_lines_and_ends_the_follower(cli: Cli, gate: Gate) -> None:
    cli("--allow-command", "run", "--", "sh", "-c", f"seq 5; {gate.pass_it}")
    outlast = f"{sys.executable} -m outlast logs 1 -f --raw"
    pipeline = f"{{ {outlast}; echo $? >&2; }} | head -n 3"
    result = subprocess.run(["/bin/sh", "-c", pipeline], capture_output=True, text=True, timeout=SECONDS)
    assert (result.stdout, result.stderr) == ("1\n2\n3\n", "141\n")
    gate.open()
    assert cli("wait", "1").exit_code == 0


def test_ctrl_c_ends_following_without_a_word_and_the_execution_goes_on(
    cli: Cli, gate: Gate, terminals: list[Terminal]
) -> None:
    cli("run", "--", "sh", "-c", f"echo one; {gate.pass_it}")
    terminal = show(terminals, "logs", "1", "-f")
    terminal.read_until("one\r\n")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.rest().endswith("one\r\n")
    assert terminal.process.returncode == 130
    gate.open()
    assert cli("wait", "1").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["1#L20-L23"], [20, 21, 22, 23]),
        (["#1#L7"], [7]),
        (["1#L20-L23", "--after", "21"], [22, 23]),
        (["1#L20-L23", "--before", "22"], [20, 21]),
        (["1#L20-L23", "--grep", "[13]$"], [21, 23]),
        (["1#L28-L99"], [28, 29, 30]),
    ],
)
def test_a_link_prints_its_lines(cli: Cli, arguments: list[str], shown: list[int]) -> None:
    cli("run", "--wait", "--", "seq", "30")
    assert list(map(int, cli("logs", "--raw", *arguments).stdout.split())) == shown


def test_a_link_that_names_no_lines_and_one_that_is_followed_are_refused(cli: Cli) -> None:
    cli("run", "--wait", "--", "seq", "30")
    wrong = cli("logs", "1#L9-L3")
    assert wrong.exit_code == 2
    assert "names no lines: the last line stands before the first" in wrong.stderr
    assert "next: 1#L3-L9" in wrong.stderr
    assert cli("logs", "1#L3-L9", "-f").exit_code == 2
    assert "completed" in cli("show", "1#L3-L9").stdout
