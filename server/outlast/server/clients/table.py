"""The clients: one line of facts each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outlast.server.clients import json_text, toml_text
from outlast.server.clients.formats import Format
from outlast.server.clients.machine import Machine

JSON = Format("JSON", json_text.read, json_text.edited, json_text.snippet)
TOML = Format("TOML", toml_text.read, toml_text.edited, toml_text.snippet)


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    """What `outlast install` calls it."""
    title: str
    file: Callable[[Machine], Path]
    """The user's configuration."""
    signs: Callable[[Machine], tuple[Path, ...]]
    """Where one of these is, the client has been used on this machine."""
    again: str
    """What makes the client read its configuration again; an instruction."""
    key: str = "mcpServers"
    """Under which servers stand, by name."""
    project_file: str | None = None
    """Relative to a project's directory; None where the client knows no such file."""
    typed: bool = False
    """Whether an entry says that it is of type stdio."""
    format: Format = JSON

    def entry(self, command: str, arguments: tuple[str, ...], env: dict[str, str]) -> dict[str, object]:
        """The entry of a server that is started by this command."""
        kind: dict[str, object] = {"type": "stdio"} if self.typed else {}
        return {**kind, "command": command, "args": list(arguments), "env": env}


def claude_desktop(machine: Machine) -> Path:
    """Claude Desktop's directory. On Windows the packaged program (MSIX) sees its own one only, whatever lies in the
    usual place."""
    if machine.platform == "win32":
        packages = machine.place("LOCALAPPDATA", "AppData/Local") / "Packages"
        own = [package / "LocalCache/Roaming/Claude" for package in sorted(packages.glob("Claude_*"))]
        own.sort(key=lambda folder: not (folder / DESKTOP_FILE).is_file())  # leftovers of another package come last
        if own:
            return own[0]
    return machine.configurations / "Claude"


DESKTOP_FILE = "claude_desktop_config.json"


def claude_desktop_signs(machine: Machine) -> tuple[Path, ...]:
    folder = claude_desktop(machine)
    # A package's directory is there before the program has made the one inside.
    package = (folder.parents[2],) if "Packages" in folder.parts else ()
    return (folder, *package)


def claude_code(machine: Machine) -> Path:
    return machine.place("CLAUDE_CONFIG_DIR", ".") / ".claude.json"


def codex(machine: Machine) -> Path:
    return machine.place("CODEX_HOME", ".codex")


ALL: tuple[Client, ...] = (
    Client(
        "claude-desktop",
        "Claude Desktop",
        lambda m: claude_desktop(m) / DESKTOP_FILE,
        claude_desktop_signs,
        "quit Claude Desktop and start it again",
    ),
    Client(
        "claude-code",
        "Claude Code",
        claude_code,
        lambda m: (claude_code(m), m.place("CLAUDE_CONFIG_DIR", ".claude")),
        "start a new session; /mcp lists the servers",
        project_file=".mcp.json",
        typed=True,
    ),
    Client(
        "cursor",
        "Cursor",
        lambda m: m.home / ".cursor/mcp.json",
        lambda m: (m.home / ".cursor",),
        "look at Settings, MCP: switch the server on, or restart Cursor",
        project_file=".cursor/mcp.json",
    ),
    Client(
        "vscode",
        "VS Code",
        lambda m: m.configurations / "Code/User/mcp.json",
        lambda m: (m.configurations / "Code",),
        "run “MCP: List Servers” in VS Code and start it there",
        key="servers",
        project_file=".vscode/mcp.json",
        typed=True,
    ),
    Client(
        "windsurf",
        "Windsurf",
        lambda m: m.home / ".codeium/windsurf/mcp_config.json",
        lambda m: (m.home / ".codeium/windsurf",),
        "press Refresh above Cascade's list of MCP servers",
    ),
    Client(
        "gemini-cli",
        "Gemini CLI",
        lambda m: m.home / ".gemini/settings.json",
        lambda m: (m.home / ".gemini",),
        "start Gemini CLI again; /mcp lists the servers",
        project_file=".gemini/settings.json",
    ),
    Client(
        "codex",
        "Codex",
        lambda m: codex(m) / "config.toml",
        lambda m: (codex(m),),
        "start Codex again",
        key="mcp_servers",
        format=TOML,
    ),
)
CLIENTS = {client.name: client for client in ALL}
