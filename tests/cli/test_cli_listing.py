"""`ps`, `history`, `show`: what there is, in tables and in JSON."""

import json
import os
import signal
from datetime import datetime
from pathlib import Path

import pytest
from commandline import Cli, Gate, lines_of

from outlast.kernel.checksums import stamp
from outlast.kernel.errors import InvalidInput
from outlast.kernel.home import Home
from outlast.kernel.record import RecordedArtifact, RecordedStep
from outlast.kernel.status import ExecutionStatus, StepStatus
from outlast.server.cli.screen import Column, aligned
from outlast.server.cli.wording import full_moment, moment, parse_moment
from stored import SECOND, START, hands_on, record_of

SUMMARY = [
    "handle_id",
    "number",
    "workflow_id",
    "workflow_name",
    "status",
    "reason",
    "start_time",
    "end_time",
    "duration_seconds",
    "exit_code",
]


@pytest.fixture
def three(cli: Cli) -> None:
    """#1 completed, #2 failed with 3, #3 completed."""
    for code in (0, 3, 0):
        cli("run", "--wait", "--", "sh", "-c", f"exit {code}")


def listed(cli: Cli, *arguments: str) -> list[int]:
    return [row["number"] for row in json.loads(cli("history", "--json", *arguments).stdout)["executions"]]


def test_history_is_a_table_with_the_newest_first(cli: Cli, three: None) -> None:
    lines = lines_of(cli("history"))
    assert lines[0].split() == ["number", "workflow", "status", "started", "took", "reason"]
    assert [line.split()[0] for line in lines[1:]] == ["3", "2", "1"]
    assert "failed (3)" in lines[2]
    assert lines[2].endswith("exit code 3")
    assert lines[1].split()[2] == "completed"


def test_history_in_json_has_the_fields_of_its_tool(cli: Cli, three: None) -> None:
    view = json.loads(cli("history", "--json", "--limit", "2").stdout)
    assert list(view) == ["executions", "total", "limit", "offset", "next_cursor"]
    assert (view["total"], view["limit"], view["offset"], view["next_cursor"]) == (3, 2, 0, "k2")
    assert list(view["executions"][0]) == SUMMARY


def test_a_page_says_how_to_go_on(cli: Cli, three: None) -> None:
    assert lines_of(cli("history", "--limit", "2"))[-1] == "2 of 3; the next ones: --cursor k2"
    assert listed(cli, "--cursor", "k2") == [1]
    assert listed(cli, "--offset", "2") == [1]
    assert lines_of(cli("history", "--offset", "3")) == ["No execution here; 3 match."]


def test_filters(cli: Cli, three: None) -> None:
    for arguments, numbers in (
        (["--workflow", "command"], [3, 2, 1]),
        (["--workflow", "other"], []),
        (["--status", "failed"], [2]),
        (["--status", "running"], []),
        (["--over"], [3, 2, 1]),
        (["--active"], []),
        (["--mode", "local-run"], [3, 2, 1]),
        (["--agent", "nobody"], []),
        (["--customer", "nobody"], []),
        (["--user", "nobody"], []),
        (["--label", "a=b"], []),
        (["--since", "1h"], [3, 2, 1]),
        (["--until", "1h"], []),
        (["--since", "2020-01-01", "--until", "2020-01-02T12:00"], []),
    ):
        assert listed(cli, *arguments) == numbers, arguments


@pytest.mark.requirement("S2-2")
@pytest.mark.requirement("S3-11")
def test_executions_are_found_by_words(cli: Cli, three: None) -> None:
    assert listed(cli, "--text", "exit code 3") == [2]
    assert listed(cli, "--text", "comm") == [3, 2, 1]
    assert listed(cli, "--text", "comm", "--status", "completed") == [3, 1]
    nothing = cli("history", "--text", "?!")
    assert (nothing.stdout, nothing.exit_code) == ("No execution matches.\n", 0)
    assert nothing.stderr == "--text: '?!' has no letter or digit, so that no execution is found by it\n"
    assert "no letter or digit" in json.loads(cli("history", "--text", "?!", "--json").stdout)["note"]


