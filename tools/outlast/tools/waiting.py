"""Waiting for an execution, and telling a client that asked for it how it goes meanwhile."""

import anyio

from outlast.runtime.observer import at_rest
from outlast.runtime.runtime import Runtime
from outlast.storage.records import Execution
from outlast.tools.expectations import expectation
from outlast.tools.results import Call
from outlast.tools.texts import state_words

TELL_EVERY = 2.0
"""Seconds between two progress notifications. Clients count a silent call as a dead one after some minutes."""


async def wait_for_line(call: Call, runtime: Runtime, execution: Execution, after: int, seconds: float) -> Execution:
    """The execution once there is a line behind line `after` or it is over; or as it is when `seconds` have passed.
    A client hears of it as with wait_for."""
    begun = anyio.current_time()
    while (waited := anyio.current_time() - begun) < seconds:
        if waited:
            words = state_words(execution, runtime.options.clock.now())
            words = f"#{execution.number} {execution.workflow_id} {words}, no line behind {after:,} so far"
            await call.report_progress(round(waited, 1), seconds, words)
        left = min(seconds - waited, TELL_EVERY)
        execution = await runtime.wait_for_line(execution.number, after, left)
        if over(execution) or (await runtime.log_glance(execution)).counted.lines > after:
            break
    return execution


def over(execution: Execution) -> bool:
    """Whether it prints nothing any more."""
    return execution.settled is not None or execution.recorded


async def wait_for(call: Call, runtime: Runtime, handle: str | int, seconds: float) -> Execution:
    """The execution once it is over, at a gate or paused; or as it is when `seconds` have passed.

    A client that gave a progress token hears every TELL_EVERY seconds how long it has waited, of how long.
    """
    begun = anyio.current_time()
    execution = await runtime.wait(handle, min(seconds, TELL_EVERY))
    expected = None
    while not at_rest(execution) and (waited := anyio.current_time() - begun) < seconds:
        if expected is None:
            expected = expectation(await runtime.outcomes(execution.workflow_id))
        words = state_words(execution, runtime.options.clock.now(), expected)
        await call.report_progress(round(waited, 1), seconds, f"#{execution.number} {execution.workflow_id} {words}")
        execution = await runtime.wait(execution.number, min(seconds - waited, TELL_EVERY))
    return execution
