"""A server's runtime, opened behind its back: the first reply to a client waits for no database and no disk."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from outlast.kernel.ids import new_id
from outlast.runtime.options import Options

if TYPE_CHECKING:
    from outlast.runtime.runtime import Runtime

LOG = logging.getLogger(__name__)


class Opening:
    """Opens the runtime once somebody asks for it or `begin` is called, and keeps it open. A failure is told to
    everybody who waits; the next one who asks tries again."""

    def __init__(self, options: Options, group: TaskGroup) -> None:
        self._options = replace(options, background=True)
        self.session = new_id(options.clock.now())
        """Names this connection in the history."""
        self._group = group
        self._attempt: Attempt | None = None
        self.opened = anyio.Event()
        """Set once it has been open."""

    def begin(self) -> None:
        """Open it meanwhile, unless that is done or going on."""
        if self._attempt is None:
            self._attempt = Attempt()
            self._group.start_soon(self._keep_open, self._attempt)

    async def runtime(self) -> "Runtime":
        """The open runtime. Raises what keeps it from opening: a StoreError, InvalidInput, or an OSError."""
        self.begin()
        attempt = self._attempt
        assert attempt is not None, "begun above"
        await attempt.over.wait()
        if attempt.failure is not None:
            raise attempt.failure
        assert attempt.runtime is not None, "an attempt that is over has one or the other"
        return attempt.runtime

    async def _keep_open(self, attempt: "Attempt") -> None:
        try:
            # Only now: importing it takes a tenth of a second, on a thread of its own.
            module = await anyio.to_thread.run_sync(import_module, "outlast.runtime.runtime")
            async with module.open_runtime(self._options) as runtime:
                attempt.runtime = runtime
                attempt.over.set()
                self.opened.set()
                await anyio.sleep_forever()
        except Exception as error:
            LOG.exception("the runtime %s", "ended" if attempt.over.is_set() else "could not be opened")
            attempt.failure = error
            attempt.over.set()
            self._attempt = None


class Attempt:
    """One try at opening."""

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.runtime: Runtime | None = None
        self.failure: Exception | None = None


@asynccontextmanager
async def opening(options: Options) -> AsyncGenerator[Opening]:
    """What opens the runtime when it is time; closed on the way out."""
    async with anyio.create_task_group() as group:
        yield Opening(options, group)
        group.cancel_scope.cancel()
