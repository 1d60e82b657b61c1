"""`logs`: which lines, in which form, and to the end."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import Result
from commandline import SECONDS, Cli, Gate, Spawn, lines_of

from outlast.kernel.home import Home
from outlast.kernel.marks import Spool
from outlast.server.cli.following import follow
from outlast.server.cli.lines import LineFormat, bare, raw, readable
from outlast.server.cli.selecting import Selection
from outlast.server.cli.session import Session
from outlast.storage.logs.lines import Line, LogGap

Shell = Callable[[str], Result]
COUNT = 2500

SELECTIONS: list[tuple[list[str], int, int]] = [
    ([], 1, 2500),
    (["-n", "3"], 2498, 2500),
    (["-n", "1700"], 801, 2500),
    (["-n", "5000"], 1, 2500),
    (["--after", "2400"], 2401, 2500),
    (["--after", "10", "-n", "1500"], 11, 1510),
    (["--after", "0", "-n", "3"], 1, 3),
    (["--before", "10"], 1, 9),
    (["--before", "10", "-n", "3"], 7, 9),
    (["--before", "2000", "-n", "1500"], 500, 1999),
    (["--after", "10", "--before", "1500"], 11, 1499),
    (["--after", "10", "--before", "1500", "-n", "2"], 11, 12),
    (["--grep", "^2[34]..$"], 2300, 2499),
    (["--grep", "^2[34]..$", "-n", "5"], 2495, 2499),
    (["--grep", "^2[34]..$", "--after", "2397"], 2398, 2499),
    (["--grep", "^2[34]..$", "--after", "2397", "-n", "3"], 2398, 2400),
    (["--grep", "^2[34]..$", "--before", "2310"], 2300, 2309),
    (["--grep", ".", "-n", "1700"], 801, 2500),
    (["--grep", "."], 1, 2500),
    (["--stream", "merged", "-n", "1700"], 801, 2500),
    (["--step", "run", "--before", "10", "-n", "4"], 6, 9),
    (["--attempt", "1", "--since", "1h", "-n", "2"], 2499, 2500),
    (["--until", "2100-01-01", "--after", "0", "-n", "2"], 1, 2),
    (["--grep", "^2[34]..$", "--after", "0", "-n", "2"], 2300, 2301),
]
"""Options, and the first and the last line that they select."""


@pytest.fixture
def counted(shell: Shell) -> None:
    """Execution #1 has printed the numbers from 1 to 2,500."""
    assert shell(f"seq {COUNT}").exit_code == 0


def numbers(result: Result) -> list[int]:
    assert result.exit_code == 0, result.stderr
    return [int(line) for line in lines_of(result)]


@pytest.mark.parametrize("following", [False, True])
def test_the_lines_that_were_asked_for_and_no_others(cli: Cli, counted: None, following: bool) -> None:
    for arguments, first, last in SELECTIONS:
        if following and ("--before" in arguments or ("--after" in arguments and "-n" in arguments)):
            assert cli("logs", "-f", "1", *arguments).exit_code == 2, arguments
        else:
            result = cli("logs", "1", "--raw", *arguments, *(["-f"] if following else []))
            assert numbers(result) == list(range(first, last + 1)), arguments


def test_no_line_is_no_output(cli: Cli, counted: None) -> None:
    for arguments in (["--after", "2500"], ["--before", "1"], ["-n", "0"], ["--stream", "stderr"], ["--grep", "x"]):
        result = cli("logs", "1", *arguments)
        assert (result.exit_code, result.stdout) == (0, ""), arguments


def test_lines_come_with_number_and_time(cli: Cli, counted: None) -> None:
    (line,) = lines_of(cli("logs", "1", "-n", "1"))
    number, time, text = line.split()
    assert (number, text) == ("2500", "2500")
    assert len(time) == len("14:02:11.5")


def test_raw_lines_are_the_bytes_that_were_printed(cli: Cli) -> None:
    script = "printf 'caf\\303\\251 \\377\\000\\033[31mred\\r\\n'; printf '\\tend\\n'"
    cli("run", "--wait", "--", "sh", "-c", script)
    assert cli("logs", "1", "--raw").stdout_bytes == b"caf\xc3\xa9 \xff\x00\x1b[31mred\r\n\tend\n"
    shown = [line.split(maxsplit=1)[1].split(" ", 1)[1] for line in lines_of(cli("logs", "1"))]
    assert shown == ["caf\u00e9 \\xff\\x00\\x1b[31mred", "\tend"]


def test_a_line_that_was_cut_is_whole_again_when_raw(cli: Cli) -> None:
    length = 3_000_000
    cli("run", "--wait", "--", "sh", "-c", f"head -c {length} /dev/zero | tr '\\0' x; echo; echo end")
    assert cli("logs", "1", "--raw").stdout_bytes == b"x" * length + b"\nend\n"


