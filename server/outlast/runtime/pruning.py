"""Removing old executions: archived first where that is wanted, then deleted in small steps."""

import fcntl
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from outlast.kernel import faults, retention
from outlast.kernel.clock import Clock
from outlast.kernel.database import Connection, Database, StoreConnection
from outlast.kernel.errors import Conflict, OutlastError, StoreDamaged
from outlast.kernel.home import Home
from outlast.runtime.logbooks import Logbooks
from outlast.runtime.shielding import shielded
from outlast.storage import archiving, reading
from outlast.storage.retention import Due, Limits, Plan, plan
from outlast.storage.store import Store

T = TypeVar("T")

UNREADABLE = object()
LOG = logging.getLogger(__name__)
BATCH = 32
"""Executions that one transaction removes at most."""
BATCH_BYTES = 16 << 20
"""Bytes of logs that one transaction removes at most, unless a single log has more."""
PAGES = 512
"""Free pages that one transaction gives back at most: 2 MiB may have to be moved for it."""
ROUND = 1000
"""Executions that a server looks for at once."""
PAGE = 4096
"""Bytes of a page, as SQLite has them by default."""
SPARE = 8
"""A server leaves one page of so many free for what is written next, instead of giving back what it soon needs."""
EVERY = 3600 * 1_000_000
"""µs between two times that servers remove something."""
ARCHIVE_EVERY = 24 * EVERY
"""… where they archive it: the archive of the month is written anew each time."""


@dataclass(slots=True)
class Pruned:
    """What became of what was due."""

    removed: list[Due] = field(default_factory=list[Due])
    left: list[Due] = field(default_factory=list[Due])
    """Still there: pinned, retried or damaged meanwhile, or its log or its directory is still in use."""
    archive: Path | None = None
    freed: int = 0
    """Bytes by which the database file is smaller."""
    free: int = 0
    """Bytes in it that are free for what is written next."""

    @property
    def bytes(self) -> int:
        return sum(due.bytes for due in self.removed)


