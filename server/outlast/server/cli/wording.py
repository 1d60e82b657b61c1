"""Times as people read and write them, and numbers of things; durations are said as in outlast.tools.texts."""

import re
import time
from datetime import datetime

from outlast.definitions.durations import EXAMPLES, parse_duration
from outlast.kernel.errors import InvalidInput


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 line`, `1,204 lines`; `nouns` where the plural is another one."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def now() -> int:
    """µs since the epoch."""
    return time.time_ns() // 1000


def local(us: int) -> datetime:
    """A time in the local time zone."""
    return datetime.fromtimestamp(us / 1_000_000).astimezone()


def moment(us: int, at: int) -> str:
    """`14:02`, `yesterday 14:02`, `12 Nov 14:02`, `12 Nov 2024`: as short as it is clear at `at`."""
    then, today = local(us), local(at)
    days = (today.date() - then.date()).days
    if days == 0:
        return f"{then:%H:%M}"
    if days == 1:
        return f"yesterday {then:%H:%M}"
    if then.year == today.year:
        return f"{then.day} {then:%b %H:%M}"
    return f"{then.day} {then:%b %Y}"


def full_moment(us: int) -> str:
    """`20 Nov 2026 14:02:11 CET`."""
    then = local(us)
    return f"{then.day} {then:%b %Y %H:%M:%S %Z}"


def parse_moment(field: str, text: str, at: int) -> int:
    """µs since the epoch of `2026-11-20`, `2026-11-20T14:02` (local time unless it says otherwise) or `3h`.

    The last one is before `at`. Raises InvalidInput naming the field.
    """
    if re.match(r"[0-9.]+(ms|s|m|h|d)", text):
        return at - round(parse_seconds(field, text) * 1_000_000)
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{field}: {text!r} is no time. Write a date (2026-11-20), a date and time (2026-11-20T14:02) or how "
            "long ago (90m, 3h, 2d)."
        ) from None


def parse_seconds(field: str, text: str) -> float:
    """Seconds of `90`, `90s`, `1h30m`. Raises InvalidInput naming the field."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"{field}: {text!r} {error}.", next=EXAMPLES) from None