def test_jsonl_lines_are_objects_with_the_fields_of_get_logs(cli: Cli, counted: None) -> None:
    views = [json.loads(line) for line in lines_of(cli("logs", "1", "--jsonl", "-n", "2"))]
    assert [view["n"] for view in views] == [2499, 2500]
    assert list(views[0]) == ["n", "t", "stream", "step", "attempt", "type", "text"]
    assert (views[0]["text"], views[0]["step"], views[0]["stream"]) == ("2499", "run", "merged")


@pytest.mark.parametrize(
    ("options", "shown", "cursor"),
    [
        ([], list(range(1, 2501)), None),
        (["-n", "2"], [2499, 2500], None),
        (["--after", "7", "-n", "2"], [8, 9], 9),
        (["--after", "2500"], [], None),
        (["--after", "2600"], [], None),
        (["--before", "4"], [1, 2, 3], 3),
        (["--grep", "^42$", "-C", "1"], [41, 42, 43], None),
        (["--stream", "stderr"], [], None),
    ],
)
def test_json_is_one_document_with_the_fields_of_get_logs(
    cli: Cli, counted: None, options: list[str], shown: list[int], cursor: int | None
) -> None:
    document = json.loads(cli("logs", "1", "--json", *options).stdout)
    assert [line["n"] for line in document.pop("lines")] == shown
    assert len(document.pop("handle_id")) == 36
    link = f"1#L{shown[0]}-L{shown[-1]}" if shown else None
    assert document.pop("permalink") == link
    rest = {"number": 1, "log_lines": 2500, "log_lines_final": True, "omitted": 0, "next_cursor": cursor}
    assert document == rest


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--grep", "^(10|13|1005|2500)$", "-C", "2"], [*range(8, 16), *range(1003, 1008), *range(2498, 2501)]),
        (["--grep", "^(10|13)$", "-C", "2", "--before", "12"], [8, 9, 10, 11]),
        (["--grep", "^(10|13)$", "-C", "2", "-n", "1"], list(range(11, 16))),
        (["--grep", "^(10|13)$", "-C", "2", "-n", "1", "--after", "0"], list(range(8, 13))),
        (["--grep", "00$", "-C", "100", "-n", "9"], list(range(1600, 2501))),
        (["--grep", "00$", "-C", "100", "--after", "1650"], list(range(1600, 2501))),
        (["--grep", "0$", "-C", "100"], list(range(1, 2501))),
    ],
)
def test_lines_around_matches_are_shown_once(cli: Cli, counted: None, options: list[str], shown: list[int]) -> None:
    assert numbers(cli("logs", "1", "--raw", *options)) == shown


