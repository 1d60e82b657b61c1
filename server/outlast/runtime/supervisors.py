"""Seeing to it that every execution that should have a supervisor has one."""

import logging
import signal
from collections.abc import Iterable
from pathlib import Path

import anyio

from outlast.kernel import claims
from outlast.kernel.claims import Claim
from outlast.kernel.clock import Clock
from outlast.kernel.errors import OutlastError
from outlast.kernel.home import Home, RunDirectory, write_durably
from outlast.kernel.locks import run_lock_held, run_lock_holder
from outlast.kernel.process import ProcessId, await_end
from outlast.kernel.spawning import Ack
from outlast.kernel.states import Pending, Running
from outlast.kernel.status import ExecutionStatus
from outlast.runtime.library import Library
from outlast.storage import reading
from outlast.storage.records import Execution, LiveRow
from outlast.storage.remains import orphaned
from outlast.storage.store import Store

LOG = logging.getLogger(__name__)

MUTE_AFTER = 5.0
"""Seconds without an answer to a cancel request after which its supervisor is killed and replaced."""
RESPAWN_AFTER = 1.0
"""Seconds between two supervisors that this process starts for the same execution when the first said nothing."""


class Supervisors:
    """Starts supervisors and never judges: what became of an execution only its supervisor says."""

    def __init__(self, store: Store, home: Home, library: Library, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._library = library
        self._clock = clock
        self._spawned: dict[int, float] = {}
        self._unanswered: dict[int, float] = {}

    async def start(self, claim: Claim) -> Ack:
        """Start a claimed execution's supervisor and wait for its word; one that dies without it is replaced once.

        After that, and after an error of the store, the next reconciling takes over, in its own rhythm.
        """
        ack = await self._start(claim)
        if ack.result != "silent":
            return ack
        try:
            return await self._start_again(claim, ack)
        except (OutlastError, OSError) as error:
            LOG.warning("#%d: %s", claim.number, error)
            return ack

    async def _start_again(self, claim: Claim, ack: Ack) -> Ack:
        row = await self._store.read(lambda c: reading.live_row(c, claim.number))
        if row is None or not await anyio.to_thread.run_sync(self._orphaned, row):
            return ack
        seen = row.claimed_at
        if row.status is ExecutionStatus.PENDING and seen is not None:
            claimed = await self._store.write(lambda c: claims.reclaim(c, row.number, seen, self._clock.now()))
            acks = [await self._start(again) for again in claimed]
            return acks[0] if acks else ack
        return await self._start(claim)

    async def _start(self, claim: Claim) -> Ack:
        self._spawned[claim.number] = anyio.current_time()
        run = self._home.run(claim.id)
        try:
            await self._restore_plan(claim.number, run)
            ack = await anyio.to_thread.run_sync(self._launch, run)
        except (OutlastError, OSError) as error:
            # The row is there and claimed: the next look tries again, and the fifth failure is said in the row.
            LOG.warning("#%d: no supervisor could be started: %s", claim.number, error)
            return Ack("silent")
        if ack.result != "silent":
            self._spawned.pop(claim.number, None)
        return ack

    async def start_all(self, claimed: Iterable[Claim]) -> None:
        async with anyio.create_task_group() as group:
            for claim in claimed:
                group.start_soon(self.start, claim)

    async def reconcile(self) -> int:
        """Look at everything that is not over; how many executions that is.

        An execution that should have a supervisor and has none gets one: claimed ones are claimed again, running
        ones adopted. Free slots are given to the queue.
        """
        rows = await self._store.read(reading.live)
        numbers = {row.number for row in rows}
        for memory in (self._spawned, self._unanswered):
            for number in memory.keys() - numbers:
                del memory[number]
        # Together on one thread: with hundreds of executions, a thread for each look would cost more than the looks.
        orphans = await anyio.to_thread.run_sync(lambda: self._orphans(rows))
        for row in rows:
            try:
                if row.number in orphans:
                    await self._take_care(row)
                await self._replace_mute(row)
            except (OutlastError, OSError) as error:
                # One that cannot be helped must not keep the others from it.
                LOG.warning("#%d: %s", row.number, error)
        if any(row.status is ExecutionStatus.PENDING and row.claimed_at is None for row in rows):
            await self._fill_slots()
        return len(rows)

    async def look_after(self, execution: Execution) -> bool:
        """Give one live execution a supervisor if it should have one and has none; True when one was started."""
        state = execution.state
        if isinstance(state, Pending) and state.claimed_at is None:
            return await self._fill_slots()
        if not isinstance(state, Pending | Running):
            return False
        lock = self._home.run(execution.id).run_lock
        if execution.cancel_requested_by is None and await anyio.to_thread.run_sync(run_lock_held, lock):
            return False
        row = await self._store.read(lambda c: reading.live_row(c, execution.number))
        if row is None:
            return False
        await self._replace_mute(row)
        if not await anyio.to_thread.run_sync(self._orphaned, row):
            return False
        return await self._take_care(row)

    async def nudge(self, number: int) -> None:
        """Have an execution's supervisor look at its requests now; one that died is replaced."""
        execution = await self._store.read(lambda c: reading.execution(c, number))
        if execution.supervisor is None or not await self._signal(execution.supervisor, signal.SIGUSR1):
            await self.look_after(execution)

    def _orphans(self, rows: Iterable[LiveRow]) -> set[int]:
        found: set[int] = set()
        for row in rows:
            try:
                if self._orphaned(row):
                    found.add(row.number)
            except OSError as error:
                LOG.warning("#%d: %s", row.number, error)
        return found

    def _orphaned(self, row: LiveRow) -> bool:
        return orphaned(row, self._home)

    async def _take_care(self, row: LiveRow) -> bool:
        if anyio.current_time() - self._spawned.get(row.number, -RESPAWN_AFTER) < RESPAWN_AFTER:
            return False
        if row.status is not ExecutionStatus.PENDING:
            await self.start(Claim(row.number, row.id))
            return True
        seen = row.claimed_at
        # A clock that was set back must not keep a claim alive for ever.
        if seen is None or abs(self._clock.now() - seen) < claims.RETRY_AFTER:
            return False
        claimed = await self._store.write(lambda c: claims.reclaim(c, row.number, seen, self._clock.now()))
        await self.start_all(claimed)
        return bool(claimed)

    async def _fill_slots(self) -> bool:
        if not await self._store.read(claims.next_in_queue):
            return False
        claimed = await self._store.write(lambda c: claims.claim_next(c, self._clock.now()))
        await self.start_all(claimed)
        return bool(claimed)

    async def _replace_mute(self, row: LiveRow) -> None:
        """Kill a supervisor that lives but does not answer a cancel request, once it is verified, and start another."""
        if row.cancel_requested_at is None or row.stopping:
            self._unanswered.pop(row.number, None)
            return
        since = self._unanswered.setdefault(row.number, anyio.current_time())
        if anyio.current_time() - since < MUTE_AFTER:
            return
        del self._unanswered[row.number]
        lock = self._home.run(row.id).run_lock
        # Asked of the lock's own file: a supervisor that was stopped before it took over is in no row.
        holder = await anyio.to_thread.run_sync(run_lock_holder, lock)
        if holder is not None and await self._signal(holder, signal.SIGKILL):
            # A process that cannot die keeps its run lock, and the new supervisor then leaves it alone.
            await anyio.to_thread.run_sync(self._await_end, holder)
        await self.start(Claim(row.number, row.id))

    async def _signal(self, process: ProcessId, number: int) -> bool:
        return await anyio.to_thread.run_sync(lambda: process.signal(self._clock.boot_id(), number))

    def _await_end(self, process: ProcessId) -> bool:
        return await_end(process, self._clock.boot_id(), MUTE_AFTER)

    def _launch(self, run: RunDirectory) -> Ack:
        return self._library.launcher().start(run)

    async def _restore_plan(self, number: int, run: RunDirectory) -> None:
        """A run directory that is missing or has lost its plan is made again from the store."""
        if not await anyio.to_thread.run_sync(Path(run.plan).is_file):
            plan = await self._store.read(lambda c: reading.plan(c, number))
            await anyio.to_thread.run_sync(write_plan, run, plan)


def write_plan(run: RunDirectory, plan: bytes) -> None:
    Path(run.path).mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(run.plan, plan)
