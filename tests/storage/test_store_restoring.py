"""A backup put back in the database's place: for everybody at once, and without harm when it cannot be."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from outlast.kernel import backups, executions
from outlast.kernel.checksums import check_execution
from outlast.kernel.database import Connection
from outlast.kernel.errors import Conflict, InvalidInput, StoreTooNew, StoreUnreachable
from outlast.kernel.home import Home, write_durably
from outlast.kernel.locks import RunLock
from outlast.kernel.migrating import SCHEMA_VERSION
from outlast.kernel.plan import Plan
from outlast.kernel.status import ExecutionStatus
from outlast.storage import maintenance, reading
from outlast.storage.maintenance import Restored, examine
from stored import Hands, hands_on, plan_of, quick_home


@contextmanager
def opened(path: str | Path) -> Generator[Connection]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        yield connection


def numbers_in(path: str | Path) -> list[int]:
    with opened(path) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM executions ORDER BY 1")]


def run_directory(home: Home, plan: Plan, number: int | None) -> str:
    """The files of a live execution."""
    run = home.run(plan.id)
    os.makedirs(run.path, 0o700)
    write_durably(run.plan, plan.encode())
    if number is not None:
        write_durably(run.number, b"%d\n" % number)
    return run.path


def live(hands: Hands, **fields: str | None) -> tuple[int, Plan]:
    """An execution in the hands of a supervisor, with its run directory."""
    plan = plan_of(at=hands.tick(), params={"rows": 1}, **fields)  # type: ignore[arg-type]  # fields of plan_of
    number = hands.create(plan).number
    run_directory(hands.home, plan, number)
    hands.begin(number)
    return number, plan


class Backed:
    """A home with a backup, worked on from a thread: what the tests of restoring begin with."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.hands = Hands(home)

    def backup(self) -> Path:
        return Path(backups.take(self.hands.connection, self.home, "manual"))

    def restore(self, path: Path) -> Restored:
        return maintenance.put_back(self.hands.database, self.hands.connection, path, self.hands.tick())

    def problems(self) -> tuple[str, ...]:
        return self.hands.read(examine).problems


@pytest.fixture
def backed(home: Home) -> Generator[Backed]:
    backed = Backed(home)
    yield backed
    backed.hands.close()


@pytest.mark.requirement("S3-14")
@pytest.mark.requirement("S3-18")
def test_restoring_puts_the_older_data_in_place_for_everybody_who_has_it_open(backed: Backed) -> None:
    hands = backed.hands
    kept = hands.run(plan=plan_of(at=hands.tick(), params={"rows": 1}))
    path = backed.backup()
    before = hands.row(kept)
    newer = [hands.run(), hands.run()]
    hands.write(lambda c: executions.delete(c, kept))
    with hands_on(backed.home) as others:
        assert sorted(others.statuses()) == newer
        restored = backed.restore(path)
        assert others.row(kept) == before
        assert others.statuses() == {kept: "completed"}
        assert reading.details(others.connection, kept).params[0].value == 1
        assert others.create().number == newer[-1] + 1, "no number is given twice"
    assert (restored.executions, restored.reinserted, restored.lost) == (1, (), ())
    assert restored.missing == tuple(newer)
    assert numbers_in(restored.previous) == newer
    assert backed.problems() == ()


def test_what_was_there_before_can_be_put_back(backed: Backed) -> None:
    hands = backed.hands
    path = backed.backup()
    number = hands.run()
    row = hands.row(number)
    restored = backed.restore(path)
    assert hands.statuses() == {}
    again = backed.restore(restored.previous)
    assert hands.row(number) == row
    assert (again.executions, again.missing) == (1, ())


def test_numbers_are_kept_even_where_the_file_that_knows_them_is_gone(backed: Backed) -> None:
    hands = backed.hands
    path = backed.backup()
    assert [hands.run(), hands.run(), hands.run()] == [1, 2, 3]
    hands.write(lambda c: executions.delete(c, 3))
    os.unlink(backed.home.numbers)
    backed.restore(path)
    assert hands.create().number == 4


