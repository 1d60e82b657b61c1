"""`search`: every line of any execution that matches, and an exit code that scripts can use."""

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from click.testing import Result
from commandline import SECONDS, Cli, Spawn, lines_of

from outlast.kernel.home import Home
from outlast.server.cli.commands import search
from printed import prints
from stored import hands_on

Shell = Callable[[str], Result]
pytestmark = pytest.mark.requirement("S3-11")


@pytest.fixture
def errors(home: Home) -> None:
    """Three executions; the first and the last have printed errors."""
    with hands_on(home) as hands:
        prints(hands, "one", "error 1", "two", "error 2", workflow_id="release")
        prints(hands, "fine")
        prints(hands, "error 3")


def without_times(result: Result) -> list[str]:
    """The lines of the answer; of a log line the number and the text."""
    rows = [line.split() for line in lines_of(result) if not line.startswith("---")]
    return [" ".join(row) if not row or not row[0].isdecimal() else " ".join([row[0], *row[2:]]) for row in rows]


@pytest.mark.usefixtures("errors")
def test_lines_stand_below_their_execution_the_newest_first(cli: Cli) -> None:
    result = cli("search", "err.r")
    assert result.exit_code == 0
    first, *rest = without_times(result)
    assert first.startswith("#3 report · completed · ")
    assert rest[:2] == ["1 error 3", ""]
    assert rest[2].startswith("#1 release · completed · ")
    assert rest[3:] == ["4 error 2", "2 error 1"]
    assert result.stderr == "3 lines match in 2 executions; searched 3 executions, #3 … #1\n"


@pytest.mark.usefixtures("errors")
def test_context_stands_around_the_matches_in_the_order_of_the_log(cli: Cli) -> None:
    rows = without_times(cli("search", "error [12]", "-C", "1", "--workflow", "release"))
    assert rows[1:] == ["1 one", "2 error 1", "3 two", "4 error 2"]
    rows = without_times(cli("search", "^(one|error 2)$", "-C", "1"))
    assert rows[1:] == ["1 one", "2 error 1", "3 two", "4 error 2"]
    rows = without_times(cli("search", "^error", "-C", "0", "--workflow", "release"))
    assert rows[1:] == ["4 error 2", "2 error 1"]


def test_matches_far_from_each_other_are_parted(cli: Cli, home: Home) -> None:
    with hands_on(home) as hands:
        prints(hands, "a", "x", "b", "c", "d", "x")
    assert without_times(cli("search", "x", "-C", "1"))[1:] == ["5 d", "6 x", "--", "1 a", "2 x", "3 b"]


@pytest.mark.usefixtures("errors")
def test_nothing_found_is_an_exit_code_of_its_own(cli: Cli) -> None:
    result = cli("search", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "0 lines match; searched 3 executions, #3 … #1\n"
    assert cli("search", "error", "--status", "failed").exit_code == 1
    none = cli("search", "error", "--workflow", "unknown")
    assert (none.exit_code, none.stderr) == (
        1,
        "0 lines match; no execution of those asked for has printed anything\n",
    )


@pytest.mark.usefixtures("errors")
def test_a_limit_names_the_cursor_that_goes_on(cli: Cli) -> None:
    result = cli("search", "error", "-n", "2")
    assert [row for row in without_times(result) if row[:1].isdecimal()] == ["1 error 3", "4 error 2"]
    assert result.stderr.endswith("; the next ones: --cursor k1:4\n")
    rest = cli("search", "error", "--cursor", "k1:4")
    assert [row for row in without_times(rest) if row[:1].isdecimal()] == ["2 error 1"]


@pytest.mark.usefixtures("errors")
def test_json_has_the_fields_of_the_tool(cli: Cli) -> None:
    result = cli("search", "error", "--json")
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert [(one["number"], one["matches"]) for one in document["executions"]] == [(3, [1]), (1, [4, 2])]
    assert [line["text"] for line in document["executions"][1]["lines"]] == ["error 2", "error 1"]
    del document["executions"]
    assert document == {
        "matches": 3,
        "searched": {"executions": 3, "removed": 0, "newest": 3, "oldest": 1, "to_line": None, "complete": True},
        "unread": [],
        "unread_total": 0,
        "omitted": 0,
        "next_cursor": None,
    }
    nothing = cli("search", "nowhere", "--json")
    assert (nothing.exit_code, json.loads(nothing.stdout)["executions"]) == (1, [])


@pytest.mark.usefixtures("errors")
def test_jsonl_is_an_object_for_each_line_with_its_execution(cli: Cli) -> None:
    result = cli("search", "error [13]", "-C", "1", "--jsonl")
    found = [json.loads(line) for line in lines_of(result)]
    assert [(one["number"], one["workflow_id"], one["n"], one["matches"]) for one in found] == [
        (3, "report", 1, True),
        (1, "release", 1, False),
        (1, "release", 2, True),
        (1, "release", 3, False),
    ]
    assert result.stderr == ""


@pytest.mark.parametrize("form", ["--json", "--jsonl", "--step=run"])
def test_a_search_of_many_parts_is_one_answer(cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    with hands_on(home) as hands:
        for _ in range(3):
            prints(hands, *["error"] * 3)
    whole = cli("search", "error", form)
    monkeypatch.setattr(search, "SECONDS", 0.0)
    monkeypatch.setattr(search, "MOST_LINES", 2)
    assert cli("search", "error", form).output == whole.output
    assert whole.exit_code == 0


@pytest.mark.requirement("S3-14")
@pytest.mark.usefixtures("errors")
def test_what_is_damaged_is_named_and_the_rest_searched(cli: Cli, home: Home) -> None:
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("UPDATE executions SET binary_path = 'another' WHERE number = 3")
    result = cli("search", "error")
    assert result.exit_code == 0
    assert result.stderr.startswith("not searched: #3: its row in the database is damaged")
    assert cli("search", "error 3").exit_code == 5
    assert json.loads(cli("search", "error", "--json").stdout)["unread"][0]["number"] == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["("], "invalid_input: pattern: "),
        (["x", "--cursor", "142"], "invalid_input: cursor: '142' is not one"),
        (["x", "--since", "soon"], "invalid_input: --since: 'soon' is no time"),
        (["x", "--json", "--jsonl"], '"message": "--jsonl and --json exclude each other."'),
    ],
)
def test_what_is_wrong_is_said(cli: Cli, options: list[str], said: str) -> None:
    result = cli("search", *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_ctrl_c_ends_a_search_and_leaves_what_was_found(home: Home, spawn: Spawn) -> None:
    with hands_on(home) as hands:
        for _ in range(40):
            prints(hands, *["error"] * 2500)
    process = spawn("search", "error")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"#40 report")
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait(SECONDS) == 130


def test_errors_alone_can_be_searched(cli: Cli, shell: Callable[[str], Result]) -> None:
    shell("echo region is here; echo WARNING: region is slow; echo 'KeyError: region'")
    assert "KeyError: region" in cli("search", "region", "--level", "error").stdout
    assert "slow" not in cli("search", "region", "--level", "error").stdout
    assert "slow" in cli("search", "region", "--level", "warning").stdout
