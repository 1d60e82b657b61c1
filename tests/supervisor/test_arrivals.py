"""The end of an attempt whose child has removed its spool, on a disk that does not take a copy of that."""

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.kernel.clock import Clock
from outlast.kernel.marks import BODY, CLOSE, MERGED, RECORD, MarkWriter, Spool
from outlast.supervisor.arrivals import Arrivals
from outlast.supervisor.loop import Loop

PRINTED = b"one\ntwo\n"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.write_bytes(PRINTED)
    return path


@pytest.fixture
def arrivals(spool: Path) -> Iterator[Arrivals]:
    """They have noted what is in the spool, which has been removed since."""
    before = signal.set_wakeup_fd(-1)
    clock = Clock()
    marks = MarkWriter(str(spool.with_name("marks")))
    arrivals = Arrivals(marks, Loop(clock), clock)
    arrivals.follow(Spool(1, 1, MERGED), str(spool))
    spool.unlink()
    yield arrivals
    marks.close()
    signal.set_wakeup_fd(before)


def fill(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Refuse what is written to a copy, except for its first bytes."""
    write = os.write

    def refusing(fd: int, data: bytes) -> int:
        if not os.readlink(f"/proc/self/fd/{fd}").endswith(".tmp"):
            return write(fd, data)
        if os.fstat(fd).st_size:
            raise OSError(error, os.strerror(error))
        return write(fd, data[:4])

    monkeypatch.setattr(os, "write", refusing)


def closes(marks: Path) -> int:
    """How many records close a spool, those included that readers skip."""
    data = marks.read_bytes()
    return sum(BODY.unpack_from(data, start + 4)[3] & 0xFF == CLOSE for start in range(0, len(data), RECORD))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_removed_spool_without_room_for_a_copy_is_given_up(
    arrivals: Arrivals, spool: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    fill(monkeypatch, error)
    arrivals.finish()
    assert os.listdir(spool.parent) == ["marks"]
    assert closes(spool.with_name("marks")) == 1


def test_what_is_tried_again_takes_no_room_meanwhile_and_closes_once(
    arrivals: Arrivals, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        fill(failing, errno.EIO)
        for _ in range(3):
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                arrivals.finish()
            assert os.listdir(spool.parent) == ["marks"]
    arrivals.finish()
    assert spool.read_bytes() == PRINTED
    assert closes(spool.with_name("marks")) == 1
