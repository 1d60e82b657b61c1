"""Which lines of a log somebody wants to see."""

from dataclasses import dataclass

from outlast.kernel.errors import InvalidInput
from outlast.kernel.marks import STREAM_NAMES, Spool
from outlast.storage.logs.levels import ERROR, LEAST
from outlast.storage.logs.stretches import Stretch

MOST_LINES = 1000
"""Lines in one answer, at most."""
MOST_BYTES = 8 << 20
"""Bytes of lines after which an answer ends, with fewer lines than were asked for: one line may have 1 MiB."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Lines that meet everything that is not None."""

    step: str | None = None
    """A step's id."""
    attempt: int | None = None
    stream: str | None = None
    """One of merged, stdout, stderr, event."""
    since: int | None = None
    until: int | None = None
    """µs since the epoch: lines at `since` or later, before `until`."""
    level: str | None = None
    """`error`, or `warning`: errors too."""


class Sieve:
    """A filter, ready to be asked about one execution's pieces."""

    def __init__(self, wanted: LogFilter, steps: list[str]) -> None:
        """Raises InvalidInput, naming the field, for a step or stream that does not exist."""
        self._since, self._until = wanted.since, wanted.until
        self._attempt = wanted.attempt
        self._step = self._stream = None
        if wanted.step is not None:
            if wanted.step not in steps:
                raise InvalidInput(f"step: there is no step {wanted.step!r}.", next=f"one of {', '.join(steps)}")
            self._step = steps.index(wanted.step) + 1
        if wanted.stream is not None:
            if wanted.stream not in STREAM_NAMES:
                names = ", ".join(STREAM_NAMES)
                raise InvalidInput(f"stream: there is no stream {wanted.stream!r}.", next=f"one of {names}")
            self._stream = STREAM_NAMES.index(wanted.stream)
        self.level = None
        """The lowest level of the lines that pass; None for all."""
        if wanted.level is not None:
            if wanted.level not in LEAST:
                raise InvalidInput(
                    f"level: there is no level {wanted.level!r}.", next="error, or warning for errors and warnings"
                )
            self.level = LEAST[wanted.level]
        self._any_spool = (self._step, self._attempt, self._stream) == (None, None, None)

    def takes(self, spool: int, at: int) -> bool:
        return (
            (self._any_spool or self._takes_spool(spool))
            and (self._since is None or at >= self._since)
            and (self._until is None or at < self._until)
        )

    def _takes_spool(self, packed: int) -> bool:
        spool = Spool.unpack(packed)
        return (
            (self._step is None or spool.step == self._step)
            and (self._attempt is None or spool.attempt == self._attempt)
            and (self._stream is None or spool.stream == self._stream)
        )

    def may_take(self, stretch: Stretch) -> bool:
        """False where no line of the stretch can pass, so that it need not be loaded."""
        if self.too_early(stretch) or self.too_late(stretch) or self._too_quiet(stretch):
            return False
        return stretch.spools is None or any(map(self._takes_spool, stretch.spools))

    def _too_quiet(self, stretch: Stretch) -> bool:
        """No line of it has the level, as was counted when it became part of a digest."""
        if self.level is None or stretch.said is None or (counted := stretch.said()) is None:
            return False
        return not counted.errors and (self.level == ERROR or not counted.warnings)

    def too_early(self, stretch: Stretch) -> bool:
        """Neither this stretch nor one before it has a line that passes: times never go back."""
        return self._since is not None and stretch.last_at < self._since

    def too_late(self, stretch: Stretch) -> bool:
        """Neither this stretch nor one after it has a line that passes."""
        return self._until is not None and stretch.first_at >= self._until


def check_limit(limit: int) -> int:
    if not 1 <= limit <= MOST_LINES:
        raise InvalidInput(f"limit: {limit} is not from 1 to {MOST_LINES}.", next="ask for further lines page by page")
    return limit
