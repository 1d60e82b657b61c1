"""`workflows` and `demo`: the files that say what can be started."""

import json
import sys
from pathlib import Path

import pytest
from commandline import Cli, lines_of

from outlast.definitions.loading import load_file
from outlast.kernel.home import Home
from outlast.server.cli.demos import SOURCE

WRONG = "id: wrong\nrun: [true]\ntimeout: soon\ncolour: blue\n"


@pytest.fixture
def greet(home: Home) -> Path:
    path = Path(home.workflows, "greet.yaml")
    path.write_text(
        "id: greet\n"
        "name: Greets somebody\n"
        "description: Says hello.\n"
        "status: draft\n"
        "timeout: 1m\n"
        "concurrency: {key: one, on_conflict: reject}\n"
        "params:\n"
        "  who: {enum: [a, b], description: Whom}\n"
        "  times: {type: integer, default: 2}\n"
        "  token: {secret: true, required: false}\n"
        'run: [echo, "${{ params.who }}"]\n'
    )
    return path


def test_an_empty_list_says_where_it_looked_and_what_to_do(home: Home, cli: Cli) -> None:
    result = cli("--no-allow-command", "workflows", "list")
    assert lines_of(result) == [
        f"There are no workflows yet in {home.workflows}.",
        "next: outlast demo | outlast workflows new ID",
    ]


def test_the_list_tells_how_each_last_went_and_what_was_skipped(home: Home, cli: Cli, greet: Path) -> None:
    wrong = Path(home.workflows, "wrong.yaml")
    wrong.write_text(WRONG)
    assert cli("run", "--wait", "greet", "-p", "who=a").exit_code == 0
    lines = lines_of(cli("--no-allow-command", "workflows", "list"))
    assert lines[0].split() == ["id", "name", "status", "last", "when"]
    assert lines[1].split()[:5] == ["greet", "Greets", "somebody", "draft", "completed"]
    assert lines[2] == f"skipped: {wrong} has 3 problems:"
    assert [word in line for word, line in zip(("run[0]", "timeout", "colour"), lines[3:], strict=True)] == [True] * 3
    view = json.loads(cli("workflows", "list", "--json").stdout)
    assert [one["workflow_id"] for one in view["workflows"]] == ["command", "greet"]
    assert view["workflows"][1]["last_execution"]["number"] == 1
    assert view["workflows"][0]["last_execution"] is None
    assert [one["path"] for one in view["skipped"]] == [str(wrong)]
    assert view["directories"] == [home.workflows]