@pytest.mark.requirement("S3-18")
def test_what_only_its_run_directory_knows_is_put_back_in_with_its_number(backed: Backed) -> None:
    hands = backed.hands
    path = backed.backup()
    number, plan = live(hands, idempotency_key="once", agent="planner", concurrency_key="db")
    settled = hands.run()
    restored = backed.restore(path)
    assert (restored.reinserted, restored.missing) == ((number,), (settled,))
    found = reading.execution(hands.connection, number)
    assert (found.id, found.status, found.agent) == (plan.id, ExecutionStatus.PENDING, "planner")
    assert found.created_at == plan.created_at
    assert reading.details(hands.connection, number).params[0].value == 1
    assert reading.plan(hands.connection, number) == plan.encode()
    assert hands.events(number) == ["reinserted"]
    # The same request finds it again, and its next supervisor may take it over.
    assert hands.create(plan_of(idempotency_key="once")).number == number
    assert hands.create().number == settled + 1
    assert hands.begin(number) == 1
    assert backed.problems() == ()
    assert backed.restore(path).reinserted == (number,)


def test_one_whose_number_is_another_s_by_now_is_put_back_in_with_a_new_one(backed: Backed) -> None:
    """A run directory that says #1 is no reason to lose either of the two."""
    hands = backed.hands
    taken = hands.run()
    backup = backed.backup()
    other = plan_of(at=hands.tick())
    directory = run_directory(hands.home, other, taken)
    restored = backed.restore(backup)
    assert restored.reinserted == (taken + 1,)
    assert reading.number_of(hands.connection, other.id) == taken + 1
    assert Path(directory, "number").read_text() == f"{taken + 1}\n"


def test_a_backup_of_another_home_takes_nobody_s_place(backed: Backed, tmp_path: Path) -> None:
    hands = backed.hands
    hands.run()
    with quick_home() as home, hands_on(home) as elsewhere:
        elsewhere.run()
        elsewhere.run()
        foreign = Path(backups.take(elsewhere.connection, home, "manual"))
        with pytest.raises(Conflict, match="another home"):
            backed.restore(foreign)
        assert list(hands.statuses()) == [1]
        with quick_home() as empty, hands_on(empty) as moved:
            database = moved.database
            maintenance.put_back(database, moved.connection, foreign, moved.now)
            assert list(moved.statuses()) == [1, 2]


def test_what_it_retried_may_be_gone(backed: Backed) -> None:
    hands = backed.hands
    path = backed.backup()
    first = hands.run()
    plan = plan_of(at=hands.tick(), retry_of=first)
    number = hands.create(plan).number
    run_directory(backed.home, plan, number)
    assert backed.restore(path).reinserted == (number,)
    assert hands.row(number)["retry_of"] is None
    assert reading.plan(hands.connection, number) == plan.encode()


def test_a_key_that_the_backup_knows_stays_with_its_execution(backed: Backed) -> None:
    hands = backed.hands
    first = hands.run(plan=plan_of(at=hands.tick(), idempotency_key="k"))
    path = backed.backup()
    hands.write(lambda c: executions.delete(c, first))
    number, _ = live(hands, idempotency_key="k")
    assert backed.restore(path).reinserted == (number,)
    assert hands.create(plan_of(idempotency_key="k")).number == first
    assert hands.statuses() == {first: "completed", number: "pending"}


@pytest.mark.parametrize("broken", ["no number", "no plan", "not a plan", "a file", "empty"])
def test_what_is_no_execution_among_the_run_directories_stops_nothing(backed: Backed, broken: str) -> None:
    hands = backed.hands
    path = backed.backup()
    number, _ = live(hands)
    plan = plan_of(at=hands.tick())
    run = backed.home.run(plan.id)
    match broken:
        case "no number":
            run_directory(backed.home, plan, None)
        case "no plan":
            os.unlink(run_directory(backed.home, plan, 7) + "/plan.json")
        case "not a plan":
            run_directory(backed.home, plan, 7)
            write_durably(run.plan, b'{"format":1,"steps":[3]}')
        case "a file":
            write_durably(run.path, b"")
        case _:
            os.mkdir(run.path)
    assert backed.restore(path).reinserted == (number,)


