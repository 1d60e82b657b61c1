"""The supervisor's writes to the store, on a thread of their own: watching the child never waits for the database."""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from outlast.kernel.database import Connection, Database, StoreConnection, data_version
from outlast.kernel.errors import StoreError, StoreTooNew
from outlast.supervisor.log import log
from outlast.supervisor.loop import Loop
from outlast.supervisor.verdict import leave_if_gone

T = TypeVar("T")
Rule = Callable[[Connection], T]

MAX_DELAY = 2.0


class Recorder:
    """Runs rules in the order given and retries each until the store takes it: a supervisor never gives up.

    The one exception is a store that a newer Outlast has migrated: then `on_too_new` is called, on the loop's
    thread, and nothing more is written.
    """

    def __init__(self, database: Database, loop: Loop, on_too_new: Callable[[], None]) -> None:
        self._database = database
        self._loop = loop
        self._on_too_new = on_too_new
        self._connection: StoreConnection | None = None
        self._rules: queue.SimpleQueue[tuple[Rule[Any], bool, Callable[[Any], None]] | threading.Event] = (
            queue.SimpleQueue()
        )
        self._data_version = -1
        threading.Thread(target=self._run, name="recorder", daemon=True).start()

    def write(self, rule: Rule[T], then: Callable[[T], None]) -> None:
        """Run a write rule; `then` gets its result on the loop's thread."""
        self._rules.put((rule, True, then))

    def read(self, query: Rule[T], then: Callable[[T], None]) -> None:
        """Run a query; `then` gets its result on the loop's thread."""
        self._rules.put((query, False, then))

    def changed(self, connection: Connection) -> bool:
        """Inside a query: whether anybody else has committed since the last time this was asked."""
        version = data_version(connection)
        changed, self._data_version = version != self._data_version, version
        return changed

    def close(self) -> None:
        """Close the connection; call it as the last thing, from the loop's thread."""
        done = threading.Event()
        self._rules.put(done)
        done.wait()

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 (nothing may end this thread unseen)
            # A supervisor without its recorder would watch for ever and tell nobody. Its successor adopts.
            sys.excepthook(type(error), error, error.__traceback__)  # the traceback module would cost every start 2 ms
            os._exit(70)

    def _serve(self) -> None:
        while True:
            item = self._rules.get()
            if isinstance(item, threading.Event):
                self._close()
                item.set()
                return
            rule, writes, then = item
            delay = 0.05
            while True:
                try:
                    result = self._attempt(rule, writes)
                    break
                except StoreTooNew:
                    self._loop.call_from_thread(self._on_too_new)
                    return
                except (StoreError, OSError) as error:
                    log(f"store: {error}")
                    leave_if_gone(self._database.home)
                    self._begin_afresh()
                    time.sleep(delay)
                    delay = min(delay * 2, MAX_DELAY)
            self._loop.call_from_thread(lambda then=then, result=result: then(result))

    def _attempt(self, rule: Rule[T], writes: bool) -> T:
        if self._connection is None:
            self._connection = self._database.connect(cache_kib=256)
        return self._database.write(self._connection, rule) if writes else self._database.read(self._connection, rule)

    def _begin_afresh(self) -> None:
        """Open the store again for the next rule: the file may have been replaced, or the disk may be back. Not while
        the file is away: it may come back, and until then there is nothing that this execution is in."""
        try:
            away = self._connection is not None and self._database.away(self._connection)
        except OSError:  # the home cannot be looked at
            away = False
        if not away:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._data_version = -1
        if connection is not None:
            self._database.close(connection)
