"""Killed clients leave no server and no zombie, and take no execution with them."""

import os

import pytest

from abuse.leaving import kill_clients
from outlast.kernel.home import Home

KILLS = int(os.environ.get("OUTLAST_CLIENT_KILLS", "2"))


@pytest.mark.requirement("X1")
def test_killed_clients_leave_nothing_but_their_executions(home: Home) -> None:
    seconds, wrong = kill_clients(home, KILLS)
    assert wrong == []
    assert len(seconds) == KILLS
