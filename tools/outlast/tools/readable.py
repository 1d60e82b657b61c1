"""What programs print, made fit for a reader: no colours, no old states of a progress bar, nothing invisible."""

import re
from typing import NamedTuple

LONGEST_LINE = 2000
"""Characters shown of one line."""

# Colours, cursor movements, window titles and links: what a terminal would act on instead of showing it.
ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)"
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


def visible_lines(text: str) -> str:
    """Like `visible`, for a text of several lines."""
    return "\n".join(map(visible, text.split("\n")))


def escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(data: bytes) -> Shown:
    """A line of a log. Bytes that are no text become `\\xff`."""
    states = [state for state in data.split(b"\r") if state]
    text, earlier = "", len(states)
    while not text and earlier:
        earlier -= 1
        text = ESCAPE.sub("", states[earlier].decode("utf-8", "backslashreplace"))
    return shortened(visible(text))._replace(folded=earlier)


def shown_text(text: str) -> Shown:
    """A text that a program gave a name to, as one line."""
    return shortened(visible(ESCAPE.sub("", text)))


def shortened(text: str) -> Shown:
    return Shown(text[:LONGEST_LINE], max(0, len(text) - LONGEST_LINE))
