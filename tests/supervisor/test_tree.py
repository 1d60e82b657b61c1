"""Who belongs to an attempt, and who must not be touched."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from outlast.kernel.clock import Clock
from outlast.kernel.ids import new_id
from outlast.kernel.process import ProcessId, identify
from outlast.supervisor.tree import Tree

CLOCK = Clock()
ID = new_id(CLOCK.now())


@contextmanager
def group(*, marker: str | None) -> Generator[ProcessId]:
    """A process that leads a group of its own and is no descendant of whom looks: its parent has ended."""
    environment = {"PATH": os.defpath} | ({} if marker is None else {"OUTLAST_EXECUTION_ID": marker})
    command = ["/bin/sh", "-c", 'setsid sleep 300 > /dev/null & echo "$!"']
    # From a shell that ends at once, so that init or a subreaper above is the parent.
    pid = int(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=20).stdout)
    process = identify(pid, CLOCK)
    assert process is not None
    try:
        while os.getpgid(pid) != pid:
            os.sched_yield()
        yield process
    finally:
        process.signal(CLOCK.boot_id(), 9)


def members(leader: ProcessId, *, seen_alive: bool = False) -> list[int]:
    tree = Tree(ID, leader, [], CLOCK, seen_alive=seen_alive)
    return [member.pid for member in tree.members(holders=False)]


@pytest.mark.requirement("X1")
def test_a_group_whose_number_was_given_to_somebody_else_is_left_alone() -> None:
    """After a restart of a container pids begin anew: a pid that a file names may be anybody's."""
    with group(marker=None) as innocent:
        assert innocent.pid in members(innocent)
        assert innocent.pid not in members(innocent._replace(start=innocent.start - 1))
        assert innocent.pid not in members(innocent._replace(start=innocent.start - 1), seen_alive=True)


def test_a_group_outlives_its_leader_only_for_who_has_seen_it() -> None:
    with group(marker=None) as left:
        gone = ProcessId(2**22 - 1, 1, CLOCK.boot_id())
        assert left.pid not in members(gone)
        assert left.pid not in members(gone, seen_alive=True), "another group"


@pytest.mark.parametrize(
    ("marker", "spared"),
    [("", False), ("x", False), (ID, False), (new_id(1), True)],
    ids=["empty", "x", "own", "other"],
)
def test_only_another_execution_s_marker_spares(marker: str, spared: bool) -> None:
    """A child that empties the variable is no execution of its own."""
    with group(marker=marker) as process:
        assert (process.pid not in members(process)) is spared
