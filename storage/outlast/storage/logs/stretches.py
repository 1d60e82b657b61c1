"""A log as a sequence of stretches: some hundred lines each, loaded only when somebody wants to see them."""

from collections.abc import Callable
from typing import NamedTuple

from outlast.storage.logs.lines import Piece


class LevelCounts(NamedTuple):
    errors: int
    warnings: int


class Stretch(NamedTuple):
    first: int
    last: int
    first_at: int
    last_at: int
    """µs since the epoch; no line of the stretch is outside."""
    spools: frozenset[int] | None
    """The packed spools that its lines come from; None where that is not known without loading it."""
    load: Callable[[], list[Piece]]
    """Its pieces, perhaps with lines before `first` and after `last`. Raises StoreDamaged."""
    said: "Callable[[], LevelCounts | None] | None" = None
    """How many errors and warnings the block has that it is of, where that was counted. Asked on the reader's thread
    first; then it is known on any."""
