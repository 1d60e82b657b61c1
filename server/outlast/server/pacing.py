"""A client that asks faster than it reads, or than anybody can answer, is slowed down: its next request is not read.

What comes behind a request that has to wait waits with it, also a cancellation: a client with that many open requests
gets through as soon as one of them is answered.
"""

from collections import defaultdict

import anyio
from mcp.types import JSONRPCRequest, RequestId

MOST_UNANSWERED = 256
"""Requests. Each may wait for most of a minute, so that clients which ask for much at once are not held up."""
MOST_BYTES = 32 * 1024 * 1024
"""Of these requests together. A single larger one is let in alone."""
ENDLESS = frozenset({"subscriptions/listen"})
"""Requests that are answered when the client has had enough: nobody waits for their end."""


class Pace:
    """The requests of a connection that have no answer on the wire yet."""

    def __init__(self) -> None:
        self._sizes: defaultdict[RequestId, list[int]] = defaultdict(list)
        self._count = self._bytes = 0
        self._settled = anyio.Event()

    async def admit(self, request: JSONRPCRequest, size: int) -> None:
        """Wait until there is room for a request that came in `size` bytes."""
        if request.method in ENDLESS:
            return
        while self._count and (self._count >= MOST_UNANSWERED or self._bytes + size > MOST_BYTES):
            self._settled = anyio.Event()
            await self._settled.wait()
        self._sizes[request.id].append(size)  # clients may use one id for several
        self._count += 1
        self._bytes += size

    def settle(self, id: RequestId) -> None:
        """A request is answered, or never will be."""
        if id in self._sizes:
            self._count -= 1
            self._bytes -= self._sizes[id].pop()
            if not self._sizes[id]:
                del self._sizes[id]
            self._settled.set()
