"""Arguments that several tools have."""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, Strict

from outlast.definitions.durations import parse_duration
from outlast.definitions.values import show
from outlast.kernel.errors import InvalidInput

LONGEST_WAIT = 45.0
"""Seconds. Some clients give up on a call after 60 and do not say so."""

Handle: TypeAlias = Annotated[
    Annotated[int, Strict()] | Annotated[str, Strict()],
    Field(description="Handle of an execution: its number (142) or its UUID."),
]
Wait: TypeAlias = Annotated[
    float,
    Field(ge=0, description="Wait up to this many seconds, at most 45, for the end (or a gate or pause)."),
]
Since: TypeAlias = Annotated[
    str | None, Field(description='Not before: ISO 8601 (UTC without a zone), or how long ago: "2h".')
]
Until: TypeAlias = Annotated[str | None, Field(description="Before: as since.")]
Status: TypeAlias = Annotated[
    Literal[
        "pending",
        "running",
        "waiting",
        "paused",
        "rolling_back",
        "completed",
        "failed",
        "cancelled",
        "timeout",
        "lost",
    ]
    | None,
    Field(description="In this status."),
]


def clamped(wait_seconds: float) -> tuple[float, str | None]:
    """How long to wait, and the sentence that says so where that is less than was asked for."""
    if wait_seconds <= LONGEST_WAIT:
        return wait_seconds, None
    return (
        LONGEST_WAIT,
        f"wait_seconds {wait_seconds:g} was cut to {LONGEST_WAIT:g}; ask again to wait longer",
    )


def moment(field: str, text: str | None, now: int) -> int | None:
    """µs since the epoch for what somebody wrote as a time. Raises InvalidInput naming the field."""
    if text is None:
        return None
    try:
        return now - int(parse_duration(text) * 1_000_000)
    except ValueError:
        pass  # no duration, then a time
    try:
        when = datetime.fromisoformat(text.strip())
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{field}: {show(text)} is no time.",
            next=f'{field}="2026-11-20T14:00:00Z" or {field}="2h" (two hours ago)',
        ) from error
