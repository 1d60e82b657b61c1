"""`pin`, `prune`, and archives that are asked like a store."""

import json
import os
from pathlib import Path

import pytest
from commandline import Cli, Spawn, lines_of

from old_homes import over
from outlast.kernel.home import Home
from outlast.server.cli.commands.prune import size_text
from outlast.server.setting_kinds import size_of
from stored import FAILED, hands_on


@pytest.fixture
def made(home: Home) -> list[int]:
    """Two that completed and one that failed, all of them long ago by the clock of this machine."""
    with hands_on(home) as hands:
        return [over(hands, log=b"one\ntwo\n"), over(hands), over(hands, outcome=FAILED, workflow_id="other")]


@pytest.mark.requirement("S3-19")
def test_a_dry_run_tells_what_would_go_and_takes_nothing(cli: Cli, made: list[int]) -> None:
    cli("pin", made[1])
    lines = lines_of(cli("prune", "--older-than", "30d", "--dry-run"))
    assert [line.split()[:3] for line in lines[:3]] == [
        ["number", "workflow", "status"],
        ["1", "report", "completed"],
        ["3", "other", "failed"],
    ]
    assert lines[3] == "1 execution would go too, but is pinned"
    assert lines[4].startswith("2 executions to remove; their logs take ")
    view = json.loads(cli("prune", "--older-than", "30d", "--dry-run", "--json").stdout)
    assert [due["number"] for due in view["due"]] == [1, 3]
    assert view["log_bytes"] == sum(due["log_bytes"] for due in view["due"]) > 0
    assert (view["dry_run"], view["kept"]) == (True, {"pinned": 1})
    assert json.loads(cli("history", "--json").stdout)["total"] == 3


@pytest.mark.requirement("S3-9")
def test_what_was_archived_is_asked_like_a_store(cli: Cli, made: list[int], tmp_path: Path) -> None:
    shown, logs = cli("show", "1", "--json").stdout, cli("logs", "1", "--raw").stdout
    path = tmp_path / "my archive.db"
    lines = lines_of(cli("prune", "--older-than", "30d", "--archive", path, "--yes"))
    assert f"archived in {path}" in lines
    assert any(line.startswith("removed 3 executions, ") for line in lines)
    assert cli("show", "1").exit_code == 3
    assert json.loads(cli("history", "--archive", path, "--json").stdout)["total"] == 3
    assert cli("show", "--archive", path, "1", "--json").stdout == shown
    assert cli("logs", "--archive", path, "1", "--raw").stdout == logs == "one\ntwo\n"
    assert json.loads(cli("history", "--archive", path, "--text", "report", "--json").stdout)["total"] == 2
    assert json.loads(cli("search", "one", "--archive", path, "--json").stdout)["matches"] == 1
    text = cli("show", "--archive", path, "1").stdout
    assert f"next: outlast logs --archive '{path}' 1 | outlast history --archive '{path}' --workflow report" in text
    assert json.loads(cli("run", "--wait", "--json", "--", "true").stdout)["number"] == 4


