"""`install` and `uninstall`: what they write, what they leave alone, what they refuse."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from machines import Place

from outlast.kernel.errors import Conflict
from outlast.server.cli.root import outlast
from outlast.server.clients import launch, replacing
from outlast.server.clients.launch import this_installation
from outlast.server.clients.table import CLIENTS

PATH = "/usr/bin:/bin"


@pytest.fixture(autouse=True)
def variables(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTLAST_HOME")
    monkeypatch.setenv("PATH", PATH)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(outlast, arguments)


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def servers(place: Place, client: str) -> Any:
    """What a client's configuration says of servers."""
    path, key = CLIENTS[client].file(place.machine()), CLIENTS[client].key
    data = path.read_bytes()
    return (tomllib.loads(data.decode()) if path.suffix == ".toml" else json.loads(data))[key]


@pytest.mark.requirement("C3")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_configured_to_start_this_installation(place: Place, client: str) -> None:
    CLIENTS[client].signs(place.machine())[-1].mkdir(parents=True)
    assert answer("install", client)["outcome"] == "added"
    entry = servers(place, client)["outlast"]
    assert Path(entry["command"]).is_absolute()
    assert entry["args"] == ["serve"]
    assert entry["env"] == {"OUTLAST_PATH": PATH}
    assert entry.get("type") == ("stdio" if client in ("claude-code", "vscode") else None)
    version = subprocess.run([entry["command"], "--version"], capture_output=True, check=True, timeout=60).stdout
    assert version.startswith(b"outlast ")
    before = place.files()
    assert answer("install", client)["outcome"] == "already there"
    assert place.files() == before, "an identical entry writes nothing"
    assert answer("uninstall", client)["outcome"] == "removed"
    assert "outlast" not in servers_or_none(place, client)
    assert answer("uninstall", client)["outcome"] == "not there"


def servers_or_none(place: Place, client: str) -> Any:
    try:
        return servers(place, client)
    except KeyError:  # an empty table of TOML
        return {}


def test_everything_else_stays_as_it_was_and_is_kept_beside(place: Place) -> None:
    text = '{"numStartups": 12,\n  "mcpServers": {"mine": {"command": "x"}},\n "projects": {"/a": {"é": 1.50}}}'
    path = place.write(".claude.json", text)
    path.chmod(0o640)
    said = answer("install", "claude-code")
    put = path.read_text()
    head, tail = text.split('}},\n "projects"')
    assert put.startswith(head)
    assert put.endswith('}},\n "projects"' + tail)
    assert path.stat().st_mode & 0o777 == 0o640
    backup = Path(said["backup"])
    assert (backup.read_text(), backup.stat().st_mode & 0o777) == (text, 0o640)
    assert backup.parent == path.parent
    answer("uninstall", "claude-code")
    assert path.read_text() == text
    assert backup.read_text() == text, "the copy from before Outlast stays"
    names = [".claude.json", backup.name, backup.name + "-2", "project"]
    assert sorted(each.name for each in path.parent.iterdir()) == names


def test_a_link_stays_a_link(place: Place) -> None:
    real = place.write("dotfiles/cursor.json", "{}\n")
    link = place.home / ".cursor/mcp.json"
    link.parent.mkdir()
    link.symlink_to("../dotfiles/cursor.json")
    answer("install", "cursor")
    assert link.is_symlink()
    assert "outlast" in json.loads(real.read_text())["mcpServers"]


def test_a_dry_run_shows_the_exact_change_and_writes_nothing(place: Place) -> None:
    path = place.write(".cursor/mcp.json", '{\n  "mcpServers": {}\n}\n')
    before = place.files()
    said = run("install", "cursor", "--dry-run")
    assert place.files() == before
    assert said.stdout.startswith(f"Cursor: outlast would be added: {path}\n--- {path}\n+++ {path}\n@@ ")
    patch = answer("install", "cursor", "--dry-run")["diff"]
    answer("install", "cursor")
    assert apply_patch(before[".cursor/mcp.json"].decode(), patch) == path.read_text()
    assert answer("uninstall", "cursor", "--dry-run")["dry_run"] is True
    assert "outlast" in json.loads(path.read_text())["mcpServers"]


