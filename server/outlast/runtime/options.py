"""What a runtime is told when it is opened; it reads no settings itself."""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.storage.retention import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    home: Home
    trigger: str
    """What this process is in the history: mcp, cli …"""
    user: str = field(default_factory=getpass.getuser)
    max_running: int | None = None
    """Stored for all processes over this home when given."""
    path: str | None = None
    """PATH of children; None: this process's own."""
    env_pass: tuple[str, ...] = ()
    """Variables passed to children, treated as secrets."""
    mask_tokens: bool = True
    """Whether lines hide what looks like a token, where a workflow does not say."""
    allow_command: bool = False
    workflow_directories: tuple[Path, ...] = ()
    """Searched after the home's own."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: Clock = field(default_factory=Clock)
    background: bool = False
    """Whether this process lives long: it then looks after executions and seals logs without being asked."""

    retention: Limits | None = None
    """What a process that lives long leaves of old executions; None: all of them."""
    archive_directory: Path | None = None
    """Where it archives them first; None: nowhere."""

    @property
    def directories(self) -> tuple[Path, ...]:
        return (Path(self.home.workflows), *self.workflow_directories)
