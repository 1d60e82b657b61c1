"""What a check found."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """Works, but not as somebody would expect, or not for ever."""
    PROBLEM = "problem"
    """Something does not work."""


class Finding(NamedTuple):
    check: str
    """What was looked at: one or two words."""
    level: Level
    message: str
    """One sentence."""
    next: str | None = None
    """What to do, or what could be done."""


def ok(check: str, message: str, next: str | None = None) -> Finding:
    return Finding(check, Level.OK, message, next)


def warning(check: str, message: str, next: str) -> Finding:
    return Finding(check, Level.WARNING, message, next)


def problem(check: str, message: str, next: str) -> Finding:
    return Finding(check, Level.PROBLEM, message, next)


def size_words(size: int) -> str:
    """`3 MiB`, `1.5 GiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