def test_pages_can_be_asked_for_by_number(cli: Cli, three: None) -> None:
    first = lines_of(cli("history", "--page-size", "2"))
    assert [line.split()[0] for line in first[1:-1]] == ["3", "2"]
    assert first[-1] == "page 1 of 2, 3 in all; the next one: --page 2 --page-size 2"
    second = lines_of(cli("history", "--page", "2", "--page-size", "2"))
    assert (second[1].split()[0], second[-1]) == ("1", "page 2 of 2, 3 in all")
    view = json.loads(cli("history", "--json", "--page", "2", "--page-size", "2").stdout)
    assert (view["page"], view["page_size"], view["total"]) == (2, 2, 3)
    assert [row["number"] for row in view["executions"]] == [1]
    assert lines_of(cli("history", "--page", "9")) == ["No execution here; 3 match."]
    assert json.loads(cli("history", "--json", "--page", "1").stdout)["page_size"] == 50


@pytest.mark.requirement("S0-9")
def test_a_history_of_a_user_or_a_workflow_has_50_rows(home: Home, cli: Cli) -> None:
    with hands_on(home) as hands:
        hands.connection.execute("PRAGMA synchronous = OFF")
        for _ in range(60):
            hands.record(record_of(ExecutionStatus.COMPLETED))
    assert len(listed(cli)) == 20
    assert len(listed(cli, "--user", "ada")) == 50
    assert len(listed(cli, "--workflow", "report")) == 50
    assert len(listed(cli, "--workflow", "report", "--limit", "7")) == 7
    assert len(listed(cli, "--limit", "500")) == 60
    assert [cli("history", option, n).exit_code for option in ("--limit", "--page-size") for n in (0, 501)] == [2] * 4


@pytest.mark.requirement("S2-2")
def test_records_and_what_has_a_recording_can_be_listed_alone(home: Home, cli: Cli, three: None) -> None:
    with hands_on(home) as hands:
        hands.record(record_of())
        hands.write(lambda c: (c.execute("UPDATE executions SET visual = 1 WHERE number IN (2, 4)"), stamp(c, 2)))
        hands.write(lambda c: stamp(c, 4))
    assert listed(cli, "--mode", "cloud-run") == [4]
    assert listed(cli, "--mode", "local-run") == [3, 2, 1]
    assert listed(cli, "--visual-only") == [4, 2]
    assert listed(cli, "--visual-only", "--status", "failed") == [2]
    assert listed(cli, "--active") == [4]
    assert cli("history", "--mode", "moon-run").exit_code == 2


def test_a_page_by_number_stands_for_itself(cli: Cli) -> None:
    for other in (["--limit", "5"], ["--offset", "5"], ["--cursor", "k5"]):
        result = cli("history", "--page", "2", *other)
        assert (result.exit_code, "--page" in result.stderr) == (2, True)


def test_an_empty_history_says_so(cli: Cli) -> None:
    assert lines_of(cli("history")) == ["No execution matches."]
    assert json.loads(cli("history", "--json").stdout)["executions"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "soon"], "--since: 'soon' is no time."),
        (["--label", "x"], "--label: 'x' is no label."),
        (["--cursor", "x"], "cursor: 'x' is not one"),
    ],
)
def test_wrong_filters_are_named(cli: Cli, arguments: list[str], said: str) -> None:
    result = cli("history", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"invalid_input: {said}")


def test_ps_lists_what_is_not_over(home: Home, cli: Cli, gate: Gate) -> None:
    assert lines_of(cli("ps")) == ["Nothing is running or waiting."]
    cli("run", "--wait", "--", "true")
    Path(home.workflows, "one.yaml").write_text(f"id: one\nshell: {gate.pass_it}\nconcurrency: {{key: one}}\n")
    cli("run", "one")
    assert lines_of(cli("run", "one"))[0] == "#3 one pending: waits for #2 (concurrency key one)"
    view = json.loads(cli("ps", "--json").stdout)
    assert [(row["number"], row["status"]) for row in view["executions"]] == [(3, "pending"), (2, "running")]
    assert list(view["executions"][0]) == SUMMARY
    waiting, running = lines_of(cli("ps"))[1:]
    assert (waiting.split()[:3], running.split()[:3]) == (["3", "one", "pending"], ["2", "one", "running"])
    assert waiting.endswith("  waits for #2 (concurrency key one)")
    assert lines_of(cli("show", "3"))[0] == "#3 one · pending: waits for #2 (concurrency key one)"
    assert json.loads(cli("show", "3", "--json").stdout)["reason"] == "waits for #2 (concurrency key one)"
    gate.open()
    gate.open()
    assert [cli("wait", "2").exit_code, cli("wait", "3").exit_code] == [0, 0]


