"""Regular expressions of parameters, in RE2: linear time whatever the pattern and the value are."""

from functools import lru_cache
from typing import Protocol, cast

import re2  # pyright: ignore[reportMissingImports, reportMissingTypeStubs] - it has no types; Re2 says what is used


class Pattern(Protocol):
    def fullmatch(self, text: str) -> object: ...


class RE2Options(Protocol):
    log_errors: bool


class Re2(Protocol):
    error: type[Exception]

    def Options(self) -> RE2Options: ...
    def compile(self, pattern: str, options: RE2Options) -> Pattern: ...


RE2 = cast("Re2", re2)


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> Pattern:
    """The compiled pattern. Raises ValueError with RE2's reason."""
    options = RE2.Options()
    options.log_errors = False  # it would write to stderr by itself
    try:
        return RE2.compile(text, options)
    except RE2.error as error:
        reason = cast("object", error.args[0])
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None
