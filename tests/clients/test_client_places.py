"""Where clients keep their configurations, per platform."""

from pathlib import Path

import pytest
from machines import Place

from outlast.kernel.errors import InvalidInput, NotFound
from outlast.server.clients.configuring import file_of, refuse_missing
from outlast.server.clients.table import CLIENTS

MAC = "Library/Application Support/"
PLACES = {
    "claude-desktop": (
        ".config/Claude/claude_desktop_config.json",
        MAC + "Claude/claude_desktop_config.json",
        "AppData/Roaming/Claude/claude_desktop_config.json",
    ),
    "claude-code": (".claude.json",) * 3,
    "cursor": (".cursor/mcp.json",) * 3,
    "vscode": (".config/Code/User/mcp.json", MAC + "Code/User/mcp.json", "AppData/Roaming/Code/User/mcp.json"),
    "windsurf": (".codeium/windsurf/mcp_config.json",) * 3,
    "gemini-cli": (".gemini/settings.json",) * 3,
    "codex": (".codex/config.toml",) * 3,
}
"""By client: on Linux, macOS and Windows."""


@pytest.mark.requirement("C3")
def test_every_client_has_its_place_on_every_platform(place: Place) -> None:
    assert PLACES.keys() == CLIENTS.keys()
    for name, places in PLACES.items():
        for platform, expected in zip(("linux", "darwin", "win32"), places, strict=True):
            assert CLIENTS[name].file(place.machine(platform)) == place.home / expected, (name, platform)


def test_variables_move_configurations(place: Place) -> None:
    moved = place.home / "moved"
    for name, platform, variable, expected in (
        ("claude-desktop", "linux", "XDG_CONFIG_HOME", "Claude/claude_desktop_config.json"),
        ("vscode", "win32", "APPDATA", "Code/User/mcp.json"),
        ("claude-code", "linux", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "darwin", "CODEX_HOME", "config.toml"),
    ):
        machine = place.machine(platform, **{variable: str(moved)})
        assert CLIENTS[name].file(machine) == moved / expected


def test_the_packaged_claude_desktop_of_windows_is_preferred(place: Place) -> None:
    machine = place.machine("win32")
    client = CLIENTS["claude-desktop"]
    place.write("AppData/Roaming/Claude/claude_desktop_config.json", "{}")
    packages = place.home / "AppData/Local/Packages"
    (packages / "Claude_new").mkdir(parents=True)
    own = Path("LocalCache/Roaming/Claude/claude_desktop_config.json")
    assert client.file(machine) == packages / "Claude_new" / own
    refuse_missing(client, machine)
    place.write(f"AppData/Local/Packages/Claude_used/{own}", "{}")
    assert client.file(machine) == packages / "Claude_used" / own, "the one with a configuration"


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_that_was_never_used_is_not_there(place: Place, name: str) -> None:
    client, machine = CLIENTS[name], place.machine()
    with pytest.raises(NotFound, match=f"{client.title} was not found on this machine: there is no {place.home}"):
        refuse_missing(client, machine)
    client.signs(machine)[-1].mkdir(parents=True)
    refuse_missing(client, machine)


def test_some_clients_have_files_for_projects(place: Place) -> None:
    machine = place.machine()
    found = {name: client.project_file for name, client in CLIENTS.items() if client.project_file}
    assert found == {
        "claude-code": ".mcp.json",
        "cursor": ".cursor/mcp.json",
        "vscode": ".vscode/mcp.json",
        "gemini-cli": ".gemini/settings.json",
    }
    assert file_of(CLIENTS["vscode"], machine, project=True) == place.home / "project/.vscode/mcp.json"
    with pytest.raises(InvalidInput, match="Claude Desktop has no configuration for single projects"):
        file_of(CLIENTS["claude-desktop"], machine, project=True)
