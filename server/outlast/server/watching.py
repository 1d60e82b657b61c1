"""Telling clients that what they have attached has changed, in both eras of the protocol.

Handshake clients subscribe to one address after the other and are told on their session; clients of 2026-07-28 open
a stream for the addresses they name. While nobody has subscribed, only the newest execution is looked at, rarely.
"""

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent

from outlast.kernel.errors import NotFound, OutlastError
from outlast.server.opening import Opening

if TYPE_CHECKING:
    from outlast.runtime.runtime import Runtime

LOG = logging.getLogger(__name__)

LOOK_EVERY = 0.25
"""Seconds between two looks at what somebody has subscribed to."""
TELL_EVERY = 1.0
"""Seconds between two notices about one address; that it is over is told at once."""
LOOK_RARELY = 5.0
"""Seconds between two looks at whether there are new executions."""

Tell = Callable[[ServerEvent], Awaitable[None]]


class Seen(NamedTuple):
    """What a change of an execution shows in."""

    updated_at: int
    lines: int
    over: bool = False


UNREADABLE = Seen(-1, -1, over=True)


class Watcher:
    """Looks at what is subscribed to and tells who has subscribed. One for each connection."""

    def __init__(self) -> None:
        self._wanted: Counter[str] = Counter()
        self._seen: dict[str, Seen | None] = {}
        self._told: dict[str, float] = {}
        self._newest: int | None = None
        self._tellers: list[Tell] = []
        self._news = anyio.Event()

    def tell_by(self, tell: Tell) -> None:
        """Have `tell` called with every change that is found."""
        self._tellers.append(tell)

    @asynccontextmanager
    async def watching(self, opening: Opening, uris: Iterable[str]) -> AsyncGenerator[None]:
        """Look at these addresses meanwhile; changes count from now."""
        wanted = list(uris)
        for uri in wanted:
            self.subscribe(uri, await first_look(opening, uri))
        try:
            yield
        finally:
            for uri in wanted:
                self.unsubscribe(uri)

    def subscribe(self, uri: str, seen: "Seen | None") -> None:
        """Tell of changes of an address. `seen`: what whoever subscribes knows; None where there was nothing."""
        self._wanted[uri] += 1
        self._seen.setdefault(uri, seen)
        self._news.set()

    def unsubscribe(self, uri: str) -> None:
        self._wanted[uri] -= 1
        if self._wanted[uri] <= 0:
            del self._wanted[uri]
            self._seen.pop(uri, None)
            self._told.pop(uri, None)

    async def run(self, opening: Opening) -> None:
        """Look and tell, until cancelled. Begins once the runtime is open for somebody else's sake."""
        await opening.opened.wait()
        while True:
            self._news = anyio.Event()
            try:
                await self._look(await opening.runtime())
            except (OutlastError, OSError) as error:
                LOG.info("looking at what is subscribed to: %s", error)
            with anyio.move_on_after(LOOK_EVERY if self._wanted else LOOK_RARELY):
                await self._news.wait()

    async def _look(self, runtime: "Runtime") -> None:
        newest = await runtime.newest_number()
        if self._newest is not None and newest != self._newest:
            await self._tell(ResourcesListChanged())
        self._newest = newest
        for uri in list(self._wanted):
            try:
                seen = await look_at(runtime, uri)
            except (OutlastError, OSError) as error:
                LOG.info("looking at %s: %s", uri, error)
                seen = UNREADABLE  # told once; and it keeps nobody behind it from being told
            now = anyio.current_time()
            early = now - self._told.get(uri, -TELL_EVERY) < TELL_EVERY and seen is not None and not seen.over
            if uri in self._wanted and seen != self._seen.get(uri) and not early:
                self._seen[uri], self._told[uri] = seen, now
                await self._tell(ResourceUpdated(uri))

    async def _tell(self, event: ServerEvent) -> None:
        for tell in self._tellers:
            await tell(event)


async def look_at(runtime: "Runtime", uri: str) -> Seen | None:
    """What there is now; None for what is no execution or none any more."""
    scheme, _, rest = uri.partition("://")
    if scheme != "execution":
        return None  # definitions are files of people's own
    try:
        execution = await runtime.get(rest.partition("/")[0])
    except NotFound:
        return None
    over = execution.settled is not None
    return Seen(execution.updated_at, (await runtime.log_glance(execution)).counted.lines, over)


async def first_look(opening: Opening, uri: str) -> Seen | None:
    """What there is at an address; None for nothing, or while it cannot be told."""
    try:
        return await look_at(await opening.runtime(), uri)
    except (OutlastError, OSError):
        return None
