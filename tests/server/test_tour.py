"""The tour shows the main job as it is, and says so when something does not hold."""

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from servers import SERVER

from outlast.kernel.home import Home
from outlast.server import tour as tour_module
from outlast.server.tour import tour
from outlast.tools.registration import TOOLS

BOUND = 120.0


class Paper:
    """What the tour prints."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, text: str) -> None:
        self.text += text + "\n"


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def define(home: Home) -> Callable[[str, str], None]:
    def write(workflow_id: str, text: str) -> None:
        path = Path(home.workflows, f"{workflow_id}.yaml")
        path.write_text(f"id: {workflow_id}\n{text}")
        path.chmod(0o600)

    return write


@pytest.mark.requirement("C1", "X1")
async def test_an_execution_outlives_the_server_that_started_it(
    home: Home, tmp_path: Path, paper: Paper, define: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "killed"
    define(
        "count",
        "params:\n  killed: {type: string}\n"
        'shell: |\n  seq 1 30; while [ ! -e "$PARAM_KILLED" ]; do sleep 0.02; done; echo the end\n',
    )
    kill = os.kill

    def kill_and_tell(pid: int, number: int) -> None:
        kill(pid, number)
        assert number == signal.SIGKILL
        killed.touch()

    monkeypatch.setattr(tour_module.os, "kill", kill_and_tell)
    monkeypatch.setattr(tour_module, "FIRST_LOOK", 0.5)
    with anyio.fail_after(BOUND):
        assert await tour(home, "count", {"killed": str(killed)}, paper, server=SERVER) == 0
    assert f"It offers {', '.join(tool.name for tool in TOOLS)}." in paper.text
    assert f"> execute_workflow(workflow_id='count', params={{'killed': '{killed}'}})" in paper.text
    assert "was killed with SIGKILL in the middle of the execution." in paper.text
    assert re.search(r"The \d+ lines that the first server showed are the same here", paper.text)
    assert "the end\n" in paper.text.split("SIGKILL")[1]
    assert paper.text.count("A client has started a server, process ") == 2
    last = paper.text.splitlines()[-1]
    assert last.startswith("Both servers agree about execution #1 (")
    assert last.endswith("): completed, exit code 0, 31 lines.")


@pytest.mark.parametrize(
    ("workflow_id", "words"),
    [
        ("quick", "Both servers agree"),
        ("broken", "This did not hold: the execution is failed: exit code 3."),
        ("absent", "This did not hold: execute_workflow answered an error."),
    ],
)
async def test_only_a_completed_execution_is_a_success(
    home: Home, paper: Paper, define: Callable[[str, str], None], workflow_id: str, words: str
) -> None:
    define("quick", "run: [echo, done]\n")
    define("broken", "shell: exit 3\n")
    with anyio.fail_after(BOUND):
        code = await tour(home, workflow_id, {}, paper, server=SERVER)
    assert code == (0 if workflow_id == "quick" else 1)
    assert words in paper.text


async def test_a_server_that_does_not_start_is_shown_with_its_reason(home: Home, paper: Paper) -> None:
    with anyio.fail_after(BOUND):
        code = await tour(home, "quick", {}, paper, server=[sys.executable, "-c", "raise SystemExit('no disk')"])
    assert code == 1
    assert "The server's standard error:\nno disk" in paper.text


async def test_a_second_server_that_knows_nothing_is_noticed(
    home: Home, tmp_path: Path, paper: Paper, define: Callable[[str, str], None]
) -> None:
    define("quick", "run: [echo, done]\n")
    elsewhere = tmp_path / "elsewhere"
    once = f'if mkdir "{tmp_path}/first" 2>/dev/null; then exec "$@"; else OUTLAST_HOME="{elsewhere}" exec "$@"; fi'
    with anyio.fail_after(BOUND):
        code = await tour(home, "quick", {}, paper, server=["/bin/sh", "-c", once, "sh", *SERVER])
    assert code == 1
    assert "execution_not_found" in paper.text
