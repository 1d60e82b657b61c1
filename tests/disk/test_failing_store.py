"""A disk that fails under the database: what was refused stays refused, and the same process goes on afterwards."""

import errno

import pytest

from disk.failing import FULL, FailingDisk
from disk.recording import Kind
from outlast.kernel.home import Home
from stored import hands_on, plan_of, processes

WRITER = """
from outlast.kernel.errors import StoreError
from stored import Hands
hands = Hands(home)
while order := hear():
    try:
        say(f"#{hands.create().number}")
    except StoreError as error:
        say(f"{error.code}: {error.next}")
"""


@pytest.mark.parametrize(
    ("error", "kinds", "answer"),
    [
        (errno.EIO, [Kind.SYNC], "store_error: look at the disk (dmesg, df), then try again"),
        (errno.EIO, [Kind.WRITE], "store_error: look at the disk (dmesg, df), then try again"),
        (errno.ENOSPC, FULL, "store_full: free some disk space, then try again"),
    ],
)
def test_what_was_refused_stays_refused_and_the_process_goes_on(
    home: Home, disk: FailingDisk, error: int, kinds: list[Kind], answer: str
) -> None:
    with processes(WRITER) as (writer,):
        writer.hears("go")
        assert writer.says() == "#1"
        disk.fail(error, kinds, part="executions.db")
        writer.hears("go")
        assert writer.says() == answer
        assert disk.failed > 0
        disk.mend()
        writer.hears("go")
        assert writer.says().startswith("#")
    with hands_on(home) as hands:
        assert len(hands.statuses()) == 2


def test_a_commit_that_could_not_be_synced_does_not_come_back(home: Home, disk: FailingDisk) -> None:
    with processes(WRITER) as (writer,):
        writer.hears("go")
        assert writer.says() == "#1"
        # The frames of the commit are in the WAL when its sync fails; killed now, the next one would recover them.
        disk.fail(errno.EIO, [Kind.SYNC], part="-wal")
        writer.hears("go")
        assert writer.says().startswith("store_error")
        writer.kill()
    disk.mend()
    with hands_on(home) as hands:
        assert hands.statuses() == {1: "pending"}
        number = hands.create(plan_of(at=hands.tick())).number
        assert number > 1
