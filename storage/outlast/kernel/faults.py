"""Named moments at which a test can make a process fail, wait or die. Outside of tests nobody listens."""

from collections.abc import Callable

POINTS = {
    "store.locked": "the store lock is held, the transaction has not begun",
    "store.written": "a rule has run, its transaction is not committed",
    "store.committed": "a transaction is durable, its caller does not know yet",
    "migration.applied": "a migration's statements have run, it is not committed",
    "backup.copied": "a backup is written beside its place",
    "restore.made": "a restored database is whole beside its place",
    "mending.reindexed": "indexes are made again from their tables, the transaction is not committed",
    "library.written": "the supervisors' code is written beside its place",
    "start.prepared": "the run directory is there, the row is not",
    "start.recorded": "the row is durable, no supervisor was started",
    "start.noted": "the run directory has its number, no supervisor was started",
    "supervisor.born": "a supervisor has left its session and holds nothing",
    "supervisor.locked": "it holds the run lock and has written nothing",
    "supervisor.claimed": "the row says that it is the one",
    "supervisor.attempting": "the attempt is on record, nothing was started",
    "supervisor.spawned": "the wrapper is started, its process is on no record",
    "supervisor.recorded": "the process is on record, nobody was told",
    "supervisor.acknowledged": "whoever started it was told",
    "supervisor.stopping": "it has begun to stop the attempt",
    "supervisor.ended": "the child is gone, nothing was made of it",
    "supervisor.synced": "what the attempt left is durable, there is no verdict",
    "supervisor.judged": "the verdict lies in the run directory, the row does not know",
    "supervisor.settled": "the row has its terminal status, the next in the queue no supervisor",
    "marks.appending": "a mark is about to be written",
    "seal.synced": "spools and marks are durable, their blocks are not stored",
    "seal.stored": "blocks are stored, the log is not finished",
    "seal.finished": "a log is finished, its run directory is still there",
    "archive.made": "an archive is whole and checked beside its place",
    "archive.placed": "an archive has its name, nothing of what it holds was removed",
    "prune.emptied": "run directories are removed, their executions are still there",
    "removal.emptied": "of a run directory only the plan is left",
}
"""Every point and what holds there."""

Listener = Callable[[str], None]

_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Have `listener` called, on whatever thread it happens, with the name of each point that this process reaches;
    what it raises is raised there. None: nobody listens any more."""
    global _listener
    _listener = listener


def reach(name: str) -> None:
    """This process is at a point."""
    if _listener is not None:
        _listener(name)
