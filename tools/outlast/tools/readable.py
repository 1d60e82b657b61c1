"""What programs print, made fit for a reader: no colours, no old states of a progress bar, nothing invisible."""

import re
from typing import NamedTuple

LONGEST_LINE = 2000
"""Characters shown of one line."""
LONGEST_REASON = 600
"""Characters of a reason."""
LONGEST_LOOK = 16 * 1024
"""Bytes of a line that are looked at for that. What takes the interpreter long keeps every other reply waiting."""
MOST_STATES = 100
"""States of a line that are looked at for one that shows anything."""

# Colours, cursor movements, window titles and links: what a terminal would act on instead of showing it. No text
# of a title or link goes on over the beginning of another: looking for its end stays linear.
ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x90\x98\x9c-\x9f]*(?:\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
)

# Characters that print nothing although Python calls them printable: fillers and variation selectors. One emoji
# selector behind a character is what people write; more than one would hide something.
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0e\uffa0\U000e0100-\U000e01ef]"
    "|(?:(?<=\ufe0f)|(?<![^\\s]))\ufe0f"
)


class Shown(NamedTuple):
    """One line as it is shown."""

    text: str
    """At most LONGEST_LINE characters."""
    left_out: int = 0
    """Characters behind them."""
    folded: int = 0
    """Earlier states of the line that later ones wrote over."""


def visible(text: str) -> str:
    """The text as one line with everything that a reader would not see written as an escape (`\\u200b`)."""
    if text.isascii() and text.isprintable():
        return text
    text = "".join(c if c.isprintable() or c == "\t" else escaped(c) for c in text)
    return UNSEEN.sub(lambda match: escaped(match[0]), text)


def reason_text(text: str) -> str:
    """The reason of an end as one line of at most LONGEST_REASON characters; older rows may hold far longer ones."""
    seen = visible(text[: LONGEST_REASON + 1])
    return seen if len(seen) <= LONGEST_REASON else seen[: LONGEST_REASON - 1] + "…"


def visible_lines(text: str) -> str:
    """Like `visible`, for a text of several lines."""
    if text.isascii() and text.replace("\n", " ").isprintable():
        return text
    return "\n".join(map(visible, text.split("\n")))


def escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(data: bytes) -> Shown:
    """A line of a log. Bytes that are no text become `\\xff`."""
    states = list(filter(None, data.split(b"\r")))
    earlier = len(states)
    last = max(0, earlier - MOST_STATES)
    text, rest = "", b""
    while not text and earlier > last:
        earlier -= 1
        state = states[earlier]
        size = whole_characters(state, LONGEST_LOOK)
        text, rest = ESCAPE.sub("", state[:size].decode("utf-8", "backslashreplace")), state[size:]
    text = visible(text)
    left_out = max(0, len(text) - LONGEST_LINE) + len(rest.decode("utf-8", "replace"))
    return Shown(text[:LONGEST_LINE], left_out, earlier)


def whole_characters(data: bytes, most: int) -> int:
    """How many bytes to take, at most `most`, so that no character of UTF-8 is taken apart."""
    size = min(len(data), most)
    while size < len(data) and size > most - 4 and data[size] & 0xC0 == 0x80:
        size -= 1
    return size


def shown_text(text: str) -> Shown:
    """A text that a program gave a name to, as one line."""
    text = visible(ESCAPE.sub("", text[:LONGEST_LOOK]))
    return Shown(text[:LONGEST_LINE], max(0, len(text) - LONGEST_LINE))