def test_times_are_local_and_a_day_is_said_where_it_is_another_one(cli: Cli, berlin: None) -> None:
    cli("run", "--wait", "--", "true")
    with Session().observer() as observer:
        execution = observer.call(observer.it.get, 1)
    form = LineFormat(execution, colours=False)
    evening = round(datetime.fromisoformat("2026-07-01T21:59:59Z").timestamp() * 1_000_000)
    lines = [Line(n, evening + after * 1_000_000, Spool(1, 1, 0), b"x") for n, after in ((1, 0), (2, 0), (3, 1))]
    assert form.text(lines).splitlines() == [
        "--- 1 Jul 2026 CEST ---",
        "    1 23:59:59.0 x",
        "    2 23:59:59.0 x",
        "--- 2 Jul 2026 CEST ---",
        "    3 00:00:00.0 x",
    ]
    today = Line(4, time.time_ns() // 1000, Spool(1, 1, 0), b"x")
    assert len(LineFormat(execution, colours=False).text([today]).splitlines()) == 1


def test_streams_apart(home: Home, cli: Cli) -> None:
    Path(home.workflows, "apart.yaml").write_text("id: apart\nstreams: separate\nshell: echo out; echo err >&2\n")
    cli("run", "--wait", "apart")
    assert cli("logs", "1", "--raw", "--stream", "stderr").stdout == "err\n"
    assert cli("logs", "1", "--raw", "--stream", "stdout").stdout == "out\n"


def test_what_cannot_be_shown_is_said(cli: Cli, counted: None) -> None:
    for arguments, code, said in (
        (["1", "--grep", "("], 2, "pattern: "),
        (["1", "-f", "--grep", "("], 2, "pattern: "),
        (["1", "--step", "nope"], 2, "step: there is no step 'nope'."),
        (["1", "--stream", "nope"], 2, "Invalid value for '--stream'"),
        (["2"], 3, "execution_not_found"),
        (["1", "--raw", "--jsonl"], 2, "--raw, --jsonl and --json exclude each other."),
        (["1", "--json", "-f"], 2, "--json is one document"),
        (["1", "-C", "2"], 2, "--context is for lines around those of --grep or --level"),
        (["1", "-f", "--grep", "1", "-C", "2"], 2, "--context is for lines around those of --grep or --level"),
        (["1", "--since", "noon"], 2, "--since: 'noon' is no time."),
    ):
        result = cli("logs", *arguments)
        assert result.exit_code == code, arguments
        assert said in result.stderr


@pytest.mark.parametrize(
    ("options", "before"),
    [([], b"one\ntwo\n"), (["-n", "1"], b"two\n"), (["--after", "1"], b"two\n"), (["--step", "run"], b"one\ntwo\n")],
)
def test_following_goes_on_to_the_end_and_gives_each_line_once(
    spawn: Spawn, gate: Gate, options: list[str], before: bytes
) -> None:
    text = f"echo one; echo two; {gate.pass_it}; echo three; {gate.pass_it}; seq 2000"
    runner = spawn("run", "--wait", "--", "sh", "-c", text)
    assert runner.stdout is not None
    assert [runner.stdout.readline(), runner.stdout.readline()] == [b"one\n", b"two\n"]
    follower = spawn("logs", "1", "-f", "--raw", *options)
    assert follower.stdout is not None
    assert b"".join(follower.stdout.readline() for _ in before.splitlines()) == before
    gate.open()
    assert follower.stdout.readline() == b"three\n"
    gate.open()
    assert follower.communicate(timeout=SECONDS)[0] == b"".join(b"%d\n" % n for n in range(1, 2001))
    assert follower.returncode == 0


def test_following_can_begin_with_what_is_new(spawn: Spawn, gate: Gate) -> None:
    runner = spawn("run", "--wait", "--", "sh", "-c", f"echo old; {gate.pass_it}; echo new")
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"old\n"
    with Session().observer() as observer:
        following = follow(observer, 1, Selection(last=0))
        assert next(following).entries == ()
        gate.open()
        assert [entry.data for seen in following for entry in seen.entries if isinstance(entry, Line)] == [b"new"]


def test_following_picks_the_lines_that_match(spawn: Spawn, gate: Gate) -> None:
    runner = spawn("run", "--wait", "--", "sh", "-c", f"echo a1; echo b1; {gate.pass_it}; echo b2; echo a2")
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"a1\n"
    follower = spawn("logs", "1", "-f", "--raw", "--grep", "^a")
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"a1\n"
    gate.open()
    assert follower.communicate(timeout=SECONDS)[0] == b"a2\n"


def test_when_nobody_reads_any_more_it_ends_without_a_word(cli: Cli, spawn: Spawn) -> None:
    cli("run", "--wait", "--", "seq", "200000")
    process = spawn("logs", "1", "--raw")
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    process.stdout.close()
    assert process.wait(timeout=SECONDS) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stdout = None


def test_when_nobody_follows_any_more_it_ends_and_the_execution_goes_on(cli: Cli, spawn: Spawn, gate: Gate) -> None:
    cli("run", "--", "sh", "-c", f"echo one; {gate.pass_it}; echo two; {gate.pass_it}")
    process = spawn("logs", "1", "-f", "--raw")
    assert process.stdout is not None
    assert process.stdout.readline() == b"one\n"
    process.stdout.close()
    gate.open()
    assert process.wait(timeout=SECONDS) == 141
    process.stdout = None
    gate.open()
    assert cli("wait", "1").exit_code == 0


@pytest.mark.parametrize(
    ("data", "plain", "coloured"),
    [
        (b"plain", "plain", "plain"),
        (b"a\tb", "a\tb", "a\tb"),
        (b"windows\r", "windows", "windows"),
        (b"\x1b[1;31mred\x1b[0m", "\\x1b[1;31mred\\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m"),
        (b"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        (b"\x1b[31mred\x1b[2J", "\\x1b[31mred\\x1b[2J", "\x1b[31mred\\x1b[2J\x1b[0m"),
        (b"10%\r20%", "10%\\x0d20%", "10%\\x0d20%"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe", "\\u202egnp.exe"),
        (b"\xff\xfe", "\\xff\\xfe", "\\xff\\xfe"),
    ],
)
def test_a_line_can_colour_a_terminal_and_do_nothing_else_to_it(data: bytes, plain: str, coloured: str) -> None:
    assert readable(data, colours=False) == plain
    assert readable(data, colours=True) == coloured


def test_lines_that_are_gone_are_told_of() -> None:
    entries = [
        LogGap(3, 7, "dropped"),
        Line(8, 0, Spool(1, 1, 0), b"x", cut=True, ended=False),
        Line(9, 0, Spool(1, 1, 0), b"y"),
    ]
    assert bare(entries, colours=False) == "[lines 3 to 7: dropped]\nx\ny\n"
    assert raw(entries) == b"xy\n"


@pytest.mark.parametrize("following", [[], ["--follow"], ["-n", "9"], ["-n", "9", "--follow"]])
def test_only_errors_or_warnings_too(cli: Cli, shell: Shell, following: list[str]) -> None:
    shell("seq 1 5; echo ERROR no; echo 6; echo WARNING slow; echo error: nor this")
    assert cli("logs", 1, "--raw", "--level", "error", *following).stdout == "ERROR no\nerror: nor this\n"
    assert (
        cli("logs", 1, "--raw", "--level", "warning", *following).stdout == "ERROR no\nWARNING slow\nerror: nor this\n"
    )
