"""Tells Outlast how far a workflow is, as lines of the file $OUTLAST_EVENTS.

Each event is one write at the end of the file, so threads and processes do not mix theirs. Outside of Outlast, where
the variable is not set, nothing is written. A value that is no event raises ValueError where it is told.
"""

from __future__ import annotations

import json
import math
import os

LONGEST = 64 << 10
"""Bytes of an event. Texts that make it longer are cut."""
LONGEST_TEXT = 4000
"""Characters kept of each text where an event is too long."""
EXACT = 2**53


def progress(percent: float, message: str | None = None, phase: str | None = None) -> None:
    """How far the whole workflow is: 0 to 100; what it is doing, and the name of the phase that it is in."""
    if not 0 <= _number("percent", percent) <= 100:
        raise ValueError(f"percent: {percent!r} is not from 0 to 100")
    _tell("progress", percent=percent, message=message, phase=phase)


def phase(name: str, number: int | None = None, total: int | None = None) -> None:
    """A phase begins, and the one before it is completed. `number` is counted if it is left out; with `total`, how many
    there are to be, Outlast says how many percent are completed."""
    _tell("phase", name=name, number=number, total=total)


def metric(name: str, value: float, unit: str | None = None) -> None:
    """A measured value; the newest of each name is shown, and how many there were."""
    _tell("metric", name=name, value=_number("value", value), unit=unit)


def message(text: str) -> None:
    """What is going on."""
    _tell("message", message=text)


def _number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{field}: {value!r} is no finite number")
    return value if isinstance(value, float) or abs(value) <= EXACT else float(value)


def _tell(kind: str, **said: object) -> None:
    path = os.environ.get("OUTLAST_EVENTS")
    if not path:
        return
    event = {"type": kind, **{key: value for key, value in said.items() if value is not None}}
    line = json.dumps(event).encode()
    if len(line) >= LONGEST:
        short = {key: value[:LONGEST_TEXT] if isinstance(value, str) else value for key, value in event.items()}
        line = json.dumps(short).encode()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line + b"\n")
    finally:
        os.close(file)
