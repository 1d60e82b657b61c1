"""Moving a log from the spools of a run directory into blocks of the store."""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from sqlite3 import Connection
from typing import NamedTuple, Protocol, TypeVar

from outlast.kernel import faults, seals
from outlast.kernel.home import RunDirectory
from outlast.kernel.marks import EVENT, MERGED, RECORD, STDERR, STDOUT, STREAM_FILES, MarkReader, Spool
from outlast.kernel.plan import Plan
from outlast.storage.logs.blocks import BlockBuilder
from outlast.storage.logs.masking import TOKENS_ONLY, Masker
from outlast.storage.logs.positions import Position, decode_position
from outlast.storage.logs.walks import SpoolFiles, Walk

FEWEST_BLOCKS = 8
"""In one transaction, except at the end of the log: each costs an fsync of store and spools."""
MOST_BLOCKS = 64
"""In one transaction: the store lock is held while they are written."""

T = TypeVar("T")


class Transact(Protocol):
    """Runs one rule in one transaction and returns what it returned."""

    def __call__(self, rule: Callable[[Connection], T], /) -> T: ...


class Sealed(NamedTuple):
    lines: int
    blocks: int
    """Written by this call."""
    finished: bool
    """The whole log is in the store: the run directory may go."""
    unclosed: tuple[Spool, ...] = ()
    """Spools with bytes whose closing mark is missing though the execution is settled; they keep it unfinished."""


def seal(
    number: int,
    run_directory: RunDirectory,
    plan: Plan,
    write: Transact,
    *,
    read: Transact | None = None,
    masker: Masker = TOKENS_ONLY,
) -> Sealed:
    """Seal what the marks cover: full blocks while the execution is live, everything when it is settled.

    `write` runs a rule as one durable write transaction; `read`, where given, is used for looking. May be killed
    at any moment and called again; does nothing while somebody else seals the same log. `masker`: takes out what no
    line may show.
    The caller removes the run directory once the result says `finished`.
    """
    lock = take_lock(run_directory)
    if lock is None:
        return Sealed(0, 0, False)
    try:
        # Settled or not is read before the marks are: then every closing mark of a settled execution is there.
        seen = (read or write)(lambda connection: seals.look(connection, number))
        if seen is None:
            return Sealed(0, 0, False)
        if seen.log_lines is not None:
            return Sealed(0, 0, True)
        return Sealer(number, run_directory, plan, write, masker, seen).run()
    finally:
        os.close(lock)