def test_watching_needs_a_terminal(cli: Cli) -> None:
    result = cli("ps", "--watch")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "invalid_input: --watch: needs a terminal.")


def test_show_tells_everything(home: Home, cli: Cli) -> None:
    Path(home.workflows, "greet.yaml").write_text(
        "id: greet\n"
        "name: Greets somebody\n"
        "params: {who: {type: string}, token: {secret: true}}\n"
        'shell: \'echo hi; echo "{\\"done\\": true}" > $OUTLAST_OUTPUT; exit 4\'\n'
    )
    cli("run", "--wait", "greet", "-p", "who=you", "-p", "token=swordfish", "--label", "team=red")
    text = cli("show", "1").stdout
    lines = text.splitlines()
    assert lines[0].startswith("#1 greet · failed after ")
    for part in (
        "Greets somebody, version ",
        f"{home.workflows}/greet.yaml",
        "exit code   4",
        '"who": "you"',
        '"team": "red"',
        '"done": true',
        "log         1 line",
        "next: outlast logs 1 | outlast history --workflow greet",
    ):
        assert part in text
    assert "swordfish" not in text
    view = json.loads(cli("show", "1", "--json").stdout)
    assert "swordfish" not in json.dumps(view)
    assert view["params"] == {"who": "you", "token": "***"}
    assert view["output"] == {"done": True}
    for field in (
        "handle_id",
        "steps",
        "log_lines_final",
        "expected_end",
        "labels",
        "user",
        "workflow_version",
        "client",
    ):
        assert field in view


def test_show_says_what_was_ignored_and_what_was_left(cli: Cli) -> None:
    cli("run", "--wait", "--", "sh", "-c", "echo [] > $OUTLAST_OUTPUT; setsid sleep 321 > /dev/null 2>&1 &")
    [leftover] = json.loads(cli("show", "1", "--json").stdout)["leftovers"]
    os.kill(leftover["pid"], signal.SIGKILL)
    lines = lines_of(cli("show", "1"))
    assert "output      ignored: not a JSON object" in lines
    assert f"leftovers   left running at the end: {leftover['pid']} {leftover['command']}" in lines


def test_show_prints_a_shell_text_line_by_line(home: Home, cli: Cli) -> None:
    Path(home.workflows, "two.yaml").write_text("id: two\nshell: |\n  echo one\n  printf '\\033[2J'\n")
    cli("run", "--wait", "two")
    lines = lines_of(cli("show", "1"))
    place = lines.index("shell       echo one")
    assert lines[place + 1] == "            printf '\\033[2J'"
    assert lines[place + 2].startswith("directory ")


