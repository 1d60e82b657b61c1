"""Running commands: in this process where that shows the same, as a process of its own where it does not."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from commandline import SECONDS, Cli, Gate, Spawn
from terminals import Terminal

from outlast.kernel.home import Home
from outlast.server.cli.root import outlast


@pytest.fixture
def cli(home: Home) -> Cli:
    def run(*arguments: str | Path | int) -> Result:
        return CliRunner().invoke(outlast, list(map(str, arguments)), env={"OUTLAST_ALLOW_COMMAND": "true"})

    return run


@pytest.fixture
def spawn(home: Home) -> Iterator[Spawn]:
    """What is still alive after the test is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str | Path | int, **variables: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "outlast", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"OUTLAST_ALLOW_COMMAND": "true", "OUTLAST_HOME": home.root} | variables,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=SECONDS)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


@pytest.fixture
def shell(cli: Cli) -> Callable[[str], Result]:
    """Runs a text for the shell as an execution and waits for its end."""
    return lambda text: cli("run", "--wait", "--", "sh", "-c", text)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is that of Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.fixture
def terminals(home: Home) -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()
