"""Finding, and ending, the processes that a test has left behind."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple


class Leftover(NamedTuple):
    """A living process that names a home; `fd` is its pidfd, so it is never mistaken for another one."""

    pid: int
    fd: int
    command: str


def end_leftovers(home: str, patience: float = 20.0) -> list[str]:
    """Give the processes of `home` `patience` seconds to end by themselves, then kill what is left.

    Returns the command lines of those that had to be killed.
    """
    deadline = time.monotonic() + patience
    killed: list[str] = []
    while found := list(leftovers(home)):
        for process in found:
            try:
                if not _wait_until_gone(process.fd, deadline - time.monotonic()):
                    killed.append(f"{process.pid} {process.command}")
                    with suppress(ProcessLookupError):  # it ended just now
                        signal.pidfd_send_signal(process.fd, signal.SIGKILL)
                    if not _wait_until_gone(process.fd, 10):
                        raise RuntimeError(f"process {process.pid} does not end: {process.command}")
            finally:
                os.close(process.fd)
    return killed


def leftovers(home: str) -> Iterator[Leftover]:
    """The living processes, this one apart, that name `home`: in their environment, arguments or open files."""
    if not os.path.isdir("/proc/self/fd"):
        return
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            fd = os.pidfd_open(int(name))
        except ProcessLookupError:
            continue
        # Looked at after the pidfd was opened: what is seen belongs to the process that the pidfd holds.
        if (command := _command_if_it_names(name, home)) is not None:
            yield Leftover(int(name), fd, command)
        else:
            os.close(fd)


def _command_if_it_names(pid: str, home: str) -> str | None:
    needle = os.fsencode(home)
    arguments = _read(f"/proc/{pid}/cmdline")
    if needle in arguments or needle in _read(f"/proc/{pid}/environ") or _holds_open(pid, home):
        return os.fsdecode(arguments.replace(b"\0", b" ")).strip()
    return None


def _holds_open(pid: str, home: str) -> bool:
    try:
        links = [f"/proc/{pid}/cwd", *(entry.path for entry in os.scandir(f"/proc/{pid}/fd"))]
    except OSError:  # another user's, or gone
        return False
    for link in links:
        with suppress(OSError):  # closed in the meantime
            if os.readlink(link).startswith(home):
                return True
    return False


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # another user's, or gone
        return b""


def _wait_until_gone(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
