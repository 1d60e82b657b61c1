"""Work that goes on whatever becomes of the caller."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def shielded(work: Callable[[], Awaitable[T]]) -> T:
    """Do `work` to its end even when the caller is cancelled meanwhile: what is begun is not left half done."""
    results: list[T] = []
    with anyio.CancelScope(shield=True):
        results.append(await work())
    return results[0]
