"""What `outlast doctor --fix` does about what was found. All of it may be killed at any moment and done again."""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from outlast.kernel.claims import next_in_queue
from outlast.kernel.database import Database
from outlast.kernel.errors import OutlastError
from outlast.kernel.home import Home
from outlast.kernel.process import ProcessId
from outlast.server.cli.session import Session
from outlast.server.cli.wording import counted, now
from outlast.server.doctor.database import LARGE_WAL
from outlast.server.doctor.findings import Fix, Mending, numbers_words, size_words
from outlast.server.doctor.leftovers import temporary
from outlast.server.doctor.processes import command_of, forbidden, marked_processes, stop
from outlast.storage import reading
from outlast.storage.examining import ended, unattended, unsealed, unsupervised
from outlast.storage.mending import empty_wal, rebuild_indexes
from outlast.storage.snapshots import reading_now
from outlast.tools.readable import visible

if TYPE_CHECKING:
    from outlast.runtime.observer import Observer

TAKEN_UP_WITHIN = 30.0
"""Seconds that executions have for getting their supervisors."""
SETTLED_WITHIN = 3.0
"""Seconds that those whose processes are gone have for being settled; others go on running."""


class Mended(NamedTuple):
    done: bool
    message: str
    """What was done, or why it was not."""
    next: str | None = None


def mend(fix: Fix, session: Session) -> Mended:
    """Do what a finding's fix says. What fails is told in the result.

    It is done to what is there at this moment, as any command or server would do it; but only those processes are
    stopped that the fix names.
    """
    home = session.settings.home
    try:
        match fix.mending:
            case Mending.INDEXES:
                return Mended(True, f"the indexes were rebuilt; what was there before: {rebuild_indexes(home)}")
            case Mending.WAL:
                return wal(home)
            case Mending.TEMPORARY:
                return temporary_files(home)
            case Mending.EXECUTIONS:
                work = executions
            case Mending.RUN_DIRECTORIES:
                work = run_directories
            case Mending.LIBRARIES:
                work = libraries
            case Mending.PROCESSES:
                work = partial(processes, announced=fix.processes)
        with session.observer() as observer:
            return observer.call(work, observer.it)
    except OutlastError as error:
        return Mended(False, f"{error.code}: {error.message}".rstrip("."), error.next)
    except OSError as error:
        return Mended(False, str(error), "see to that, then outlast doctor --fix again")


def wal(home: Home) -> Mended:
    emptied = empty_wal(home)
    sizes = f"the write-ahead log had {size_words(emptied.before)} and has {size_words(emptied.after)} now"
    if emptied.after <= LARGE_WAL:
        return Mended(True, sizes)
    readers = ", ".join(f"{pid} ({visible(command_of(pid)) or 'unknown'})" for pid in reading_now(home))
    return Mended(
        False,
        f"{sizes}; {readers or 'some program'} reads an old state of it",
        "end that program or let it close the database, then outlast doctor --fix again",
    )


def temporary_files(home: Home) -> Mended:
    database = Database(home)
    try:
        # Backups are written under this lock.
        with database.lock.held(database.lock_timeout):
            files = temporary(home)
            for path in files:
                path.unlink(missing_ok=True)
    finally:
        database.lock.close()
    return Mended(True, f"{counted(len(files), 'file')} removed")


async def executions(observer: "Observer") -> Mended:
    import anyio  # only here and below: commands that only look do without

    numbers = await without_supervisor(observer)
    left = numbers
    with anyio.move_on_after(TAKEN_UP_WITHIN):
        while left:
            await observer.reconcile()
            left = await without_supervisor(observer)
            await anyio.sleep(0.05)
    deadline = anyio.current_time() + SETTLED_WITHIN
    said: list[str] = []
    for number in numbers:
        execution = await observer.wait(number, max(0.0, deadline - anyio.current_time()))
        if execution.settled is not None:
            await observer.seal(execution)
        said.append(f"#{number} {execution.status}")
    if left:
        return Mended(
            False, f"{numbers_words(left)} got no supervisor: {', '.join(said)}", "supervisor.log in its run directory"
        )
    return Mended(True, f"taken up: {', '.join(said)}" if said else "somebody else has taken them up")


async def without_supervisor(observer: "Observer") -> list[int]:
    """Numbers of those that should have a supervisor and have none, and of those a free slot would go to."""
    home = observer.options.home
    rows = await observer.store.read(lambda c: unsupervised(reading.live(c), home, now()))
    queue = await observer.store.read(next_in_queue)
    return [row.number for row in rows] + [claim.number for claim in queue]


async def run_directories(observer: "Observer") -> Mended:
    home = observer.options.home
    await observer.seal_all()
    stay = await observer.store.read(lambda c: unsealed(c, home))
    remains = await observer.store.read(lambda c: unattended(c, home))
    if stay:
        return Mended(
            False,
            f"the log of {numbers_words(stay)} cannot be moved into the database, or somebody is moving it; it stays "
            "readable where it is",
            "outlast doctor --fix again, or outlast seal NUMBER, which says why",
        )
    if others := [*remains.finished, *remains.abandoned]:
        return Mended(
            False, f"somebody still makes files in {', '.join(others)}", "end that program, then outlast doctor --fix"
        )
    return Mended(True, "all logs of what is over are in the database, and their run directories are gone")


async def libraries(observer: "Observer") -> Mended:
    import anyio

    used = await observer.store.read(reading.libraries_in_use)
    removed = await anyio.to_thread.run_sync(observer.library.remove_others, used)
    return Mended(True, f"{counted(len(removed), 'copy', 'copies')} of code removed")


async def processes(observer: "Observer", announced: frozenset[ProcessId]) -> Mended:
    import anyio

    marked = await anyio.to_thread.run_sync(marked_processes)
    home = observer.options.home
    over = await observer.store.read(lambda c: ended(c, home, {each.marker for each in marked}))
    found = [each for each in forbidden(marked, over) if each.process in announced]
    alive = await anyio.to_thread.run_sync(stop, found)
    if alive:
        pids = ", ".join(str(each.process.pid) for each in alive)
        return Mended(False, f"alive in spite of SIGKILL: {pids}", "they wait for a device; dmesg may say which")
    return Mended(True, f"{counted(len(found), 'process', 'processes')} stopped")