def take_lock(run_directory: RunDirectory) -> int | None:
    """The seal lock's descriptor; None where somebody holds it or there is no run directory. Never waits."""
    try:
        fd = os.open(run_directory.seal_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


class Sealer:
    """One sealing of one log, under the seal lock."""

    def __init__(
        self,
        number: int,
        run_directory: RunDirectory,
        plan: Plan,
        write: Transact,
        masker: Masker,
        seen: seals.Seal,
    ) -> None:
        self._number = number
        self._directory = run_directory
        self._plan = plan
        self._write = write
        self._masker = masker
        self._seen = seen
        self._lines = self._blocks = 0

    def run(self) -> Sealed:
        marks = MarkReader()
        try:
            with SpoolFiles(self._directory, [step.id for step in self._plan.steps]) as files:
                if not self._seal(files) or not self._seen.settled:
                    return self._result()
                while len(records := files.read_marks(marks.position)) >= RECORD:
                    marks.feed(records)
        except FileNotFoundError:
            pass  # no marks file: nothing was printed so far
        return self._finish(marks) if self._seen.settled else self._result()

    def _finish(self, marks: MarkReader) -> Sealed:
        """Everything of a settled execution is in blocks: say so, unless bytes would be lost unseen."""
        late_bytes = 0
        unclosed: list[Spool] = []
        for spool, size in self._spools():
            if (packed := spool.pack()) in marks.closed:
                late_bytes += max(0, marks.begins.get(packed, 0) + size - marks.last[packed])
            elif size:
                unclosed.append(spool)
        if unclosed:
            return self._result(unclosed=tuple(unclosed))
        finished = self._write(lambda connection: seals.finish(connection, self._number, self._seen, late_bytes))
        if finished:
            faults.reach("seal.finished")
        return self._result(finished=finished)

    def _spools(self) -> Iterator[tuple[Spool, int]]:
        """The spools that are there, with their sizes in bytes."""
        streams = (MERGED, EVENT) if self._plan.streams == "merged" else (STDOUT, STDERR, EVENT)
        for step_no, step in enumerate(self._plan.steps, 1):
            directory = Path(self._directory.attempt(step.id, 0).path).parent
            for attempt in directory.iterdir() if directory.is_dir() else ():
                for stream in streams if attempt.name.isdecimal() else ():
                    if (size := size_of(attempt / STREAM_FILES[stream])) is not None:
                        yield Spool(step_no, int(attempt.name), stream), size

    def _result(self, *, finished: bool = False, unclosed: tuple[Spool, ...] = ()) -> Sealed:
        return Sealed(self._lines, self._blocks, finished, unclosed)

    def _seal(self, files: SpoolFiles) -> bool:
        """Store all blocks that are due. False where it is not the time: another sealer was faster, or a spool is
        shorter than its marks say and its supervisor has not noted yet that it was emptied."""
        seen = self._seen
        walk = Walk(files, decode_position(seen.lines, seen.position) if seen.position else Position())
        builder = BlockBuilder(walk, self._masker)
        batch: list[seals.Block] = []
        position = walk.position()
        while (block := builder.next(rest=seen.settled)) is not None:
            batch.append(block)
            position = walk.position()
            if len(batch) == MOST_BLOCKS:
                if not self._store(files, batch, position):
                    return False
                batch = []
        if batch and (seen.settled or len(batch) >= FEWEST_BLOCKS):
            return self._store(files, batch, position)
        return True

    def _store(self, files: SpoolFiles, blocks: list[seals.Block], position: Position) -> bool:
        # After a power cut the files must still reach as far as the store says they were read.
        files.sync(position.marks)
        faults.reach("seal.synced")
        if not self._seen.settled and any(files.end(spool) < marked for spool, marked, _ in position.spools):
            return False
        seen, text = self._seen, position.encode()
        moved = self._write(lambda connection: seals.append(connection, self._number, seen, blocks, text))
        if moved is None:
            return False
        faults.reach("seal.stored")
        self._lines += moved.lines - seen.lines
        self._blocks += len(blocks)
        self._seen = moved
        return True


def size_of(path: Path) -> int | None:
    """Bytes of a spool; None where it is missing or its child has put something else there."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def remove_run_directory(run_directory: RunDirectory) -> bool:
    """Remove the files of an execution whose log is finished; True when they are gone, False where somebody still
    makes files there or is removing them too: then ask again later.

    Secrets go first and plan.json last: a directory that still holds a plan, of an execution whose log is
    finished, was left by a crash and is removed by calling this again. What else should outlive it (output,
    artifacts) must be elsewhere by now, and its supervisor gone. Raises OSError where rights are missing.
    """
    root, plan = Path(run_directory.path), Path(run_directory.plan)
    Path(run_directory.secrets).unlink(missing_ok=True)
    try:
        for path in sorted(root.iterdir()):
            if path != plan:
                _remove(path)
        if any(path != plan for path in root.iterdir()):
            return False
        faults.reach("removal.emptied")
        plan.unlink(missing_ok=True)
        root.rmdir()
    except FileNotFoundError:
        pass  # somebody else is removing it too
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    return not root.exists()


def _remove(path: Path) -> None:
    """Remove a file or a tree; others may do the same."""
    while not path.is_symlink() and path.is_dir():
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            continue
        except PermissionError:
            _unlock(path)
            shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _unlock(path: Path) -> None:
    """Give us the rights that a child has taken away. Links are left alone: they may lead out of here."""
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            if not (inner := Path(folder, name)).is_symlink():
                inner.chmod(0o700)
