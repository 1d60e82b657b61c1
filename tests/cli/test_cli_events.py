"""Workflows that tell events, on the command line."""

import json
from pathlib import Path

import pytest
from commandline import Cli, lines_of

from outlast.kernel.home import Home
from workflow_tool import write_tool


@pytest.fixture
def tool(home: Home, tmp_path: Path) -> Path:
    """The executable with its gate open: it runs to its end."""
    gate = tmp_path / "gate"
    gate.touch()
    return write_tool(Path(home.workflows, "researcher"), gate)


@pytest.mark.requirement("S3-10")
def test_show_tells_the_phases_with_their_tasks_and_agents(cli: Cli, tool: Path) -> None:
    result = cli("run", "--wait", "research-flow", "-p", "topic=x", "-p", "count=3")
    assert result.exit_code == 1
    lines = lines_of(cli("show", 1))
    words = "phase 1: Write · 1 of 2 completed · task t2 failed: out of ink"
    told = lines.index(f'progress 50 %, told by the program: "{words}"')
    assert lines[told + 1 : told + 7] == [
        "  phase 0 Find: completed",
        "    task t1: completed, done",
        "      agent scout: completed, 3 hits",
        "      agent critic: failed, no opinion",
        "  phase 1 Write: failed, no ink",
        "    task t2: failed, out of ink",
    ]
    view = json.loads(cli("show", 1, "--json").stdout)
    assert view["progress"]["percent"] == 50
    assert [phase["status"] for phase in view["phases"]] == ["completed", "failed"]
    assert json.loads(cli("wait", 1, "--json").stdout)["phases"] == view["phases"]


@pytest.mark.requirement("S3-15")
def test_logs_show_events_in_words_as_objects_and_as_they_were_printed(cli: Cli, tool: Path) -> None:
    cli("run", "--wait", "research-flow", "-p", "topic=x")
    assert any(line.endswith(" task t1: 40 files") for line in lines_of(cli("logs", 1)))
    objects = [json.loads(line) for line in lines_of(cli("logs", 1, "--jsonl"))]
    [told] = [one for one in objects if one["type"] == "task_progress"]
    assert told["data"] == {"task_id": "t1", "message": "40 files"}
    assert '__WF_EVENT__:{"type": "task_progress", "task_id": "t1"' in cli("logs", 1, "--raw").stdout


@pytest.mark.requirement("S3-10")
def test_executables_are_listed_shown_and_validated(home: Home, cli: Cli, tool: Path) -> None:
    hanging = Path(home.workflows, "broken")
    hanging.write_text("#!/bin/sh\n# --workflow-metadata\nexit 4\n")
    hanging.chmod(0o755)
    lines = lines_of(cli("workflows", "list"))
    assert lines[2].split()[:2] == ["research-flow", "Research"]
    assert lines[3] == f"skipped: {hanging} ended with exit code 4 when it was asked --workflow-metadata"
    shown = lines_of(cli("workflows", "show", "research-flow"))
    [runs] = [line.split(maxsplit=1)[1] for line in shown if line.startswith("run")]
    pairs = [[f"--{name}", f"${{{{ params.{name} }}}}"] for name in ("topic", "count", "note")]
    assert json.loads(runs) == [str(tool), *pairs]
    assert "events      markers" in shown
    assert "  topic: string of 1 or more characters, required: Topic. What about" in shown
    result = cli("workflows", "validate", tool, hanging)
    assert result.exit_code == 2
    assert lines_of(result) == [f"{tool}: ok, workflow research-flow"]
    assert result.stderr.splitlines() == [f"{hanging} ended with exit code 4 when it was asked --workflow-metadata"]
    missing = cli("run", "broken")
    assert "was not loaded" in missing.stderr
    assert missing.exit_code == 3


@pytest.mark.requirement("S3-10")
def test_another_tools_directory_is_searched_when_the_setting_says_so(home: Home, cli: Cli, tmp_path: Path) -> None:
    directory = tmp_path / "other"
    directory.mkdir()
    (tmp_path / "gate").touch()
    write_tool(directory / "researcher", tmp_path / "gate")
    assert "research-flow" not in cli("workflows", "list").stdout
    Path(home.config).write_text(f"workflow_dirs = [{json.dumps(str(directory))}]\n")
    assert "research-flow" in cli("workflows", "list").stdout


def test_whoever_waits_for_a_workflow_is_told_how_far_it_came(home: Home, cli: Cli) -> None:
    tell = """echo '{"type": "progress", "percent": 100, "message": "all done"}' >> $OUTLAST_EVENTS"""
    text = f"shell: |\n  echo one\n  {tell}\n  echo 'no event' >> $OUTLAST_EVENTS\n"
    Path(home.workflows, "telling.yaml").write_text(f"id: telling\n{text}")
    result = cli("run", "--wait", "telling")
    assert result.exit_code == 0
    assert sorted(lines_of(result)) == ["no event", "one"], "events that are not printed are not its output"
    assert result.stderr.splitlines()[-1] == 'progress 100 %, told by the program: "all done"'
    assert json.loads(cli("wait", 1, "--json").stdout)["progress"] == {
        "percent": 100,
        "message": "all done",
        "phase": None,
    }
    assert 'progress 100 %, told by the program: "all done"' in lines_of(cli("show", 1))


def test_a_python_workflow_tells_how_far_it_is(home: Home, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(
        "from outlast.workflow import metric, phase, progress\n\n\ndef main():\n"
        "    phase('load', total=2)\n    metric('rows', 4800, 'rows')\n    phase('store')\n    progress(62.5, 'é')\n"
    )
    Path(home.workflows, "telling.yaml").write_text(f"id: telling\npython: telling:main\ncwd: {tmp_path}\n")
    assert cli("run", "--wait", "telling").exit_code == 0
    lines = lines_of(cli("show", 1))
    words = "phase 2: store · 2 of 2 completed · é · rows = 4,800 rows"
    told = lines.index(f'progress 62.5 %, told by the program: "{words}"')
    assert lines[told + 1 : told + 4] == [
        "  phase 1 load: completed",
        "  phase 2 store: completed",
        "  metric rows = 4,800 rows",
    ]