def apply_patch(text: str, patch: str) -> str:
    """What a unified diff with one hunk over a whole file makes of it."""
    body = patch.splitlines(keepends=True)[3:]
    assert "".join(line[1:] for line in body if line[0] in " -") == text
    return "".join(line[1:] for line in body if line[0] in " +")


def test_what_somebody_added_to_the_entry_stays(place: Place) -> None:
    entry = {
        "command": "/old/outlast",
        "args": ["serve"],
        "env": {"TOKEN": "x", "OUTLAST_HOME": "/old", "OUTLAST_PATH": "/old"},
        "disabled": False,
    }
    place.write(".cursor/mcp.json", json.dumps({"mcpServers": {"outlast": entry}}))
    assert answer("install", "cursor")["outcome"] == "updated"
    put = servers(place, "cursor")["outlast"]
    assert put["env"] == {"TOKEN": "x", "OUTLAST_PATH": PATH}, "the home is the usual one again"
    assert put["disabled"] is False
    assert put["command"] != "/old/outlast"


def test_another_home_is_written_down_and_a_path_in_the_settings_is_not(place: Place) -> None:
    (place.home / ".cursor").mkdir()
    other = place.home / "other"
    answer("--home", str(other), "install", "cursor")
    assert servers(place, "cursor")["outlast"]["env"] == {"OUTLAST_PATH": PATH, "OUTLAST_HOME": str(other)}
    place.write("other/config.toml", 'path = "/set"\n')
    answer("--home", str(other), "install", "cursor")
    assert servers(place, "cursor")["outlast"]["env"] == {"OUTLAST_HOME": str(other)}
    answer("--home", str(other), "--path", "/flag:near", "install", "cursor")
    assert servers(place, "cursor")["outlast"]["env"]["OUTLAST_PATH"] == "/flag", "a relative place is none"
    assert [each.name for each in other.iterdir()] == ["config.toml"], "the home is not made by it"


def test_names_and_projects(place: Place) -> None:
    said = run("install", "vscode", "--project", "--name", "jobs")
    assert said.exit_code == 0, said.output
    assert "keep the file out of version control" in said.stderr
    path = place.home / "project/.vscode/mcp.json"
    assert list(json.loads(path.read_text())["servers"]) == ["jobs"]
    assert run("install", "windsurf", "--project").exit_code == 2
    assert run("install", "cursor", "--name", "a b", "--force").exit_code == 2
    assert answer("uninstall", "vscode", "--project", "--name", "jobs")["path"] == str(path)
    assert json.loads(path.read_text()) == {"servers": {}}


def test_a_client_that_is_not_there_is_only_configured_by_force(place: Place) -> None:
    said = run("install", "cursor")
    assert (said.exit_code, said.stderr.split(":")[0]) == (3, "client_not_found")
    assert "outlast install cursor --force" in said.stderr
    assert place.files() == {}
    assert answer("install", "cursor", "--force")["outcome"] == "added"
    assert "outlast" in servers(place, "cursor")


@pytest.mark.parametrize(
    "text", ['{\n  // mine\n  "servers": {},\n}', "\xff\xfe", "[1]", '{"servers": ["x"]}', '{"a": 1} trailing']
)
def test_a_file_that_is_not_plain_json_loses_nothing_and_says_what_to_paste(place: Place, text: str) -> None:
    data = text.encode("latin-1")
    path = place.write(".config/Code/User/mcp.json", data)
    for dry_run in (["--dry-run"], []):
        said = run("install", "vscode", *dry_run)
        assert (said.exit_code, said.stderr.split(":")[0]) == (2, "configuration_not_understood")
        assert str(path) in said.stderr
        pasted = "{" + said.stderr.partition('"servers": ')[2].strip() + "}"
        assert json.loads(pasted)["outlast"]["args"] == ["serve"]
    assert run("uninstall", "vscode").exit_code == 2
    assert place.files() == {".config/Code/User/mcp.json": data}


