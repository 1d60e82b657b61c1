"""RE2 for patterns of our own, in which a character is a byte."""

from typing import Any, Protocol, cast

import re2  # pyright: ignore[reportMissingTypeStubs]  # there are none; Regexp below says what is used

MOST_MEMORY = 64 << 20
"""Bytes that RE2 may take for the states of one of our own patterns; with too few it makes them again and again."""


class Match(Protocol):
    def start(self) -> int: ...
    def span(self) -> tuple[int, int]: ...


class Regexp(Protocol):
    def search(self, text: bytes, pos: int | None = None) -> Match | None: ...


def byte_pattern(pattern: str) -> Regexp:
    """A pattern of our own, in which a character is a byte, so that it also matches around what is not UTF-8."""
    module: Any = re2
    options = module.Options()
    options.encoding = module.Options.Encoding.LATIN1
    options.max_mem = MOST_MEMORY
    options.never_nl = True
    options.never_capture = True
    return cast("Regexp", module.compile(pattern.encode("latin-1"), options))
