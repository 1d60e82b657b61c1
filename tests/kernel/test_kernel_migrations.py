"""Migrations: each one file and one transaction; a database is old or new, never between, with a way back."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from outlast.kernel import backups, texts
from outlast.kernel.checksums import check_execution
from outlast.kernel.errors import StoreTooNew
from outlast.kernel.home import Home
from outlast.kernel.migrating import DIRECTORY, FILES, SCHEMA_VERSION, migrate, schema_version
from outlast.kernel.status import ExecutionStatus
from outlast.storage import reading
from outlast.storage.logs.lines import Line
from outlast.storage.logs.reader import LogReader
from stored import TESTS, Hands, hands_on, processes

YESTERDAYS = sorted((TESTS / "data").glob("schema-*.sql"))


def schema(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    found = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1, 2")
    return [(kind, name, " ".join(sql.split())) for kind, name, sql in found]


def written(folder: Path, *scripts: str) -> list[str]:
    """The project's migrations and then these."""
    files = list(FILES)
    for number, script in enumerate(scripts, start=SCHEMA_VERSION + 1):
        path = folder / f"{number:04d}_test.sql"
        path.write_text(script)
        files.append(str(path))
    return files


def upgrade(hands: Hands, files: list[str]) -> None:
    with hands.database.lock.held(10):
        migrate(hands.connection, hands.home, files=files)


def opened(path: str) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True))


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [name[:5] for name in FILES] == [f"{number:04d}_" for number in range(1, SCHEMA_VERSION + 1)]
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in os.listdir(DIRECTORY))


@pytest.mark.requirement("S3-4")
def test_a_backup_is_taken_before_a_migration_and_holds_the_old_database(hands: Hands, tmp_path: Path) -> None:
    number = hands.run()
    before = schema(hands.connection)
    upgrade(hands, written(tmp_path, "CREATE TABLE extra(x INTEGER) STRICT; ALTER TABLE meta ADD COLUMN extra TEXT;"))
    assert schema_version(hands.connection) == SCHEMA_VERSION + 1
    assert schema(hands.connection) != before
    assert hands.statuses() == {number: "completed"}
    (name,) = os.listdir(hands.home.backups)
    assert name.startswith(f"before-{SCHEMA_VERSION + 1:04d}-")
    path = f"{hands.home.backups}/{name}"
    assert os.stat(path).st_mode & 0o777 == 0o600
    with opened(path) as backup:
        assert schema(backup) == before
        assert schema_version(backup) == SCHEMA_VERSION
        assert backup.execute("SELECT number, status FROM executions").fetchall() == [(number, "completed")]


@pytest.mark.requirement("S3-18")
@pytest.mark.parametrize(
    "wrong",
    [
        "CREATE TABLE extra(x INTEGER); UPDATE executions SET priority = 9; SELECT nothing FROM nowhere;",
        "CREATE TABLE extra(x INTEGER); UPDATE executions SET status = 'unknown';",
        "CREATE TABLE extra(x INTEGER); this is no SQL",
    ],
)
def test_a_failed_migration_leaves_the_old_database_usable(home: Home, tmp_path: Path, wrong: str) -> None:
    with hands_on(home) as hands:
        number = hands.create().number
        before = schema(hands.connection)
        with pytest.raises(sqlite3.Error):
            upgrade(hands, written(tmp_path, wrong))
        assert not hands.connection.in_transaction
        assert schema(hands.connection) == before
        assert schema_version(hands.connection) == SCHEMA_VERSION
        assert hands.row(number)["priority"] == 0
        assert hands.create().number == number + 1
    with hands_on(home) as hands:
        assert hands.statuses() == {number: "pending", number + 1: "pending"}


def test_each_migration_is_a_transaction_of_its_own(hands: Hands, tmp_path: Path) -> None:
    files = written(tmp_path, "CREATE TABLE second(x INTEGER);", "CREATE TABLE third(x INTEGER); SELECT broken;")
    with pytest.raises(sqlite3.Error, match="broken"):
        upgrade(hands, files)
    tables = {name for kind, name, _ in schema(hands.connection) if kind == "table"}
    assert "second" in tables
    assert "third" not in tables
    assert schema_version(hands.connection) == SCHEMA_VERSION + 1
    # Half of the way is newer than this code, and the next start goes on from there.
    with pytest.raises(StoreTooNew):
        hands.create()
    Path(files[-1]).write_text("CREATE TABLE third(x INTEGER);")
    upgrade(hands, files)
    assert schema_version(hands.connection) == SCHEMA_VERSION + 2


