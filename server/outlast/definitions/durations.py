"""Durations as people write them: 90, "90s", "2h", "1h30m", "500ms", "3d"."""

import math
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$|^[0-9]+(\.[0-9]+)?$"
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
LONGEST = 10 * 365 * 86400.0
EXAMPLES = 'write seconds (90) or units ("500ms", "90s", "1h30m", "3d")'


def parse_duration(value: object) -> float:
    """Seconds. Raises ValueError with a sentence about what is wrong."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"must be a duration: {EXAMPLES}")
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 40 or not re.match(PATTERN, text):
            raise ValueError(f"is not a duration: {EXAMPLES}")
        parts = PART.findall(text)
        seconds = sum(float(number) * UNITS[unit] for number, unit in parts) if parts else float(text)
    else:
        seconds = value if abs(value) <= LONGEST else math.inf
    if not 0 <= seconds <= LONGEST:
        raise ValueError("must lie between 0 and ten years")
    return float(seconds)


def parse_positive_duration(value: object) -> float:
    """Like parse_duration, and above zero."""
    if not (seconds := parse_duration(value)):
        raise ValueError("must be longer than 0")
    return seconds