@pytest.mark.requirement("S3-16")
def test_show_tells_everything_of_a_record(home: Home, cli: Cli) -> None:
    steps = (
        RecordedStep("load", "Load", StepStatus.COMPLETED, START + SECOND, START + 3 * SECOND, {"rows": 3}, [1, "ü"]),
        RecordedStep("check", "Check", StepStatus.RUNNING, START + 3 * SECOND),
    )
    file = RecordedArtifact("report", "r.html", "s3://r", START, "load", 1234, "text/html")
    fields = {"params": {"ratio": 0.5}, "metadata": {"region": "eu"}, "agent": "planner", "customer": "acme"}
    gate = (
        "INSERT INTO approvals(execution, step_no, gate, message, decided_by_kind, status, requested_at, decided_at,"
        " decided_by, comment, plan_hash, params_hash)"
        " VALUES (1, 1, 'go', 'Go on?', 'human', 'approved', 1, 2, 'ada', 'yes', '', '')"
    )
    with hands_on(home) as hands:
        hands.record(record_of(steps=steps, artifacts=(file,), **fields))
        hands.write(lambda c: c.execute(gate))
    lines = lines_of(cli("show", "1"))
    assert lines[0].endswith(", as it was recorded: another engine runs it")
    for line in (
        '    input     {"rows": 3}',
        '    output    [1, "ü"]',
        "agent       planner",
        "customer    acme",
        'metadata    {"region": "eu"}',
        'parameters  {"ratio": 0.5}',
        "… types     ratio number",
        "artifact    report r.html · text/html · 1,234 bytes · s3://r",
        "approval    1/go · approved by ada (yes) · Go on?",
        "next: outlast history --workflow report",
    ):
        assert line in lines, line
    assert [line for line in lines if line.startswith("recorded ")]
    assert not [line for line in lines if line.startswith(("command ", "log "))]
    assert cli("logs", "-f", "1").stdout == ""
    refused = cli("cancel", "1")
    assert refused.exit_code == 4
    assert refused.stderr.startswith("recorded_elsewhere: #1 is only recorded here")
    assert "next: cancel it where it runs" in refused.stderr


def test_show_of_a_live_one_leads_to_its_log_and_its_end(cli: Cli, gate: Gate) -> None:
    cli("run", "--", "sh", "-c", gate.pass_it)
    assert lines_of(cli("show", "1"))[-1] == "next: outlast logs -f 1 | outlast cancel 1"
    gate.open()
    assert cli("wait", "1").exit_code == 0


@pytest.mark.parametrize("handle", ["1", "#1"])
def test_handles_are_written_as_people_say_them(cli: Cli, handle: str) -> None:
    cli("run", "--wait", "--", "true")
    view = json.loads(cli("show", handle, "--json").stdout)
    assert json.loads(cli("show", view["handle_id"], "--json").stdout) == view


def test_what_was_written_by_somebody_else_cannot_act_on_the_terminal(cli: Cli) -> None:
    cli("run", "--wait", "--label", "x=y", "--", "printf", "\x1b[2J\u202e")
    assert "\x1b" not in cli("show", "1").stdout
    assert "\u202e" not in cli("show", "1").stdout


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("then", "shown"),
    [
        ("2026-11-20T13:02:11Z", "14:02"),
        ("2026-11-19T23:30:00Z", "00:30"),
        ("2026-11-19T22:30:00Z", "yesterday 23:30"),
        ("2026-03-01T12:00:00Z", "1 Mar 13:00"),
        ("2025-11-20T13:00:00Z", "20 Nov 2025"),
    ],
)
def test_times_are_local_and_as_short_as_they_are_clear(berlin: None, then: str, shown: str) -> None:
    assert moment(at(then), at("2026-11-20T20:00:00Z")) == shown


def test_a_full_time_names_its_zone(berlin: None) -> None:
    assert full_moment(at("2026-07-01T12:00:00Z")) == "1 Jul 2026 14:00:00 CEST"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-20", "2026-11-19T23:00:00Z"),
        ("2026-11-20T14:02", "2026-11-20T13:02:00Z"),
        ("2026-11-20T14:02Z", "2026-11-20T14:02:00Z"),
        ("90m", "2026-11-20T18:30:00Z"),
        ("1d12h", "2026-11-19T08:00:00Z"),
    ],
)
def test_times_are_read_as_people_write_them(berlin: None, text: str, meant: str) -> None:
    assert parse_moment("--since", text, at("2026-11-20T20:00:00Z")) == at(meant)


@pytest.mark.parametrize("text", ["", "now", "5", "20 Nov", "1x", "99999d", "0001-01-01", "9999-12-31T23:59-12:00"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^--since: "):
        parse_moment("--since", text, 0)


def test_numbers_stand_below_each_other() -> None:
    assert aligned((Column("n", right=True), Column("name")), [["1", "a"], ["20", ""]]) == [" n  name", " 1  a", "20"]
