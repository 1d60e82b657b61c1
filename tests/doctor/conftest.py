"""A person whose clients a doctor may look for, and what tests of mending hold in their hands."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outlast.server.doctor import examination


@pytest.fixture(autouse=True)
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without clients."""
    person = tmp_path / "person"
    person.mkdir()
    monkeypatch.setenv("HOME", str(person))
    monkeypatch.chdir(person)
    for variable in ("XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return person


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a server answers is looked at elsewhere."""
    monkeypatch.setattr(examination, "server_finding", lambda *_: iter(()))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Lets executions go on that read a line of `tmp_path/gate`."""
    os.mkfifo(tmp_path / "gate")
    fd = os.open(tmp_path / "gate", os.O_RDWR)
    yield lambda: (os.write(fd, b"go\n"), None)[1]
    os.close(fd)
