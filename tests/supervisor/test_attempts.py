"""An attempt starts at most once, and its files say what happened."""

import os
import signal
import sys
from pathlib import Path

import pytest

from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.plan import Plan, Secrets, StepPlan
from outlast.supervisor.attempt import Attempt
from outlast.supervisor.command import problem_with, resolve

CLOCK = Clock()


def attempt(home: Home, *argv: str) -> Attempt:
    step = StepPlan("run", "Run", list(argv), "/", {"PATH": os.environ["PATH"]}, [])
    plan = Plan(
        id="0199aaaa-0000-7000-8000-000000000001",
        store_id="s",
        workflow_id="w",
        workflow_name="W",
        workflow_type=None,
        version_hash="0" * 64,
        definition="{}",
        source=None,
        params={"n": 1},
        param_types={"n": "integer"},
        secret_params=[],
        steps=[step],
        created_at=1,
        user="u",
        trigger="cli",
        request_hash="00",
        library="l",
        interpreter=sys.executable,
    )
    made = Attempt(home.run(plan.id), plan, Secrets({}, []), 1, 1, CLOCK)
    made.make_spools()
    made.write_params()
    return made


def test_two_supervisors_start_one_child(home: Home, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    one = attempt(home, "sh", "-c", f"echo x >> {starts}; exit 3")
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in [one.spawn() for _ in range(5)])
    assert codes == [3, 125, 125, 125, 125]
    assert starts.read_text() == "x\n"
    assert one.exit_code() == 3


def test_a_sealed_start_keeps_every_later_wrapper_from_starting(home: Home, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    one = attempt(home, "sh", "-c", f"echo x >> {starts}")
    assert one.seal_start()
    assert not one.seal_start()
    assert os.waitstatus_to_exitcode(os.waitpid(one.spawn(), 0)[1]) == 125
    assert not starts.exists()
    started = one.started()
    assert started is not None
    assert started.sealed


def test_started_names_the_wrapper_exactly(home: Home) -> None:
    one = attempt(home, "sh", "-c", "read line < /dev/null; exit 0")
    pid = one.spawn()
    os.waitpid(pid, 0)
    started = one.started()
    assert started is not None
    assert started.process is not None
    assert (started.process.pid, started.process.boot_id) == (pid, CLOCK.boot_id())
    assert not started.process.alive(CLOCK.boot_id())


@pytest.mark.parametrize("content", [b"", b"3", b"\0"])
def test_an_exit_code_without_its_newline_counts_as_absent(home: Home, content: bytes) -> None:
    one = attempt(home, "true")
    Path(one.directory.exitcode).write_bytes(content)
    assert one.exit_code() is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[1, 2]", "not a JSON object"),
        (b"{not json", "not JSON: "),
        (b"[" * 100_000, "not JSON: "),
        (b'"' + b"x" * 300_000 + b'"', "larger than 256 KiB"),
        (b"\xff\xfe", "not JSON: "),
    ],
)
def test_an_output_that_cannot_be_taken_says_why(home: Home, content: bytes, problem: str) -> None:
    one = attempt(home, "true")
    Path(one.directory.output).write_bytes(content)
    output, said = one.output()
    assert output is None
    assert said is not None
    assert said.startswith(problem)


def test_nobody_looks_for_a_wrapper_where_no_process_tells_of_its_files(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without /proc the whole table would be asked for again and again, in vain."""
    one = attempt(home, "sh", "-c", "sleep 300")
    pid = one.spawn()
    try:
        found = one.evidence.wrapper(one.plan.id, CLOCK.boot_id())
        assert found is not None
        assert found.pid == pid
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("sys.platform", "darwin")
            elsewhere.setattr("outlast.supervisor.evidence.processes", lambda: pytest.fail("it was asked for"))
            assert one.evidence.wrapper(one.plan.id, CLOCK.boot_id()) is None
    finally:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_child_s_environment_is_the_plan_s_and_no_other(home: Home, tmp_path: Path) -> None:
    one = attempt(home, "sh", "-c", f"env > {tmp_path}/env")
    os.environ["OUTLAST_TEST_LEAK"] = "leaked"
    try:
        os.waitpid(one.spawn(), 0)
    finally:
        del os.environ["OUTLAST_TEST_LEAK"]
    names = {line.split("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names - {"PWD", "OLDPWD", "_", "SHLVL"} == {
        "PATH",
        "OUTLAST_HOME",
        "OUTLAST_EXECUTION_ID",
        "OUTLAST_STEP",
        "OUTLAST_ATTEMPT",
        "OUTLAST_IDEMPOTENCY_KEY",
        "OUTLAST_OUTPUT",
        "OUTLAST_EVENTS",
        "OUTLAST_PARAMS",
    }


def test_the_shell_s_own_words_stay_out_of_the_spool(home: Home) -> None:
    """dash says "Segmentation fault" about its child; that is not the child's output."""
    one = attempt(home, "sh", "-c", "echo hello; kill -SEGV $$")
    os.waitpid(one.spawn(), 0)
    assert Path(one.directory.path, "out").read_bytes() == b"hello\n"
    assert one.exit_code() == 139


def test_commands_are_found_as_the_child_would_find_them(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
        (directory / "tool").write_text("#!/bin/sh\n")
    (second / "tool").chmod(0o755)
    path = f"{first}:{second}"
    assert resolve("tool", "/", path) == f"{second}/tool"
    assert resolve("./tool", str(second), "") == f"{second}/./tool"
    assert problem_with(["tool"], "/", str(first)) == f"command is not executable: {first}/tool"
    assert problem_with(["tool"], "/", path) is None
    assert problem_with([str(tmp_path)], "/", path) == f"command is a directory: {tmp_path}"


def test_a_reason_is_short_whatever_the_command_is(tmp_path: Path) -> None:
    long = "/x" * 30_000
    for argv, cwd, path in ([[long], "/", "/bin"], [["x" * 60_000], "/", long], [["true"], long, "/bin"]):
        reason = problem_with(argv, cwd, path)
        assert reason is not None
        assert len(reason) < 600
        assert "(60,000 characters)" in reason