def test_a_process_killed_while_migrating_leaves_the_old_database(home: Home, tmp_path: Path) -> None:
    with hands_on(home) as hands:
        number = hands.run()
        before = schema(hands.connection)
    files = written(
        tmp_path,
        "CREATE TABLE extra(x INTEGER) STRICT;"
        "INSERT INTO extra WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n;",
    )
    code = f"""
from outlast.kernel.migrating import migrate
from stored import Hands
hands = Hands(home)
hands.connection.set_progress_handler(lambda: say("in the middle") or 0, 500_000)
with hands.database.lock.held(10):
    migrate(hands.connection, home, files={files!r})
"""
    with processes(code) as (migrator,):
        assert migrator.says() == "in the middle"
        migrator.kill()
    with hands_on(home) as hands:
        assert schema(hands.connection) == before
        assert hands.statuses() == {number: "completed"}
        assert hands.create().number == number + 1
        assert hands.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.requirement("S3-18")
def test_of_the_backups_before_migrations_the_newest_stay(hands: Hands, tmp_path: Path) -> None:
    wrong = written(tmp_path, "SELECT broken;")
    kept = [backups.take(hands.connection, hands.home, "manual")]
    made: list[str] = []
    for _ in range(backups.KEPT + 2):
        hands.create()
        with pytest.raises(sqlite3.Error):
            upgrade(hands, wrong)
        made += set(backups.listed(hands.home, f"before-{SCHEMA_VERSION + 1:04d}")) - set(made)
    assert len(made) == backups.KEPT + 2
    assert sorted(os.listdir(hands.home.backups)) == sorted([*made[-backups.KEPT :], os.path.basename(kept[0])])
    with opened(f"{hands.home.backups}/{made[-1]}") as newest:
        assert newest.execute("SELECT count(*) FROM executions").fetchone() == (backups.KEPT + 2,)


def test_a_migrated_database_has_the_schema_of_a_new_one(home: Home, tmp_path: Path) -> None:
    files = written(tmp_path, "ALTER TABLE meta ADD COLUMN extra TEXT;", "CREATE INDEX meta_extra ON meta(extra);")
    with hands_on(home) as hands:
        upgrade(hands, files)
        migrated = schema(hands.connection)
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new:
        migrate(new, Home(str(tmp_path)), files=files)
        assert schema(new) == migrated
    assert not os.path.exists(tmp_path / "backups"), "a new database has nothing to keep"


def test_there_is_a_database_of_every_released_schema() -> None:
    assert [path.stem for path in YESTERDAYS] == [f"schema-{n:04d}" for n in range(1, SCHEMA_VERSION + 1)]


def lines_of(hands: Hands, number: int) -> list[str]:
    """What an execution has printed, as far as it is sealed."""
    run = hands.home.run(reading.execution(hands.connection, number).id)
    with closing(LogReader(hands.connection, number, run, ["run"])) as reader:
        return [line.data.decode() for line in reader.last(10) if isinstance(line, Line)]


@pytest.mark.requirement("S3-1")
@pytest.mark.requirement("S3-4")
@pytest.mark.parametrize("path", YESTERDAYS, ids=lambda path: path.stem)
def test_yesterdays_database_is_opened_read_and_written_by_todays_code(home: Home, path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as yesterday:
        yesterday.executescript(path.read_text(encoding="utf-8"))
        counts = {
            table: yesterday.execute(f"SELECT count(*) FROM {table}").fetchone()
            for (table,) in yesterday.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        }
    with hands_on(home) as hands:
        assert schema_version(hands.connection) == SCHEMA_VERSION
        for table, count in counts.items():
            assert hands.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == count, table
        with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new:
            migrate(new, Home(str(tmp_path)))
            assert schema(hands.connection) == schema(new)
        assert set(hands.statuses().values()) >= {"completed", "failed", "cancelled", "running", "pending"}
        for number in hands.statuses():
            hands.read(lambda c, n=number: check_execution(c, n))
            execution = reading.execution(hands.connection, number)
            details = reading.details(hands.connection, number)
            assert [step.id for step in execution.steps] == ["run"]
            assert {param.name: param.value for param in details.params} == {"rows": 3, "ratio": 0.5, "name": "ü"}
            assert lines_of(hands, number) == (["hello", "wörld"] if execution.log_lines else [])
            assert [file.name for file in details.artifacts] == (["report.html"] if execution.recorded else [])
        hands.limit(9)
        waiting = next(n for n, status in hands.statuses().items() if status == "pending")
        before = max(hands.statuses())
        assert hands.run() == before + 1
        hands.begin(waiting)
        assert hands.settle(waiting) is not None
        assert hands.look(waiting).status is ExecutionStatus.COMPLETED
        assert hands.rows("PRAGMA integrity_check") == [("ok",)]
        assert hands.rows("PRAGMA foreign_key_check") == []
        assert [*hands.read(lambda c: [*texts.problems(c)])] == []
