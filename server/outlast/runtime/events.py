"""Events that programs tell, each a JSON object on a line: in the file $OUTLAST_EVENTS, or printed behind
`__WF_EVENT__:` where their workflow says so."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias, cast

from outlast.kernel.marks import EVENT, MERGED, STDERR
from outlast.kernel.plan import Json
from outlast.storage.logs.lines import Line

MARKER = b"__WF_EVENT__:"
PATTERN = "^" + MARKER.decode()
"""What finds such lines in a log, as an RE2 expression."""
LONGEST = 64 << 10
"""Bytes of a line that is still read as an event."""
SAID_ON = (MERGED, STDERR)
"""The streams on which events are said behind the marker."""

LARGEST = 1_000_000
"""Of a phase's number, and of a count."""
EXACT = 2**53
"""Larger integers are no longer exact where numbers are floating point, as in most JSON readers."""

Said: TypeAlias = str | int | float | None
"""A value in an event."""
Check: TypeAlias = Callable[[Json], bool]


def is_text(value: Json) -> bool:
    return isinstance(value, str)


def is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def is_number(value: Json) -> bool:
    """Finite, and an integer only as long as it is exact everywhere."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= EXACT if isinstance(value, int) else isfinite(value)


def is_percent(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def perhaps(check: Check) -> Check:
    """May be left out, or null."""
    return lambda value: value is None or check(value)


KINDS: Mapping[str, Mapping[str, Check]] = {
    "progress": {"percent": is_percent, "message": perhaps(is_text), "phase": perhaps(is_text)},
    "phase": {"name": is_text, "number": perhaps(is_count), "total": perhaps(is_count)},
    "metric": {"name": is_text, "value": is_number, "unit": perhaps(is_text)},
    "message": {"message": is_text},
    "phase_started": {"phase": is_count, "name": is_text, "total_phases": is_count},
    "phase_completed": {"phase": is_count, "name": is_text},
    "phase_failed": {"phase": is_count, "name": is_text, "error": is_text},
    "task_started": {
        "phase": is_count,
        "task_id": is_text,
        "description": is_text,
        "total_tasks": perhaps(is_count),
    },
    "task_progress": {"task_id": is_text, "message": is_text},
    "task_completed": {"task_id": is_text, "result": perhaps(is_text)},
    "task_failed": {"task_id": is_text, "error": is_text},
    "agent_started": {"task_id": is_text, "agent_name": is_text, "description": is_text},
    "agent_message": {"task_id": is_text, "agent_name": is_text, "message": is_text},
    "agent_completed": {"task_id": is_text, "agent_name": is_text, "result": perhaps(is_text)},
    "agent_failed": {"task_id": is_text, "agent_name": is_text, "error": is_text},
    "state_file_created": {"phase": is_count, "file_path": is_text, "description": is_text},
    "raw_output": {"stream": is_text, "line": is_text},
}
"""What each type of event says. Other keys are left out."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it was printed; its texts may be of any length and hold anything."""

    type: str
    data: Mapping[str, Said]
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
            case "progress":
                place = f"{self.text('phase')}, " if self.text("phase") else ""
                return f"{place}{plain(self.data['percent'])} %" + (f": {self.message}" if self.message else "")
            case "phase":
                return f"phase {self.text('name')}"
            case "metric":
                unit = f" {self.text('unit')}" if self.text("unit") else ""
                return f"{self.text('name')} = {plain(self.data['value'])}{unit}"
            case "message":
                return self.message
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


def event_of(line: Line, *, marked: bool = True) -> Event | None:
    """The event that a line is; None for text, also for what is malformed or of an unknown type.

    `marked`: whether the workflow says that printed lines with the marker are events.
    """
    if line.cut or len(line.data) > LONGEST:
        return None
    if line.spool.stream == EVENT:
        return parsed(line.data)
    if marked and line.spool.stream in SAID_ON and line.data.startswith(MARKER):
        return parsed(line.data[len(MARKER) :])
    return None


def parsed(text: bytes) -> Event | None:
    """The event that a JSON text is."""
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    values = cast("dict[str, Json]", said)
    kind = values.get("type")
    wanted = KINDS.get(kind) if isinstance(kind, str) else None
    if wanted is None or not all(check(values.get(key)) for key, check in wanted.items()):
        return None
    return Event(cast("str", kind), {key: cast("Said", values.get(key)) for key in wanted})


def plain(value: Said) -> str:
    """A number for people: with thousands apart, and no more digits than say something."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{int(value):,}" if value.is_integer() and abs(value) <= EXACT else f"{value:.6g}"
    return str(value)
