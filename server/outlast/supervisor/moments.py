"""When an attempt began and ended, also where nobody was there to see it: its files say when they were written."""

from outlast.kernel.clock import Clock, Moment, read
from outlast.kernel.home import AttemptDirectory
from outlast.supervisor.files import modified_at

NOTICED_AT_ONCE = 1_000_000
"""µs between an end and now, up to which now is taken for the end."""


def moment_of_start(directory: AttemptDirectory, clock: Clock) -> Moment:
    """When the attempt was started, where that is long ago; else now."""
    now = read(clock)
    began = modified_at(directory.started)
    if began is None or now.now - began <= NOTICED_AT_ONCE:
        return now
    return Moment(began, 0, "unknown")


def moment_of_end(ended: int | None, clock: Clock) -> Moment:
    """When the exit code was recorded (`ended`, µs since the epoch), where that is long ago; else now."""
    now = read(clock)
    if ended is None or now.now - ended <= NOTICED_AT_ONCE:
        return now
    return Moment(ended, max(0, now.boottime - (now.now - ended)), now.boot_id)