@pytest.mark.requirement("S3-9")
def test_an_archive_gets_more_and_a_missing_or_wrong_one_is_said(cli: Cli, made: list[int], tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    assert cli("prune", "--keep", "0", "--workflow", "other", "--archive", path, "--yes").exit_code == 0
    assert cli("prune", "--keep", "0", "--archive", path, "--yes").exit_code == 0
    assert json.loads(cli("history", "--archive", path, "--json").stdout)["total"] == 3
    (tmp_path / "text").write_text("no archive")
    for wrong in (tmp_path / "missing", tmp_path / "text", tmp_path):
        result = cli("history", "--archive", wrong)
        assert (result.exit_code, result.stderr.partition(":")[0]) == (2, "invalid_input")
    cli("run", "--wait", "--", "true")
    result = cli("prune", "--keep", "0", "--archive", tmp_path / "text", "--yes")
    assert (result.exit_code, (tmp_path / "text").read_text()) == (2, "no archive")
    assert json.loads(cli("history", "--json").stdout)["total"] == 1


def test_only_logs(cli: Cli, made: list[int]) -> None:
    view = json.loads(cli("prune", "--older-than", "30d", "--logs-only", "--yes", "--json").stdout)
    assert (view["removed"], view["left"], view["archive"]) == (made, [], None)
    (line,) = lines_of(cli("logs", "1"))
    assert line.startswith("[lines 1 to 2: removed on 20")
    assert ", removed " in cli("show", "1").stdout
    assert json.loads(cli("show", "1", "--json").stdout)["log_removed"] is not None


def test_pins_are_marked(cli: Cli, made: list[int]) -> None:
    assert lines_of(cli("pin", 3)) == ["#3 other is pinned"]
    assert lines_of(cli("pin", "#3")) == ["#3 other is pinned already"]
    assert "failed (3, pinned)" in cli("history").stdout
    assert "pinned      old executions are removed without it" in lines_of(cli("show", 3))
    assert json.loads(cli("history", "--json").stdout)["executions"][0]["pinned"] is True
    assert json.loads(cli("pin", "--remove", "3", "--json").stdout)["changed"] is True
    assert lines_of(cli("pin", "--remove", "3")) == ["#3 other is not pinned anyway"]
    assert "pinned" not in cli("history").stdout
    assert cli("pin", 99).exit_code == 3


def test_nothing_goes_unless_it_is_said_what_and_somebody_agrees(cli: Cli, made: list[int]) -> None:
    for arguments, said in (
        (("--yes",), "Nothing says what stays"),
        (("--keep", "0"), "nobody to ask"),
        (("--keep", "0", "--json"), "nobody to ask"),
        (("--max-size", "much", "--yes"), "--max-size: 'much' is no size"),
        (("--older-than", "soon", "--yes"), "--older-than: 'soon'"),
    ):
        result = cli("prune", *arguments)
        assert result.exit_code == 2
        assert said in result.stderr
    assert cli("prune", "--keep", "0", "--workflow", "nothing", "--yes").exit_code == 3
    assert json.loads(cli("history", "--json").stdout)["total"] == 3
    assert lines_of(cli("prune", "--keep", "9", "--yes")) == ["Nothing to remove."]


@pytest.mark.requirement("S3-19")
def test_without_limits_the_settings_count(cli: Cli, made: list[int]) -> None:
    def numbers(*flags: str) -> list[int]:
        view = json.loads(cli(*flags, "prune", "--dry-run", "--json").stdout)
        return [due["number"] for due in view["due"]]

    assert numbers("--keep-days", "30") == made
    assert numbers("--keep-executions", "1") == made[:1]
    assert numbers("--keep-bytes", "0") == made
    assert numbers("--keep-days", "30", "--keep-failed-factor", "1000") == made[:2]


def test_a_table_has_so_many_rows_and_counts_the_rest(home: Home, cli: Cli) -> None:
    with hands_on(home) as hands:
        for _ in range(23):
            over(hands, log=b"")
    lines = lines_of(cli("prune", "--keep", "0", "--dry-run"))
    assert lines[21] == "… and 3 more"
    assert len(json.loads(cli("prune", "--keep", "0", "--dry-run", "--json").stdout)["due"]) == 23


def test_the_database_gets_smaller(home: Home, cli: Cli, made: list[int]) -> None:
    view = json.loads(cli("db", "compact", "--json").stdout)
    assert view["bytes"] == os.stat(home.database).st_size
    assert lines_of(cli("db", "compact"))[0].endswith(" 0 fewer than before")
    assert cli("db", "check").exit_code == 0


def test_a_process_of_its_own_prunes_too(spawn: Spawn, home: Home, made: list[int], tmp_path: Path) -> None:
    process = spawn("prune", "--keep", "0", "--yes", "--archive", tmp_path / "a.db", "--json")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert json.loads(out)["removed"] == made


def test_sizes_are_read_and_written_as_people_do() -> None:
    read = {"2GB": 2 * 10**9, "500 mb": 500 * 10**6, "1.5GiB": 3 << 29, "4096": 4096, "0": 0, "7kB": 7000, "1b": 1}
    assert {text: size_of(text) for text in read} == read
    for wrong in ("", "GB", "-1", "1e9", "2 XB", "1.2345GB", "nan"):
        with pytest.raises(ValueError, match="no size"):
            size_of(wrong)
    written = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_999: "1.0 MB", 4_200_000: "4.2 MB", 2 * 10**9: "2.0 GB"}
    assert {size: size_text(size) for size in written} == written
