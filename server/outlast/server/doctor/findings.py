"""What a check found."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from outlast.kernel.process import ProcessId


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """Works, but not as somebody would expect, or not for ever."""
    PROBLEM = "problem"
    """Something does not work."""


class Mending(StrEnum):
    """What `--fix` can do. It goes through the findings in the order in which they were made: the database comes first,
    executions before their run directories, processes last.
    """

    INDEXES = "indexes"
    WAL = "wal"
    EXECUTIONS = "executions"
    RUN_DIRECTORIES = "run directories"
    LIBRARIES = "libraries"
    TEMPORARY = "temporary files"
    PROCESSES = "processes"


class Fix(NamedTuple):
    mending: Mending
    words: str
    """What would be done, to what: `stop 2 processes: 4711, 4712`."""
    processes: frozenset[ProcessId] = frozenset()
    """Those that would be stopped; no others are."""


class Finding(NamedTuple):
    check: str
    """What was looked at: one or two words."""
    level: Level
    message: str
    """One sentence."""
    next: str | None = None
    """What to do, or what could be done."""
    fix: Fix | None = None
    """What `--fix` does about it."""


def ok(check: str, message: str, next: str | None = None) -> Finding:
    return Finding(check, Level.OK, message, next)


def warning(check: str, message: str, next: str) -> Finding:
    return Finding(check, Level.WARNING, message, next)


def problem(check: str, message: str, next: str) -> Finding:
    return Finding(check, Level.PROBLEM, message, next)


def mendable(finding: Finding, mending: Mending, words: str, processes: Iterable[ProcessId] = ()) -> Finding:
    """The same finding with what `--fix` does about it."""
    return finding._replace(fix=Fix(mending, words, frozenset(processes)))


def numbers_words(numbers: Sequence[int], most: int = 10) -> str:
    """`#4, #7`; of many the first ones."""
    words = ", ".join(f"#{number}" for number in numbers[:most])
    return words if len(numbers) <= most else f"{words} and {len(numbers) - most} more"


def size_words(size: int) -> str:
    """`3 MiB`, `1.5 GiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
