"""`outlast doctor --fix` for the database: indexes, the write-ahead log, and what it leaves alone."""

import json
import os
import sqlite3
from pathlib import Path

import pytest
from patients import examined, files, fixed, killed_at, run

from outlast.kernel.home import Home
from outlast.server.doctor import database, mending
from outlast.storage import mending as storage_mending
from stored import hands_on, processes

INDEX = "executions_version"

pytestmark = pytest.mark.usefixtures("no_server")


def stale_index(home: Home) -> None:
    """An index that misses a row: it was not there when the row was written."""
    with hands_on(home) as hands:
        hands.run()
    assert run("seal").exit_code == 0
    entry = past_all_rules(home, "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = ?", INDEX)
    past_all_rules(home, "DELETE FROM sqlite_schema WHERE name = ?", INDEX)
    with hands_on(home) as hands:
        hands.run()
    assert run("seal").exit_code == 0
    past_all_rules(home, "INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", *entry[0])


def past_all_rules(home: Home, statement: str, *values: object) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(home.database, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    rows = connection.execute(statement, values).fetchall()
    connection.close()
    return rows


def rows_of(home: Home) -> list[str]:
    """All that a database holds, as statements."""
    connection = sqlite3.connect(home.database)
    statements = list(connection.iterdump())
    connection.close()
    return statements


@pytest.mark.requirement("S3-14")
def test_an_index_that_misses_a_row_is_rebuilt_after_a_backup_also_by_the_second_doctor(home: Home) -> None:
    stale_index(home)
    before, rows = files(home), rows_of(home)
    finding = examined()["database"]
    assert "missing from index executions_version" in finding["message"]
    assert files(home) == before
    killed_at("mending.reindexed")
    assert "database" in examined(), "half of it is nothing"
    assert fixed() == ["database"]
    assert rows_of(home) == rows
    assert run("db", "check").exit_code == 0
    assert len(list(Path(home.backups).glob("before-reindex-*.db"))) == 2


def unique(home: Home) -> None:
    """A rule that the second execution of a version breaks."""
    past_all_rules(
        home, "UPDATE sqlite_schema SET sql = replace(sql, 'CREATE INDEX', 'CREATE UNIQUE INDEX') WHERE name = ?", INDEX
    )


@pytest.mark.requirement("S3-14")
def test_a_key_that_a_table_has_twice_is_told_and_the_index_stays_as_it_is(home: Home) -> None:
    stale_index(home)
    unique(home)
    rows = rows_of(home)
    mended = examined("--fix", "--yes")["mended"]
    assert [(each["check"], each["done"]) for each in mended] == [("database", False)]
    assert "UNIQUE constraint failed" in mended[0]["message"]
    assert "outlast db restore PATH" in mended[0]["next"]
    assert rows_of(home) == rows


def test_what_no_index_can_mend_is_not_offered(home: Home) -> None:
    with hands_on(home) as hands:
        hands.run()
        hands.run()
    unique(home)
    found = json.loads(run("doctor", "--json").stdout)["checks"]
    (told,) = [each for each in found if each["check"] == "database"]
    assert f"non-unique entry in index {INDEX}" in told["message"]
    assert (told["level"], told["fix"]) == ("problem", None)


@pytest.mark.requirement("S3-14")
def test_damage_of_a_table_is_told_and_never_mended(home: Home) -> None:
    with hands_on(home) as hands:
        for _ in range(3):
            hands.run()
        (root,) = hands.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'events'")[0]
        (size,) = hands.rows("PRAGMA page_size")[0]
    assert isinstance(root, int)
    assert isinstance(size, int)
    with Path(home.database).open("r+b") as file:
        file.seek((root - 1) * size + 8)
        file.write(b"\xff" * 16)
    before = Path(home.database).read_bytes()
    result = run("doctor", "--fix", "--yes")
    assert result.exit_code == 1
    assert "outlast db restore PATH" in result.stdout
    assert "mended " not in result.stdout
    assert Path(home.database).read_bytes() == before


WRITER = """
from stored import Hands
hands = Hands(home)
for _ in range(30):
    hands.run()
say("written")
hear()
"""
READER = """
from stored import Hands
hands = Hands(home)
hands.connection.execute("BEGIN")
hands.rows("SELECT count(*) FROM executions")
say("reading")
hear()
"""


def test_looking_empties_no_wal_that_a_killed_process_left(home: Home) -> None:
    with processes(WRITER) as (writer,):
        assert writer.says() == "written"
        writer.kill()
    before = files(home)
    assert len(before[home.database + "-wal"]) > 100_000
    assert run("doctor").exit_code == 0
    assert files(home) == before


def test_a_large_wal_is_emptied_once_its_reader_is_gone_who_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (database, mending):
        monkeypatch.setattr(module, "LARGE_WAL", 100_000)
    monkeypatch.setattr(storage_mending, "CHECKPOINT_MS", 100)
    assert run("history").exit_code == 0
    with processes(READER) as (reader,), processes(WRITER) as (writer,):
        assert reader.says() == "reading"
        writer.hears()
        writer.ends()
        assert f"{reader.pid} (" in examined()["WAL"]["message"]
        found = examined("--fix", "--yes")
        of_wal = next(each for each in found["mended"] if each["check"] == "WAL")
        assert not of_wal["done"]
        assert f"{reader.pid} (" in of_wal["message"]
        # A reader who is killed empties nothing.
        reader.kill()
    assert "an old state of it, or ended before" in examined()["WAL"]["message"]
    assert fixed() == ["WAL"]


def test_files_and_code_that_dead_processes_left_are_removed(home: Home) -> None:
    assert run("run", "--wait", "--", "true").exit_code == 0
    needed = [path.name for path in Path(home.library).iterdir()]
    old = Path(home.library, "0123456789abcdef")
    (old / "outlast").mkdir(parents=True)
    half, fresh = Path(home.backups, "manual-1.db.tmp"), Path(home.root, "numbers.1.tmp")
    half.touch()
    fresh.touch()
    os.utime(half, (1, 1))
    assert examined().keys() == {"old code", "temporary files"}
    assert old.exists()
    assert half.exists()
    assert fixed() == ["old code", "temporary files"]
    assert [path.name for path in Path(home.library).iterdir()] == needed
    assert (half.exists(), fresh.exists()) == (False, True)
