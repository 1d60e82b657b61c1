"""Links to lines of a log: `142#L120`, `142#L120-L180`, with a UUID or `#142` in front as well."""

from typing import NamedTuple

from outlast.kernel.errors import InvalidInput

LONGEST = 15
"""Digits of a line number."""


class Lines(NamedTuple):
    """Lines of one log, both ends included."""

    first: int
    last: int


def permalink(number: int, first: int, last: int) -> str:
    """The link to lines of execution `number`."""
    return f"{number}#L{first}" + (f"-L{last}" if last != first else "")


def split_permalink(handle: str | int) -> tuple[str | int, Lines | None]:
    """A handle and the lines that are written behind it, None where there are none.

    InvalidInput for what begins as a link and names no lines.
    """
    if isinstance(handle, int):
        return handle, None
    text = handle.strip()
    at = text.lower().find("#l")
    if at < 0:
        return handle, None
    name, place = text[:at], text[at + 2 :].lower()
    ends = [end.strip() for end in place.split("-")]
    numbers = [number_of(end if i == 0 else end.removeprefix("l")) for i, end in enumerate(ends)]
    first, last = numbers[0], numbers[-1]
    if not name or len(numbers) > 2 or first is None or last is None:
        raise no_lines(text, "lines are written as #L120 or #L120-L180 behind a handle", "142#L120-L180")
    if not first or not last:
        raise no_lines(text, "line numbers begin with 1", f"{name}#L1-L{max(first, last, 1)}")
    if last < first:
        raise no_lines(text, "the last line stands before the first", f"{name}#L{last}-L{first}")
    return name, Lines(first, last)


def handle_of(handle: str | int) -> str | int:
    """The handle without the lines that a link names."""
    return split_permalink(handle)[0]


def number_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST else None


def no_lines(text: str, why: str, instead: str) -> InvalidInput:
    return InvalidInput(f"handle_id: {text[:80]!r} names no lines: {why}.", next=instead[:80])
