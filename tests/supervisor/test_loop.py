"""The supervisor's loop and what it watches with."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from outlast.kernel.clock import Clock
from outlast.kernel.process import identify
from outlast.supervisor.following import follow
from outlast.supervisor.log import log
from outlast.supervisor.loop import Loop

CLOCK = Clock()


@pytest.fixture
def loop() -> Iterator[Loop]:
    before = signal.set_wakeup_fd(-1)
    yield Loop(CLOCK)
    signal.set_wakeup_fd(before)


def test_a_time_limit_of_weeks_is_no_trouble(loop: Loop) -> None:
    called: list[str] = []
    loop.after(400 * 86_400, lambda: called.append("late"))
    loop.call_from_thread(lambda: called.append("soon"))
    loop.run_once()
    assert called == ["soon"]


@pytest.mark.parametrize("refused", [errno.ENOSYS, errno.EPERM, errno.EMFILE])
def test_a_system_without_pidfds_is_no_end_of_the_child(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        process = identify(child.pid, CLOCK)
        assert process is not None
        ended: list[bool] = []
        follow(process, loop, CLOCK, lambda: ended.append(True))
        loop.run_once()
        assert not ended
        assert child.stdin is not None
        child.stdin.close()
        child.wait(20)
        while not ended:
            loop.run_once()
    assert not process.signal(CLOCK.boot_id(), signal.SIGTERM)


def test_what_a_full_disk_does_not_take_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told in handlers that are to keep the supervisor alive."""
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115 (closed below, where that fails too)
    monkeypatch.setattr(sys, "stderr", full)
    log("nobody will read this")
    with contextlib.suppress(OSError):
        full.close()