class Pruner:
    """Removes what is due; one process over a home at a time."""

    def __init__(self, store: Store, home: Home, logbooks: Logbooks, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._logbooks = logbooks
        self._clock = clock

    async def plan(self, limits: Limits, most: int | None = None) -> Plan:
        """What would go now. Raises InvalidInput, NotFound."""
        return await self._store.scan(lambda c: plan(c, limits, self._clock.now(), most))

    async def prune(self, due: Iterable[Due], *, logs_only: bool = False, archive: Path | None = None) -> Pruned:
        """Remove executions, or only their logs; first they are written into `archive`, and nothing goes that is not
        in there. May be killed at any moment and done again: each execution is there as a whole or gone.

        Conflict `prune_is_running` while another process does it; what `archiving.making` raises.
        """
        async with self._alone():
            return await self._prune(list(due), logs_only=logs_only, archive=archive)

    async def keep(self, limits: Limits, folder: Path | None = None) -> int:
        """Do what the settings say, if no process over this home has done so lately; how many were removed.

        Archives are made in `folder`, one for each month.
        """
        lock = await anyio.to_thread.run_sync(take_lock, self._home)
        if lock is None:
            return 0
        try:
            now, pause = self._clock.now(), EVERY if folder is None else ARCHIVE_EVERY
            if abs(now - await anyio.to_thread.run_sync(last_done, lock)) < pause:
                return 0
            removed = 0
            while True:
                found = await self.plan(limits, ROUND if folder is None else None)
                path = None if folder is None else folder / archive_name(now)
                pruned = await self._prune(list(found.due), logs_only=limits.logs_only, archive=path, spare=SPARE)
                removed += len(pruned.removed)
                if not (found.more and pruned.removed):
                    break
            await anyio.to_thread.run_sync(note_done, lock, now)
            if removed:
                what = "the logs of " if limits.logs_only else ""
                LOG.info("removed %s%d old executions", what, removed)
            return removed
        finally:
            os.close(lock)

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        lock = await anyio.to_thread.run_sync(take_lock, self._home)
        if lock is None:
            raise Conflict(
                "Another process is removing old executions.", code="prune_is_running", next="try again in a moment"
            )
        try:
            yield
        finally:
            os.close(lock)

    async def _prune(
        self, due: list[Due], *, logs_only: bool, archive: Path | None, spare: int | None = None
    ) -> Pruned:
        ready = [one for one in due if await self._sealed(one)]
        if archive is not None and ready:
            ready = await self._archived(ready, archive)
        removed: list[Due] = []
        for batch in batches(ready):
            removed += await shielded(lambda batch=batch: self._remove(batch, logs_only=logs_only))
        gone = {one.number for one in removed}
        left = [one for one in due if one.number not in gone]
        freed, free = await self._give_back(spare)
        return Pruned(removed, left, archive if removed else None, freed, free)

    async def _sealed(self, due: Due) -> bool:
        """Whether all of its log is in the store, where it is moved now if nobody has."""
        if due.sealed:
            return True
        try:
            return (await self._logbooks.seal(due.number, due.id)).finished
        except (OutlastError, OSError, ValueError) as error:
            LOG.warning("#%d: it stays, since its log cannot be sealed: %s", due.number, error)
            return False

    async def _archived(self, due: list[Due], path: Path) -> list[Due]:
        """Write executions into an archive; those that are in there now, as they are in the store."""
        store_id = await self._store.read(reading.store_id)
        now = self._clock.now()
        # On one thread after another, none of them the event loop's: a file of gigabytes may be written.
        manager = archiving.making(path, store_id, now)
        archive = await anyio.to_thread.run_sync(manager.__enter__)
        try:
            written = [one for one in due if await self._readable(one, archive.add) is not UNREADABLE]
            await anyio.to_thread.run_sync(archive.check)
            held = [one for one in written if await self._readable(one, archive.holds) is True]
            await anyio.to_thread.run_sync(archive.finish)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(manager.__exit__, type(error), error, error.__traceback__)
            raise
        await anyio.to_thread.run_sync(manager.__exit__, None, None, None)
        return held

    async def _readable(self, due: Due, look: Callable[[Connection, int], T]) -> T | object:
        """What a look at one execution in the store says. Damage costs that execution alone its place in an archive."""
        try:
            return await self._store.scan(lambda c: look(c, due.number))
        except StoreDamaged as error:
            LOG.warning("#%d: it stays, since it cannot be archived: %s", due.number, error)
            return UNREADABLE

    async def _remove(self, batch: list[Due], *, logs_only: bool) -> list[Due]:
        """Remove a batch as one transaction. Run directories go first: one whose execution is not in the store would be
        taken for one that a backup has forgotten."""
        clear = [one for one in batch if await self._logbooks.remove_files(one.id)]
        faults.reach("prune.emptied")
        numbers = [one.number for one in clear]

        def rule(connection: Connection) -> list[int]:
            if logs_only:
                return retention.remove_logs(connection, numbers, self._clock.now())
            return retention.remove(connection, numbers)

        gone = set(await self._store.write(rule))
        return [one for one in clear if one.number in gone]

    async def _give_back(self, spare: int | None) -> tuple[int, int]:
        """Make the database file smaller in small steps; bytes given back, and bytes that are still free in it."""
        before, _ = await self._store.maintain(measure)
        leave = 0 if spare is None else before // PAGE // spare
        while await self._store.write(lambda c: retention.give_back(c, PAGES, leave)):
            continue
        after, free = await self._store.maintain(measure)
        return max(0, before - after), free


def measure(database: Database, connection: StoreConnection) -> tuple[int, int]:
    """Bytes of the database and how many of them are free, as the next reader sees it."""
    size, count, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    return size * count, size * free


def batches(due: list[Due]) -> Iterator[list[Due]]:
    """So small that nobody waits long for the store lock."""
    batch: list[Due] = []
    size = 0
    for one in due:
        if batch and (len(batch) == BATCH or size + one.bytes > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.bytes
    if batch:
        yield batch


def archive_name(now: int) -> str:
    return f"executions-{datetime.fromtimestamp(now / 1_000_000, UTC):%Y-%m}.db"


def take_lock(home: Home) -> int | None:
    """The descriptor that holds the lock of retention; None where somebody else does. Never waits."""
    fd = os.open(home.retention_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def last_done(lock: int) -> int:
    """When a server last did what the settings say, µs; 0 where none has."""
    text = os.pread(lock, 32, 0).strip()
    return int(text) if text.isdigit() else 0


def note_done(lock: int, now: int) -> None:
    os.pwrite(lock, b"%-20d\n" % now, 0)