def test_what_is_live_in_the_backup_and_gone_since_is_lost_and_said_so(backed: Backed) -> None:
    hands = backed.hands
    hands.limit(2)
    gone, plan = live(hands)
    stays, _ = live(hands)
    waiting = hands.create().number
    run_directory(backed.home, plan_of(), None)
    path = backed.backup()
    hands.settle(gone)
    for name in os.listdir(backed.home.run(plan.id).path):
        os.unlink(f"{backed.home.run(plan.id).path}/{name}")
    os.rmdir(backed.home.run(plan.id).path)
    restored = backed.restore(path)
    assert restored.lost == (gone, waiting)
    row = hands.row(gone)
    assert (row["status"], row["reason"], row["exit_code"]) == ("lost", maintenance.LOST, None)
    assert row["ended_at"] == hands.now
    assert hands.statuses() == {gone: "lost", stays: "running", waiting: "lost"}
    assert hands.rows("SELECT status FROM attempts WHERE execution = ?", gone) == [("lost",)]
    assert hands.events(gone)[-1] == "lost"
    hands.read(lambda c: check_execution(c, gone))
    assert hands.look(stays).epoch == 1
    assert backed.problems() == ()


def test_nothing_is_restored_while_a_supervisor_lives(backed: Backed) -> None:
    hands = backed.hands
    path = backed.backup()
    number, plan = live(hands)
    lock = RunLock.acquire(backed.home.run(plan.id).run_lock)
    assert lock is not None
    with pytest.raises(Conflict, match="would take the ground from under it") as caught:
        backed.restore(path)
    assert (caught.value.code, caught.value.handle_id) == ("execution_is_live", plan.id)
    assert hands.statuses() == {number: "running"}
    assert backups.listed(backed.home, "before-restore") == []
    lock.release()
    assert backed.restore(path).reinserted == (number,)


def others_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE executions(id TEXT, workflow TEXT)")
        other.execute("CREATE TABLE logs(id TEXT)")


def newer_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


@pytest.mark.requirement("S3-18")
@pytest.mark.parametrize("wrong", ["missing", "folder", "text", "empty", "somebody else's", "cut", "newer", "itself"])
def test_what_is_no_backup_of_ours_is_refused_and_nothing_is_touched(backed: Backed, wrong: str) -> None:
    hands = backed.hands
    number = hands.run()
    row = hands.row(number)
    path = Path(backed.home.root) / "other.db"
    match wrong:
        case "missing":
            pass
        case "folder":
            path.mkdir()
        case "text":
            path.write_text("this is a letter\n" * 100)
        case "empty":
            path.touch()
        case "somebody else's":
            others_database(path)
        case "cut":
            path.write_bytes(backed.backup().read_bytes()[:-5000])
        case "newer":
            path.write_bytes(backed.backup().read_bytes())
            newer_database(path)
        case _:
            hands.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            path = Path(backed.home.database)
    with pytest.raises(
        StoreTooNew if wrong == "newer" else InvalidInput, match="Restart" if wrong == "newer" else str(path)
    ):
        backed.restore(path)
    assert hands.row(number) == row
    assert backups.listed(backed.home, "before-restore") == []
    assert hands.create().number == number + 1


@pytest.mark.requirement("S3-18")
def test_a_restore_that_fails_leaves_what_was_there(backed: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old backup whose migration does not work must not cost the database that did."""
    hands = backed.hands
    path = backed.backup()
    number = hands.run()
    row = hands.row(number)

    def failing(connection: Connection, home: Home) -> None:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (0,)
        raise sqlite3.OperationalError("this migration does not work")

    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "migrate", failing)
        with pytest.raises(sqlite3.OperationalError):
            backed.restore(path)
    assert hands.row(number) == row
    assert hands.create().number == number + 1
    assert backed.problems() == ()


def test_a_restore_into_a_file_that_is_no_longer_the_database_is_refused(backed: Backed) -> None:
    path = backed.backup()
    backed.hands.run()
    os.rename(backed.home.database, backed.home.database + ".aside")
    backed.home.create()
    Path(backed.home.database).touch()
    with pytest.raises(StoreUnreachable, match="no longer the file"):
        backed.restore(path)
    assert backed.hands.statuses() == {1: "completed"}
    assert backups.listed(backed.home, "before-restore") == []


def test_an_upgraded_database_is_not_overwritten_by_an_older_program(backed: Backed) -> None:
    path = backed.backup()
    number = backed.hands.run()
    with closing(sqlite3.connect(backed.home.database)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreTooNew):
        backed.restore(path)
    assert backed.hands.statuses() == {number: "completed"}
