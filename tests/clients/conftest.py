"""A home directory without clients; nobody's own configurations are in reach."""

from pathlib import Path

import pytest
from machines import Place

ELSEWHERE = ("XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "CLAUDE_CONFIG_DIR", "CODEX_HOME")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    home = tmp_path / "person"
    (home / "project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "project")
    for variable in ELSEWHERE:
        monkeypatch.delenv(variable, raising=False)
    return Place(home)
