"""The store lock: one at a time over all processes, in turn, with an end to every wait."""

import errno
import fcntl
import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from outlast.kernel.errors import StoreBusy
from outlast.kernel.home import Home
from outlast.kernel.locks import StoreLock
from stored import Process, processes

HOLDER = """
from outlast.kernel.locks import StoreLock
lock = StoreLock(home.store_lock)
with lock.held(30):
    say("held")
    hear()
say("released")
hear()
"""

SHORT = 0.05
"""Seconds that are waited in vain."""


@pytest.fixture
def lock(home: Home) -> Iterator[StoreLock]:
    lock = StoreLock(home.store_lock)
    yield lock
    lock.close()


@contextmanager
def held_by_another() -> Generator[Process]:
    with processes(HOLDER) as (holder,):
        assert holder.says() == "held"
        yield holder


def free(lock: StoreLock) -> bool:
    """Whether nobody holds it, asked from outside."""
    fd = os.open(lock.path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def test_while_one_holds_it_nobody_else_does(lock: StoreLock) -> None:
    with lock.held(5):
        assert not free(lock)
    assert free(lock)
    with lock.held(None):
        assert not free(lock)
    assert free(lock)
    assert os.stat(lock.path).st_mode & 0o777 == 0o600


def test_it_is_free_after_an_error(lock: StoreLock) -> None:
    with pytest.raises(ZeroDivisionError), lock.held(5):
        _ = 1 // 0
    assert free(lock)


def test_a_wait_has_an_end_that_names_the_holder(lock: StoreLock) -> None:
    with held_by_another() as holder:
        with pytest.raises(StoreBusy, match=rf"within 0\.05 s; process {holder.pid} ") as caught, lock.held(SHORT):
            pytest.fail("it was held")
        assert caught.value.code == "store_busy"
        assert caught.value.next is not None


def test_a_grant_that_comes_too_late_is_given_back(lock: StoreLock) -> None:
    with held_by_another() as holder:
        with pytest.raises(StoreBusy), lock.held(SHORT):
            pytest.fail("it was held")
        # The wait that was given up still stands in the queue: the next one says at once that it is busy.
        with pytest.raises(StoreBusy), lock.held(SHORT):
            pytest.fail("it was held")
        holder.hears()
        assert holder.says() == "released"
        with lock.held(10):
            assert not free(lock)
        assert free(lock)


def test_a_lock_closed_with_a_wait_behind_it_is_not_stranded(home: Home) -> None:
    lock = StoreLock(home.store_lock)
    with held_by_another() as holder:
        with pytest.raises(StoreBusy), lock.held(SHORT):
            pytest.fail("it was held")
        lock.close()
        # The number of the closed descriptor goes to somebody else, whose lock must stay.
        other = os.open(home.root + "/other.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(other, fcntl.LOCK_EX)
        (waiting,) = [thread for thread in threading.enumerate() if thread.name == "store-lock"]
        holder.hears()
        waiting.join(10)
        assert not waiting.is_alive()
        probe = os.open(home.root + "/other.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(probe)
        os.close(other)
        assert free(lock)


def test_a_killed_holder_holds_nothing(lock: StoreLock) -> None:
    with held_by_another() as holder:
        os.kill(holder.pid, signal.SIGKILL)
        with lock.held(10):
            assert not free(lock)


def test_idle_keeps_everybody_in_the_process_out(lock: StoreLock) -> None:
    with lock.idle():
        assert free(lock)
        with pytest.raises(StoreBusy), lock.held(SHORT):
            pytest.fail("the process was to be idle")
    with lock.held(5):
        assert not free(lock)


def test_idle_waits_until_the_process_holds_nothing(lock: StoreLock) -> None:
    idle, go_on = threading.Event(), threading.Event()

    def suspend() -> None:
        with lock.idle():
            idle.set()
            go_on.wait(10)

    thread = threading.Thread(target=suspend)
    with lock.held(5):
        thread.start()
        assert not idle.wait(SHORT)
    assert idle.wait(10)
    assert free(lock)
    go_on.set()
    thread.join(10)


def test_threads_take_turns(lock: StoreLock) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(30):
            with lock.held(20):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1


def test_several_processes_get_it_alike_often(home: Home) -> None:
    """Each keeps asking until the count is full. A lock that is polled for gives one of them nearly everything."""
    count = """
import fcntl
from outlast.kernel.locks import StoreLock
lock = StoreLock(home.store_lock)
say("ready")
hear()
own = 0
while True:
    with lock.held(30):
        with open(home.root + "/count", "r+") as file:
            number = int(file.read() or 0)
            if number >= 2000:
                break
            file.seek(0)
            file.write(str(number + 1))
            own += 1
say(own)
"""
    with open(home.root + "/count", "w") as file:
        file.write("0")
    with processes(count, 4) as counters:
        for process in counters:
            assert process.says() == "ready"
        for process in counters:
            process.hears()
        shares = [int(process.ends()[0]) for process in counters]
    assert sum(shares) == 2000
    assert min(shares) > 2000 / 4 / 4, shares


def test_a_full_disk_does_not_strand_the_lock(lock: StoreLock, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space"), lock.held(5):
            pytest.fail("the holder's number could not be written")
    assert free(lock)
    with lock.held(5):
        assert not free(lock)


def test_a_process_out_of_descriptors_gets_the_lock_later(lock: StoreLock, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(fd: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", exhausted)
        with pytest.raises(OSError, match="Too many"), lock.held(5):
            pytest.fail("there was no descriptor to wait with")
    with lock.held(5):
        assert not free(lock)