def test_a_server_of_somebody_else_with_the_same_name_stays(place: Place) -> None:
    place.write(".cursor/mcp.json", '{"mcpServers": {"outlast": {"command": "/usr/bin/other"}}}')
    before = place.files()
    for command in ("install", "uninstall"):
        said = run(command, "cursor")
        assert (said.exit_code, said.stderr.split(":")[0]) == (4, "name_taken")
    assert place.files() == before


def test_a_file_that_changes_meanwhile_is_left_alone(place: Place) -> None:
    path = place.write("config.json", "new")
    with pytest.raises(Conflict, match="nothing was written"):
        replacing.replace(path, b"old", b"ours")
    assert path.read_text() == "new"
    assert [each for each in place.files() if "tmp" in each] == []


def test_a_file_that_cannot_be_written_is_an_error_of_ours(place: Place) -> None:
    (place.home / ".cursor").mkdir()
    (place.home / ".cursor/mcp.json").symlink_to("/proc/nowhere/mcp.json")
    said = run("install", "cursor")
    assert said.exit_code == 2
    assert said.stderr.startswith(f"invalid_input: {place.home}/.cursor/mcp.json cannot be written: ")


def test_a_directory_in_the_files_place_is_an_error_of_ours(place: Place) -> None:
    (place.home / ".cursor/mcp.json").mkdir(parents=True)
    said = run("install", "cursor")
    assert said.exit_code == 2
    assert said.stderr.startswith(f"invalid_input: {place.home}/.cursor/mcp.json cannot be read: ")


@pytest.mark.requirement("C3")
def test_without_a_client_all_are_listed(place: Place) -> None:
    place.write(".cursor/mcp.json", '{"mcpServers": {"mine": {"command": "uvx", "args": ["outlast", "serve"]}}}')
    place.write(".config/Code/User/mcp.json", "// nothing")
    views = {view["client"]: view for view in answer("install")["clients"]}
    assert views.keys() == CLIENTS.keys()
    assert (views["cursor"]["found"], views["cursor"]["configured_as"]) == (True, ["mine"])
    assert views["vscode"]["problem"].startswith(views["vscode"]["path"])
    assert (views["windsurf"]["found"], views["windsurf"]["configured_as"]) == (False, [])
    lines = run("install").stdout.splitlines()
    assert len(lines) == len(CLIENTS) + 2
    assert run("install", "emacs").exit_code == 2


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_command_is_the_one_that_runs_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = executable(tmp_path / "a/outlast")
    beside = executable(tmp_path / "b/outlast")
    python = executable(tmp_path / "b/python3")
    link = tmp_path / "c/outlast"
    link.parent.mkdir()
    link.symlink_to(named)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(link.parent))
    assert this_installation(str(named), str(python)) == (str(named), ("serve",))
    assert this_installation("a/outlast", str(python)).command == str(named), "relative to here"
    assert this_installation("outlast", str(python)).command == str(link), "found by PATH; a link is kept"
    assert this_installation("/x/outlast/__main__.py", str(python)).command == str(beside)
    beside.unlink()
    assert this_installation("/x/pytest", str(python)) == (str(python), ("-m", "outlast", "serve"))
    assert this_installation("/gone/outlast", sys.executable).command == str(Path(sys.executable).with_name("outlast"))


def test_a_command_in_a_cache_is_warned_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.home / ".cursor").mkdir()
    monkeypatch.setattr(launch.tempfile, "gettempdir", lambda: str(place.home / "tmp"))
    for folder, warned in ((".cache/uv/x/bin", True), ("tmp/y", True), ("venv/bin", False)):
        command = executable(place.home / folder / "outlast")
        monkeypatch.setattr(sys, "argv", [str(command)])
        said = run("install", "cursor")
        assert servers(place, "cursor")["outlast"]["command"] == str(command)
        assert ("may be gone one day" in said.stderr) is warned
