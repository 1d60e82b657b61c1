"""`outlast doctor` as a whole: what it says, and that it changes nothing."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from outlast.kernel.home import Home
from outlast.kernel.locks import StoreLock
from outlast.server.cli.root import outlast
from outlast.storage import examining

SECONDS = 60


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(outlast, arguments, env=variables)


def examined(*flags: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the first finding of each check."""
    result = run(*flags, "doctor", "--json", **variables)
    view = json.loads(result.stdout)
    found: dict[str, Any] = {}
    for each in view["checks"]:
        found.setdefault(each["check"], each)
    assert view["problems"] == sum(each["level"] == "problem" for each in view["checks"])
    return result.exit_code, found


def state(home: Home) -> dict[str, bytes]:
    """Every file of a home. Not the WAL's index: whoever opens the database makes it anew."""
    return {
        str(path): path.read_bytes()
        for path in sorted(Path(home.root).rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


@pytest.mark.requirement("C3")
def test_a_real_server_is_started_and_timed(home: Home) -> None:
    code, found = examined()
    assert code == 0, found
    server = found["server"]
    assert server["level"] == "ok", server
    assert " answers: initialize " in server["message"]
    assert " ms, " in server["message"]
    assert int(server["message"].split()[-2]) >= 4, "tools"


def test_it_changes_nothing(home: Home) -> None:
    assert run("run", "--wait", "--", "echo", "hi", OUTLAST_ALLOW_COMMAND="true").exit_code == 0
    before = state(home)
    code, found = examined()
    assert state(home) == before
    assert code == 0
    assert found["database"]["message"].endswith("1 execution, sound")
    assert found["executions"]["level"] == "ok"


def test_a_home_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    place = tmp_path / "new/home"
    code, found = examined("--home", str(place))
    assert code == 0, found
    assert found["home"]["message"] == f"{place} does not exist yet; the first command makes it"
    assert not place.parent.exists()


def test_an_error_in_the_settings_is_a_finding_and_the_other_checks_are_made(home: Home) -> None:
    Path(home.config).write_text("max_runing = 3\n")
    code, found = examined()
    assert code == 1
    assert found["settings"]["level"] == "problem"
    assert "Did you mean max_running?" in found["settings"]["message"]
    assert found["server"]["level"] == "ok"
    Path(home.config).unlink()
    code, found = examined(OUTLAST_LOG_LEVEL="loud")
    assert (code, "OUTLAST_LOG_LEVEL" in found["settings"]["message"]) == (1, True)


def test_a_damaged_database_is_found_and_left_alone(home: Home) -> None:
    assert run("history").exit_code == 0
    Path(home.database).write_bytes(b"this is no database" * 500)
    before = state(home)
    code, found = examined()
    assert (code, found["database"]["level"]) == (1, "problem")
    assert found["database"]["message"].startswith("store_damaged: ")
    assert "outlast db restore" in found["database"]["next"]
    assert state(home) == before


def test_a_database_of_a_newer_outlast_is_found(home: Home) -> None:
    assert run("history").exit_code == 0
    connection = sqlite3.connect(home.database)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    code, found = examined()
    assert (code, "outlast_was_upgraded" in found["database"]["message"]) == (1, True)


def test_a_store_that_somebody_holds_is_found_after_a_bounded_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("history").exit_code == 0
    monkeypatch.setattr(examining, "LOCK_SECONDS", 0.1)
    lock = StoreLock(home.store_lock)
    with lock.held(SECONDS):
        code, found = examined()
    lock.close()
    assert (code, found["database"]["level"]) == (1, "problem")
    assert found["database"]["message"].startswith("store_busy: ")


def test_an_execution_without_its_supervisor_is_told_and_not_taken_up(home: Home) -> None:
    started = run("run", "--json", "--wait", "--", "true", OUTLAST_ALLOW_COMMAND="true")
    execution_id = json.loads(started.stdout)["handle_id"]
    connection = sqlite3.connect(home.database)
    # As if its supervisor had been killed; the row's own rules forbid to go back, so they are set aside.
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(
        "UPDATE executions SET status = 'running', ended_at = NULL, duration_us = NULL, exit_code = NULL, reason = NULL"
    )
    connection.commit()
    connection.close()
    shutil.rmtree(home.run(execution_id).path, ignore_errors=True)
    code, found = examined()
    assert (code, found["executions"]["level"]) == (0, "warning")
    assert found["executions"]["message"].startswith("no supervisor looks after #1")
    assert not Path(home.run(execution_id).path).exists()


def test_a_person_reads_one_line_a_check_and_what_to_do(home: Home, person: Path) -> None:
    (person / ".cursor").mkdir()
    (person / ".cursor/mcp.json").write_text(
        json.dumps({"mcpServers": {"outlast": {"command": "/gone/outlast", "args": ["serve"]}}})
    )
    result = run("doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    index = lines.index(f"problem  client cursor: /gone/outlast in {person}/.cursor/mcp.json does not exist")
    assert lines[index + 1] == "         next: outlast install cursor"
    assert lines[-1] == "1 problem, 0 warnings"


def test_it_imports_mcp_no_more_than_the_other_commands_do(home: Home) -> None:
    script = "import sys\nfrom outlast.server.cli import main\ntry:\n main()\nfinally:\n print('mcp' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script, "doctor"], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    assert result.stdout.splitlines()[-1] == "False"
