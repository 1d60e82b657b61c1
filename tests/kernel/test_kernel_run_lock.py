"""The run lock says that an execution's supervisor lives: nothing else frees it than the holder's end."""

import os
import signal
import socket
from pathlib import Path

import pytest

from outlast.kernel.locks import RunLock, run_lock_held, run_lock_holder
from stored import processes

HOLDER = """
from outlast.kernel.locks import RunLock
lock = RunLock.acquire({path!r})
say("held" if lock else "refused")
hear()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "run.lock")


def test_a_lock_that_nobody_took_is_free_and_asking_makes_no_file(path: str) -> None:
    assert not run_lock_held(path)
    assert not os.path.exists(path)


@pytest.mark.parametrize("kind", ["FIFO", "directory", "socket", "loop", "text"])
def test_what_a_child_puts_in_its_place_is_free_and_names_nobody(path: str, kind: str) -> None:
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "directory":
            os.mkdir(path)
        case "socket":
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(path)
            listening.close()
        case "loop":
            os.symlink(path, path)
        case _:
            Path(path).write_bytes(b"a b \xff")
    assert not run_lock_held(path)
    assert run_lock_holder(path) is None


def test_one_of_another_user_s_is_left_to_them(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    assert run_lock_held(path)


def test_only_one_holds_it(path: str) -> None:
    first = RunLock.acquire(path)
    assert first is not None
    assert RunLock.acquire(path) is None
    assert run_lock_held(path)
    first.release()
    assert not run_lock_held(path)
    second = RunLock.acquire(path)
    assert second is not None
    second.release()


def test_asking_takes_nothing(path: str) -> None:
    """Whoever only looks never keeps a supervisor from its lock, however often and from however many sides."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    prober = """
from outlast.kernel.locks import run_lock_held
say("ready")
for _ in range(20_000):
    run_lock_held({path!r})
hear()  # both words at once would be read as one
say("done")
"""
    with processes(prober.format(path=path), 2) as probers:
        for process in probers:
            assert process.says() == "ready"
        for _ in range(2_000):
            lock = RunLock.acquire(path)
            assert lock is not None, "somebody who only asked kept the lock"
            lock.release()
        for process in probers:
            process.hears()
            assert process.ends() == ["done"]


def test_it_is_free_as_soon_as_its_holder_is_dead(path: str) -> None:
    with processes(HOLDER.format(path=path)) as (holder,):
        assert holder.says() == "held"
        assert run_lock_held(path)
        assert RunLock.acquire(path) is None
        os.kill(holder.pid, signal.SIGKILL)
        assert holder.says() == ""
        holder.kill()
        assert not run_lock_held(path)
        lock = RunLock.acquire(path)
        assert lock is not None
        lock.release()


def test_a_stopped_holder_still_holds_it(path: str) -> None:
    with processes(HOLDER.format(path=path)) as (holder,):
        assert holder.says() == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        assert run_lock_held(path)
        assert RunLock.acquire(path) is None


def test_processes_started_by_the_holder_do_not_keep_it(path: str) -> None:
    code = """
import subprocess
from outlast.kernel.locks import RunLock
lock = RunLock.acquire({path!r})
child = subprocess.Popen(["cat"], close_fds=False, stdin=subprocess.PIPE)
say("held")
hear()
os.close(lock.fd)
say("released")
hear()
child.communicate()
"""
    with processes(code.format(path=path)) as (holder,):
        assert holder.says() == "held"
        assert run_lock_held(path)
        holder.hears()
        assert holder.says() == "released"
        assert not run_lock_held(path)
        holder.hears()
        holder.ends()


def test_the_lock_file_is_its_owners_alone_and_stays(path: str) -> None:
    lock = RunLock.acquire(path)
    assert lock is not None
    lock.release()
    assert os.stat(path).st_mode & 0o777 == 0o600
