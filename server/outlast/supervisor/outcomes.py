"""What an exit code, or its absence, says about how an attempt ended."""

import os
import signal

from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Outcome

FIRST_SIGNAL_CODE, LAST_SIGNAL_CODE = 129, 192
"""What a shell makes of a child that a signal ended: 128 + signal. A child may also exit with such a code itself."""


def of_end(code: int | None, wait_status: int | None, *, claimed: bool, same_boot: bool) -> Outcome:
    """The outcome of an attempt that ended by itself.

    `code`: as its wrapper recorded it. `wait_status`: how the wrapper ended, known while it is a child of this
    process; what it says ranks before a file, and stands in where the disk took no exit code. `claimed`: the wrapper
    got as far as naming itself.
    """
    if wait_status is not None and os.WIFEXITED(wait_status):
        if code is None and not claimed:
            return Outcome(ExecutionStatus.FAILED, "never started: the run directory could not be written")
        code = os.WEXITSTATUS(wait_status)
    if code is not None:
        return of_exit(code)
    if not same_boot:
        return Outcome(ExecutionStatus.LOST, "host restarted")
    return Outcome(ExecutionStatus.LOST, "interrupted: its wrapper was killed before it could record an exit code")


def with_remains_ended(lost: Outcome) -> Outcome:
    """A lost attempt of which something lived on until it was killed: who waits for its work must know."""
    return lost._replace(reason=lost.reason + "; what was left of it was killed")


def of_exit(code: int) -> Outcome:
    """The outcome that an exit code stands for."""
    if code == 0:
        return Outcome(ExecutionStatus.COMPLETED, "exit code 0", 0)
    number = signal_of(code)
    if number is None:
        return Outcome(ExecutionStatus.FAILED, f"exit code {code}", code)
    reason = f"exit code {code}: probably ended by {name_of(number)}"
    return Outcome(ExecutionStatus.FAILED, reason, code, number, False)


def borne_out(verdict: Outcome, code: int | None) -> Outcome:
    """A verdict as it counts for the next supervisor: `completed` needs the exit code, for the verdict lies where a
    child can write, too. `code`: as the wrapper recorded it."""
    if verdict.status is not ExecutionStatus.COMPLETED or code == 0:
        return verdict
    if code is None:
        return Outcome(ExecutionStatus.LOST, "its exit code is gone: only a file says that it completed")
    return of_exit(code)


def of_stop(status: ExecutionStatus, reason: str, code: int | None, *, killed: bool) -> Outcome:
    """The outcome of an attempt that was ended on purpose: the purpose is the first cause, whatever the exit code."""
    if code is not None:
        number = signal_of(code)
        return Outcome(status, reason, code, number, None if number is None else False)
    # Without an exit code the wrapper died too, and only KILL does that to it.
    return Outcome(status, reason, None, signal.SIGKILL if killed else None, True if killed else None)


def signal_of(code: int) -> int | None:
    if not FIRST_SIGNAL_CODE <= code <= LAST_SIGNAL_CODE:
        return None
    return code - 128 if code - 128 in signal.valid_signals() else None


def name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