def test_further_directories_are_searched(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text("id: far\nrun: [echo, far]\n")
    assert cli("--workflow-dirs", tmp_path, "run", "--wait", "far").stdout == "far\n"


def test_show_tells_what_it_takes_and_how_it_usually_goes(cli: Cli, greet: Path) -> None:
    for _ in range(3):
        cli("run", "--wait", "greet", "-p", "who=a")
    text = cli("workflows", "show", "greet").stdout
    for part in (
        "greet · Greets somebody · draft",
        "Says hello.",
        'run         ["echo", "${{ params.who }}"]',
        "who: a|b, required: Whom",
        "times: integer, default 2",
        "token: secret string",
        "timeout     60 s",
        f"file        {greet}",
        "Usually 0",
        "100 % succeed (3 runs)",
        "next: outlast run greet -p who=…",
    ):
        assert part in text
    view = json.loads(cli("workflows", "show", "greet", "--json").stdout)
    assert (view["runs"], view["success_percent"]) == (3, 100)
    assert view["usual_seconds"] < 60
    assert view["definition"]["params"]["times"] == {"default": 2, "type": "integer"}


def test_show_of_an_unknown_one_names_what_is_near(cli: Cli, greet: Path) -> None:
    result = cli("workflows", "show", "great")
    assert result.exit_code == 3
    assert "did you mean greet" in result.stderr


def test_validate_says_everything_that_is_wrong_and_exits_with_2(cli: Cli, greet: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(WRONG)
    result = cli("workflows", "validate", greet, wrong)
    assert result.exit_code == 2
    assert result.stdout == f"{greet}: ok, workflow greet\n"
    for part in ("3 problems", "run[0]", "timeout", "colour"):
        assert part in result.stderr
    view = json.loads(cli("workflows", "validate", "--json", greet, wrong).stdout)
    sound, unsound = view["files"]
    assert sound == {"path": str(greet), "workflow_id": "greet", "problems": []}
    assert (unsound["path"], unsound["workflow_id"]) == (str(wrong), None)
    assert [(one["line"], one["field"]) for one in unsound["problems"]] == [
        (2, "run[0]"),
        (3, "timeout"),
        (4, "colour"),
    ]
    assert "must be a string" in unsound["problems"][0]["message"]
    assert cli("workflows", "validate", greet).exit_code == 0


def test_validate_says_of_a_copy_that_another_file_has_its_id(home: Home, cli: Cli, greet: Path) -> None:
    copy = Path(home.workflows, "greet-old.yaml")
    copy.write_text(greet.read_text())
    result = cli("workflows", "validate", greet, copy)
    said = f"has the id greet, which belongs to {greet}; give it another id"
    assert (result.exit_code, result.stdout, result.stderr) == (
        2,
        f"{greet}: ok, workflow greet\n",
        f"{copy}: {said}\n",
    )
    view = json.loads(cli("workflows", "validate", "--json", copy).stdout)["files"]
    problem = {"line": None, "field": None, "message": said}
    assert view == [{"path": str(copy), "workflow_id": "greet", "problems": [problem]}]


def test_new_writes_a_file_that_is_valid_and_never_overwrites_one(home: Home, cli: Cli) -> None:
    path = Path(home.workflows, "mine.yaml")
    result = cli("workflows", "new", "mine")
    assert (result.exit_code, lines_of(result)[0]) == (0, str(path))
    assert load_file(path).id == "mine"
    assert cli("run", "--wait", "mine").stdout == "Hello, world\n"
    path.write_text("mine")
    again = cli("workflows", "new", "mine")
    assert (again.exit_code, again.stderr.split(":")[0]) == (4, "file_exists")
    assert path.read_text() == "mine"


def test_new_writes_where_it_is_told_and_says_when_nobody_looks_there(cli: Cli, tmp_path: Path) -> None:
    result = cli("workflows", "new", "mine", "--dir", tmp_path, "--json")
    assert json.loads(result.stdout) == {"workflow_id": "mine", "path": str(tmp_path / "mine.yaml")}
    assert "workflow_dirs" in result.stderr
    assert cli("--workflow-dirs", tmp_path, "workflows", "new", "other", "--dir", tmp_path).stderr == ""
    assert cli("workflows", "new", "Not An Id").exit_code == 2
    assert cli("workflows", "new", "mine", "--dir", tmp_path / "none").exit_code == 2


def test_the_demo_workflows_load(home: Home, cli: Cli) -> None:
    result = cli("demo")
    assert result.exit_code == 0
    written = [line.partition(": ")[2] for line in lines_of(result) if line.startswith("written: ")]
    assert sorted(Path(path).name for path in written) == sorted(path.name for path in SOURCE.glob("*.[yp]*"))
    view = json.loads(cli("--no-allow-command", "workflows", "list", "--json").stdout)
    assert [one["workflow_id"] for one in view["workflows"]] == ["disk-report", "line-count", "slow-count", "wheel"]
    assert view["skipped"] == []
    assert load_file(Path(home.workflows, "wheel.yaml")).env["PYTHON"] == sys.executable


def test_the_demo_workflows_do_what_they_say(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1\n2\n3\n")
    (tmp_path / "b.txt").write_text("1\n")
    (tmp_path / "c.bin").write_bytes(b"\0\n")
    cli("demo")
    result = cli("run", "--wait", "line-count", "-p", f"directory={tmp_path}")
    assert [line.split() for line in lines_of(result)] == [
        ["1", "files", "3", "lines", ".py"],
        ["1", "files", "1", "lines", ".txt"],
    ]
    output = {"files": 2, "lines": 4, "by_suffix": {".py": 3, ".txt": 1}}
    assert json.loads(cli("show", "1", "--json").stdout)["output"] == output
    result = cli("run", "--wait", "disk-report", "-p", f"directory={tmp_path}")
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("MiB  .")
    assert cli("run", "--wait", "slow-count", "-p", "to=3", "-p", "pause=0").stdout == "1\n2\n3\n"
    missing = cli("run", "--wait", "disk-report", "-p", f"directory={tmp_path}/none")
    assert "none" in missing.stdout


def test_the_demo_keeps_what_somebody_changed_and_renews_the_rest(home: Home, cli: Cli) -> None:
    cli("demo")
    changed, older = Path(home.workflows, "slow-count.yaml"), Path(home.workflows, "wheel.yaml")
    changed.write_text(changed.read_text() + "# mine\n")
    result = cli("demo")
    assert (result.exit_code, result.stderr.split(":")[0]) == (4, "file_was_changed")
    assert f"changed since, kept: {changed}" in lines_of(result)
    assert f"already there: {older}" in lines_of(result)
    assert changed.read_text().endswith("# mine\n")


def test_a_later_demo_renews_what_an_earlier_one_has_written(
    home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/earlier/bin/python")
    cli("demo")
    monkeypatch.undo()
    monkeypatch.setenv("OUTLAST_HOME", home.root)
    assert f"written: {home.workflows}/wheel.yaml" in lines_of(cli("demo"))
    assert load_file(Path(home.workflows, "wheel.yaml")).env["PYTHON"] == sys.executable


def test_the_demo_runs_through_servers_of_its_own(home: Home, cli: Cli) -> None:
    result = cli("demo", "--run", "--workflow", "slow-count", "-p", "to=3", "-p", "pause=0.1")
    assert result.exit_code == 0, result.stdout
    assert "execute_workflow" in result.stdout
    assert "Both servers agree about execution #1 " in result.stdout
    assert cli("logs", "1", "--raw").stdout == "1\n2\n3\n"
    assert list(Path(home.runs).iterdir()) == []


def test_the_demo_takes_this_directory_for_the_project_or_says_that_it_is_none(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("demo", "--run")
    assert result.exit_code == 2
    assert "is no Python project" in result.stderr
    assert "outlast demo --run -p project=DIRECTORY" in result.stderr
    assert cli("demo", "-p", "a=b").exit_code == 2
    assert cli("demo", "--run", "--workflow", "none").exit_code == 3
