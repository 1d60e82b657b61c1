"""What a supervisor has to say reaches the store, whatever keeps it from that for a while."""

import errno

import pytest

from outlast.kernel.clock import Clock
from outlast.kernel.database import Connection, Database, StoreConnection
from outlast.kernel.home import Home
from outlast.supervisor.loop import Loop
from outlast.supervisor.recorder import Recorder
from stored import hands_on


def no_migration() -> None:
    raise AssertionError("nobody has migrated the store")


def test_a_home_that_cannot_be_looked_at_for_a_while_ends_no_supervisor(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def refuse(_: Database, __: StoreConnection) -> bool:
        refused.append("looked for")
        raise PermissionError(errno.EACCES, "Permission denied", home.database)

    def rule(connection: Connection) -> int:
        if not refused:  # the connection is open by now
            raise PermissionError(errno.EACCES, "Permission denied", home.database)
        return connection.execute("SELECT count(*) FROM executions").fetchone()[0]

    with hands_on(home):
        pass  # there is a store
    monkeypatch.setattr(Database, "away", refuse)
    loop = Loop(Clock())
    recorder = Recorder(Database(home, lock_timeout=None), loop, no_migration)
    said: list[int] = []
    recorder.write(rule, said.append)
    while not said:
        loop.run_once()
    recorder.close()
    assert (said, refused) == ([0], ["looked for"])
