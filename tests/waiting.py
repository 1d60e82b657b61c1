"""Waiting for something to be so, bounded."""

import inspect
from collections.abc import Awaitable, Callable

import anyio

BOUND = 30.0
"""Seconds: far more than anything needs on a busy machine, so running out of it means that it does not happen."""


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = BOUND) -> None:
    """Return once `condition` holds; TimeoutError when it does not within `seconds`."""
    with anyio.fail_after(seconds):
        while True:
            held = condition()
            if await held if inspect.isawaitable(held) else held:
                return
            await anyio.sleep(0.005)
