"""Events that programs print: lines that begin with `__WF_EVENT__:` and go on with a JSON object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from outlast.kernel.marks import MERGED, STDERR
from outlast.kernel.plan import Json
from outlast.storage.logs.lines import Line

MARKER = b"__WF_EVENT__:"
PATTERN = "^" + MARKER.decode()
"""What finds such lines in a log, as an RE2 expression."""
LONGEST = 64 << 10
"""Bytes of a line that is still read as an event."""
SAID_ON = (MERGED, STDERR)
"""The streams on which events are said."""

TEXT, NUMBER, PERHAPS_TEXT, PERHAPS_NUMBER = (str,), (int,), (str, type(None)), (int, type(None))
KINDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "phase_started": {"phase": NUMBER, "name": TEXT, "total_phases": NUMBER},
    "phase_completed": {"phase": NUMBER, "name": TEXT},
    "phase_failed": {"phase": NUMBER, "name": TEXT, "error": TEXT},
    "task_started": {"phase": NUMBER, "task_id": TEXT, "description": TEXT, "total_tasks": PERHAPS_NUMBER},
    "task_progress": {"task_id": TEXT, "message": TEXT},
    "task_completed": {"task_id": TEXT, "result": PERHAPS_TEXT},
    "task_failed": {"task_id": TEXT, "error": TEXT},
    "agent_started": {"task_id": TEXT, "agent_name": TEXT, "description": TEXT},
    "agent_message": {"task_id": TEXT, "agent_name": TEXT, "message": TEXT},
    "agent_completed": {"task_id": TEXT, "agent_name": TEXT, "result": PERHAPS_TEXT},
    "agent_failed": {"task_id": TEXT, "agent_name": TEXT, "error": TEXT},
    "state_file_created": {"phase": NUMBER, "file_path": TEXT, "description": TEXT},
    "raw_output": {"stream": TEXT, "line": TEXT},
}
"""What each type of event says. Other keys are left out."""
LARGEST = 1_000_000
"""Of a phase's number, and of a count."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it was printed; its texts may be of any length and hold anything."""

    type: str
    data: Mapping[str, str | int | None]
    """What KINDS names for the type."""

    def text(self, key: str) -> str:
        """A text; "" where it was left out."""
        value = self.data[key]
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        value = self.data[key]
        return value if isinstance(value, int) else None

    def words(self) -> str:
        """The event as a line for people."""
        number = self.data.get("phase")
        match self.type:
            case "phase_started" | "phase_completed":
                return f"phase {number} {self._verb}: {self.text('name')}"
            case "phase_failed":
                return f"phase {number} failed: {self.text('name')}: {self.text('error')}"
            case "state_file_created":
                return f"state file of phase {number}: {self.text('file_path')} ({self.text('description')})"
            case "raw_output":
                return self.text("line")
            case _:
                who = f"task {self.text('task_id')}"
                if self.type.startswith("agent_"):
                    who = f"agent {self.text('agent_name')} of {who}"
                did = "" if self._verb in ("progress", "message") else f" {self._verb}"
                message = self.message
                return f"{who}{did}: {message}" if message else who + did

    @property
    def message(self) -> str:
        """What it says about its task or agent."""
        return next((self.text(key) for key in ("description", "message", "result", "error") if key in self.data), "")

    @property
    def _verb(self) -> str:
        return self.type.rpartition("_")[2]


def event_of(line: Line) -> Event | None:
    """The event that a line is; None for text, also for what is malformed or of an unknown type."""
    if line.cut or line.spool.stream not in SAID_ON or not line.data.startswith(MARKER) or len(line.data) > LONGEST:
        return None
    try:
        said: object = json.loads(line.data[len(MARKER) :])
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    values = cast("dict[str, Json]", said)
    kind = values.get("type")
    wanted = KINDS.get(kind) if isinstance(kind, str) else None
    if wanted is None or not all(fits(values.get(key), types) for key, types in wanted.items()):
        return None
    return Event(cast("str", kind), {key: cast("str | int | None", values.get(key)) for key in wanted})


def fits(value: Json, types: tuple[type, ...]) -> bool:
    """Whether a value is of one of the types; numbers are small ones from 0 on."""
    if isinstance(value, bool) or not isinstance(value, types):
        return False
    return not isinstance(value, int) or 0 <= value <= LARGEST
