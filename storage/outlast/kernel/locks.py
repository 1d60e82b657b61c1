"""The three locks, always taken in this order: run lock → seal lock → store lock.

Run lock   one supervisor per execution. Held for life, released by the kernel alone when the holder dies.
Seal lock  one sealer per execution.
Store lock one writer (and opener, closer, checkpointer) per database, over all processes.
"""

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager

from outlast.kernel.errors import StoreBusy, StoreUnreachable
from outlast.kernel.files import open_regular, read_regular, regain
from outlast.kernel.process import ProcessId

FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: l_type l_whence l_start l_len l_pid
OFD = hasattr(fcntl, "F_OFD_SETLK")


LONGEST_NOTE = 200
"""Bytes of what a holder writes into its lock file, at most."""


class RunLock:
    """Says that an execution's supervisor lives. Never broken, never unlinked: taking over means its holder died.

    An open-file-description lock where there is one, because asking who holds it takes nothing; flock elsewhere.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def acquire(cls, path: str) -> "RunLock | None":
        """The lock, or None when somebody holds it. Never waits."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
        except PermissionError:
            regain(path)
            fd = os.open(path, flags, 0o600)
        try:
            if OFD:
                fcntl.fcntl(fd, fcntl.F_OFD_SETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            else:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return None
            raise
        return cls(fd)

    def note(self, holder: ProcessId) -> None:
        """Write into the file who holds it, for those who have to end a holder that does not answer."""
        os.pwrite(self.fd, f"{holder.pid} {holder.start} {holder.boot_id}\n".ljust(80).encode(), 0)

    def release(self) -> None:
        os.close(self.fd)


def run_lock_holder(path: str) -> ProcessId | None:
    """Who noted itself last; whether it still holds the lock, `run_lock_held` tells."""
    try:
        fields = read_regular(path, LONGEST_NOTE).decode("ascii").split()
        return ProcessId(int(fields[0]), int(fields[1]), fields[2]) if len(fields) == 3 else None
    except (FileNotFoundError, ValueError):  # not there, or nothing that a supervisor has written
        return None


def run_lock_held(path: str) -> bool:
    """Whether a supervisor lives. Takes nothing where the system can tell; a missing file, or what a child has put in
    its place that is none, is a free lock. One of another user's is theirs to judge: it counts as held."""
    try:
        fd = open_regular(path, os.O_RDWR)
    except PermissionError:
        return True
    if fd is None:
        return False
    try:
        if OFD:
            asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            return FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                return True
            raise
        return False
    finally:
        os.close(fd)


class StoreLock:
    """The writers' queue of one database: a flock on its own file, with the holder's pid inside.

    Waiting is one blocking flock, which the kernel grants in order; polling was unfair by a factor of five. Where
    the wait is bounded the flock runs on a helper thread; a grant that comes after its asker gave up is given
    back at once. One object per process and database: threads queue at `_turn`.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = threading.Lock()
        self._closed = False

    @contextmanager
    def held(self, timeout: float | None) -> Generator[None]:
        """Hold the lock. Waits at most `timeout` seconds, then StoreBusy names the holder; None waits for ever."""
        self._acquire(timeout)
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def idle(self) -> Generator[None]:
        """Keep this process from holding or awaiting the lock, e.g. while it is suspended."""
        with self._turn:
            yield

    def _acquire(self, timeout: float | None) -> None:
        if not self._turn.acquire(timeout=-1 if timeout is None else timeout):
            raise self._busy(timeout or 0)
        if self._closed:
            self._turn.release()
            raise StoreUnreachable("This store has been closed.", next="open it again")
        if timeout is None:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        else:
            try:
                grant = Grant(self._fd, self._turn)
            except BaseException:  # no descriptor or no thread left: another time there will be
                self._turn.release()
                raise
            if not grant.wait(timeout):
                raise self._busy(timeout)
        try:
            os.pwrite(self._fd, b"%-20d\n" % os.getpid(), 0)
        except OSError:  # a full disk: the lock must not stay taken by somebody who was told no
            self._release()
            raise

    def _release(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._turn.release()

    def _busy(self, timeout: float) -> StoreBusy:
        holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        return StoreBusy(
            f"The store lock was not free within {timeout:g} s; process {holder} took it last.",
            next="try again; if it stays, look at that process",
        )

    def close(self) -> None:
        """Give the file up; later calls raise StoreUnreachable. While somebody holds or awaits the lock its
        descriptor stays open: closed, its number could become somebody else's file under their hands."""
        if self._turn.acquire(blocking=False):
            self._closed = True
            os.close(self._fd)
            self._turn.release()


class Grant:
    """One bounded wait for a flock, on a thread of its own."""

    def __init__(self, fd: int, turn: threading.Lock) -> None:
        # Its own descriptor of the same lock: a grant may come after the asker has closed the other one.
        self._fd = os.dup(fd)
        self._turn = turn
        self._state = threading.Lock()
        self._given_up = False
        self._granted = threading.Event()
        try:
            threading.Thread(target=self._wait, name="store-lock", daemon=True).start()
        except BaseException:
            os.close(self._fd)
            raise

    def _wait(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            with self._state:
                if not self._given_up:
                    self._granted.set()
                    return
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._turn.release()
        finally:
            os.close(self._fd)

    def wait(self, timeout: float) -> bool:
        """True once the lock is ours. After False nobody needs to do anything: a late grant is given back."""
        self._granted.wait(timeout)
        with self._state:
            self._given_up = not self._granted.is_set()
        return not self._given_up
