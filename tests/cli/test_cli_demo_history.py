"""`demo --history`: three records with steps and artifacts, added once and removable."""

import json
from typing import Any

import pytest
from commandline import Cli, lines_of

from outlast.kernel.home import Home
from stored import hands_on

COMPLETED, FAILED, RUNNING = "cost_analysis", "quality_check", "performance_tuning"


def shown(cli: Cli, handle: str | int) -> dict[str, Any]:
    return json.loads(cli("show", handle, "--json").stdout)


def by_workflow(cli: Cli) -> dict[str, dict[str, Any]]:
    """The demo's executions as `show --json` tells them."""
    listed = json.loads(cli("history", "--mode", "cloud-run", "--json").stdout)
    return {row["workflow_id"]: shown(cli, row["number"]) for row in listed["executions"]}


@pytest.mark.requirement("S1-6")
@pytest.mark.requirement("S1-10")
def test_three_scenarios_are_recorded_with_steps_and_artifacts(cli: Cli) -> None:
    result = cli("demo", "--history")
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines_of(result) == [
        "added: #1 cost_analysis",
        "added: #2 quality_check",
        "added: #3 performance_tuning",
        "next: outlast history --mode cloud-run | outlast show 1",
        "to remove them: outlast demo --history --remove",
    ]
    told = by_workflow(cli)
    assert {name: (one["status"], one["workflow_type"]) for name, one in told.items()} == {
        COMPLETED: ("completed", "cost_analysis"),
        FAILED: ("failed", "quality_check"),
        RUNNING: ("running", "performance_tuning"),
    }
    assert {name: [step["status"] for step in one["steps"]] for name, one in told.items()} == {
        COMPLETED: ["completed"] * 5,
        FAILED: ["completed", "completed", "failed"],
        RUNNING: ["completed", "completed", "running", "pending"],
    }
    assert {name: sorted(file["type"] for file in one["artifacts"]) for name, one in told.items()} == {
        COMPLETED: ["chart", "config", "report"],
        FAILED: ["dataset", "report"],
        RUNNING: ["report"],
    }
    assert 14 * 60 < told[COMPLETED]["duration_seconds"] < 16 * 60
    assert all(step["name"] and step["name"] != step["id"] for step in told[COMPLETED]["steps"])
    assert "threshold" in told[FAILED]["reason"]
    assert "threshold breached" in told[FAILED]["steps"][-1]["error"]
    assert (
        told[FAILED]["params"]["max_null_share"]
        < told[FAILED]["step_results"][-1]["output"]["null_share"]["customer_email"]
    ), "the threshold really is breached"
    assert (told[RUNNING]["end_time"], told[RUNNING]["reason"]) == (None, None)
    for one in told.values():
        assert one["agent"]
        assert one["customer"]
        assert len(one["params"]) >= 5
        assert one["client"] == {"name": "outlast demo"}
        assert {file["step"] for file in one["artifacts"]} <= {step["id"] for step in one["steps"]}
        assert all(file["size"] > 0 and file["location"] and file["content_type"] for file in one["artifacts"])


@pytest.mark.requirement("S1-10")
def test_seeding_twice_adds_nothing_and_changes_nothing(home: Home, cli: Cli) -> None:
    cli("demo", "--history")
    with hands_on(home) as hands:
        before = list(hands.connection.iterdump())
    again = cli("demo", "--history")
    assert lines_of(again)[:3] == [
        "already there: #1 cost_analysis",
        "already there: #2 quality_check",
        "already there: #3 performance_tuning",
    ]
    with hands_on(home) as hands:
        assert list(hands.connection.iterdump()) == before


def test_the_demo_removes_its_records_and_nothing_else(cli: Cli) -> None:
    cli("run", "--wait", "--", "true")
    cli("demo", "--history")
    seeded = by_workflow(cli)
    removed = json.loads(cli("demo", "--history", "--remove", "--json").stdout)["executions"]
    assert {(one["handle_id"], one["number"], one["result"]) for one in removed} == {
        (one["handle_id"], one["number"], "removed") for one in seeded.values()
    }
    assert [row["number"] for row in json.loads(cli("history", "--json").stdout)["executions"]] == [1]
    assert lines_of(cli("demo", "--history", "--remove")) == [
        "not there: cost_analysis",
        "not there: quality_check",
        "not there: performance_tuning",
        "next: outlast demo --history",
    ]
    again = json.loads(cli("demo", "--history", "--json").stdout)["executions"]
    assert [(one["number"], one["result"]) for one in again] == [(5, "added"), (6, "added"), (7, "added")]


def test_the_demo_runs_nothing_and_holds_up_nothing(home: Home, cli: Cli) -> None:
    cli("demo", "--history")
    assert "performance_tuning" in cli("ps").stdout
    assert cli("--max-running", "1", "run", "--wait", "--", "true").exit_code == 0
    assert shown(cli, 3)["status"] == "running"
    assert [step["attempt"] for step in shown(cli, 3)["steps"]] == [0, 0, 0, 0]
    assert cli("wait", "3", "--timeout", "0.1").exit_code == 124
    assert cli("cancel", "3").exit_code == 4
    assert cli("db", "check").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--remove"], "--remove is for --history."),
        (["--history", "--run"], "--history and --run exclude each other."),
    ],
)
def test_what_does_not_go_together_is_refused(cli: Cli, arguments: list[str], said: str) -> None:
    result = cli("demo", *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True)
