"""`db`: copies and checks."""

import json
import sqlite3
from pathlib import Path

import pytest
from commandline import Cli, Gate, lines_of

from outlast.kernel.home import Home


@pytest.mark.requirement("S3-14", "S3-18")
def test_a_backup_brings_everything_back(home: Home, cli: Cli) -> None:
    cli("run", "--wait", "--", "echo", "kept")
    result = cli("db", "backup")
    path = Path(lines_of(result)[0].partition(" (")[0])
    assert path.parent == Path(home.backups)
    cli("run", "--wait", "--", "echo", "newer")
    restored = json.loads(cli("db", "restore", path, "--json").stdout)
    assert (restored["executions"], restored["missing"]) == (1, [2])
    assert cli("logs", "1", "--raw").stdout == "kept\n"
    assert cli("show", "2").exit_code == 3
    assert Path(restored["previous"]).is_file()
    assert json.loads(cli("run", "--wait", "--json", "--", "true").stdout)["number"] == 3, "no number is given twice"


def test_restore_tells_what_became_of_what(cli: Cli, tmp_path: Path) -> None:
    cli("run", "--wait", "--", "true")
    backup = tmp_path / "copy.db"
    assert cli("db", "backup", backup).exit_code == 0
    cli("run", "--wait", "--", "true")
    lines = lines_of(cli("db", "restore", backup))
    assert lines[0].startswith("Restored: 1 execution. What was there before: ")
    assert lines[1] == "#2: newer than the backup, gone; their numbers are not given again"


def test_a_backup_never_overwrites(cli: Cli, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    assert cli("db", "backup", there).exit_code == 2
    assert there.read_text() == "mine"


def test_a_place_where_no_backup_can_be_written_is_the_caller_s_mistake(cli: Cli, tmp_path: Path) -> None:
    nowhere, file, long = tmp_path / "nowhere", tmp_path / "file", tmp_path / ("x" * 300)
    file.touch()
    for path, said in (
        (nowhere / "x.db", f"{nowhere} does not exist."),
        (file / "x.db", f"{file / 'x.db'} cannot be written: Not a directory."),
        (long, f"{long} cannot be written: File name too long."),
    ):
        result = cli("db", "backup", path)
        assert (result.exit_code, result.stderr.splitlines()[0]) == (2, f"invalid_input: {said}")


def test_the_setting_says_how_many_backups_stay(home: Home, cli: Cli) -> None:
    for _ in range(4):
        assert cli("--backups-kept", "2", "db", "backup").exit_code == 0
    assert len(list(Path(home.backups).iterdir())) == 2


def test_what_is_no_backup_is_not_restored(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database")
    for path in (tmp_path / "text", tmp_path / "missing"):
        assert cli("db", "restore", path).exit_code == 2


def test_nothing_is_restored_while_something_runs(cli: Cli, gate: Gate) -> None:
    path = json.loads(cli("db", "backup", "--json").stdout)["path"]
    cli("run", "--", "sh", "-c", gate.pass_it)
    result = cli("db", "restore", path)
    assert result.exit_code == 4
    assert result.stderr.startswith("execution_is_live: #1 is running; ")
    gate.open()
    assert cli("wait", "1").exit_code == 0


@pytest.mark.requirement("S3-14")
def test_a_check_finds_what_was_changed_behind_its_back(home: Home, cli: Cli) -> None:
    cli("run", "--wait", "--", "true")
    sound = cli("db", "check")
    assert (sound.exit_code, lines_of(sound)[0]) == (0, f"sound: 1 execution, SQLite {sqlite3.sqlite_version}")
    connection = sqlite3.connect(home.database)
    connection.execute("UPDATE params SET value = '\"other\"' WHERE name = 'cwd'")
    connection.commit()
    connection.close()
    damaged = cli("db", "check")
    assert damaged.exit_code == 5
    assert "damaged" in damaged.stdout
    assert lines_of(damaged)[-2].startswith("1 problem: 1 execution, ")
    view = json.loads(cli("db", "check", "--json").stdout)
    assert (len(view["problems"]), view["executions"]) == (1, 1)


@pytest.mark.requirement("S3-14")
def test_a_database_that_cannot_be_opened_is_set_aside_and_restored(home: Home, cli: Cli, tmp_path: Path) -> None:
    cli("run", "--wait", "--", "echo", "kept")
    backup = tmp_path / "copy.db"
    cli("db", "backup", backup)
    damage = b"this is no database" * 500
    Path(home.database).write_bytes(damage)
    said = cli("history")
    assert said.exit_code == 5
    assert said.stderr.startswith(f"store_damaged: {home.database}: ")
    assert "outlast db restore" in said.stderr
    assert cli("db", "restore", tmp_path / "missing").exit_code == 2
    assert Path(home.database).read_bytes() == damage, "nothing is moved for a backup that is none"
    aside = lines_of(cli("db", "restore", backup))[0].removeprefix("The damaged database was moved to ")
    assert Path(aside).read_bytes() == damage
    assert cli("logs", "1", "--raw").stdout == "kept\n"
