"""`outlast doctor --fix` for executions and run directories: nothing acknowledged is lost, nothing live is touched."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from patients import (
    SECONDS,
    examined,
    files,
    fixed,
    kill_supervisor,
    killed_at,
    program,
    run,
    start,
    status_of,
    text_of,
    wait,
)

from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.ids import new_id
from outlast.kernel.locks import run_lock_held, run_lock_holder
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Outcome
from outlast.server.cli.commands import doctor
from outlast.server.cli.session import Session
from outlast.server.doctor import mending
from outlast.server.doctor.findings import Finding
from outlast.server.doctor.processes import marked_processes
from stored import hands_on

LONG_AGO = 1_700_000_000

pytestmark = pytest.mark.usefixtures("no_server")


def fifo(directory: Path) -> Path:
    """What nobody ever writes to."""
    os.mkfifo(directory / "never")
    return directory / "never"


def left_unsealed(home: Home, tmp_path: Path, gate: Callable[[], None], text: str) -> str:
    """An execution that is over after everybody else has gone; its id."""
    execution_id = start(f"read _ < {tmp_path}/gate; {text}")
    gate()
    wait(lambda: not run_lock_held(home.run(execution_id).run_lock))
    return execution_id


@pytest.mark.requirement("S3-6")
def test_an_execution_whose_supervisor_died_is_settled_beside_one_that_lives(
    home: Home, tmp_path: Path, gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "SETTLED_WITHIN", 0.1)  # the one that goes on running is waited for in vain
    dead = left_unsealed(home, tmp_path, gate, "echo one; echo two; exit 3")
    alive = start(f"echo before; read _ < {tmp_path}/gate; echo after")
    orphan = start(f"echo begun; read _ < {tmp_path}/gate; echo over")
    spool = Path(home.run(orphan).attempt("run", 1).path, "out")
    wait(lambda: spool.read_text() == "begun\n")
    kill_supervisor(home, orphan)
    supervisor = run_lock_holder(home.run(alive).run_lock)
    before = {name: data for name, data in files(home).items() if alive not in name}
    found = examined()
    assert found["executions"]["message"] == "no supervisor looks after #3"
    assert "#1 over, with lines that are not in the database yet" in found["run directories"]["message"]
    assert {name: data for name, data in files(home).items() if alive not in name} == before
    assert fixed() == ["executions", "run directories"]
    assert (status_of(3)[0], status_of(1)) == ("running", ("failed", 3))
    assert text_of(1) == ["one", "two"]
    assert not Path(home.run(dead).path).exists()
    assert run_lock_holder(home.run(alive).run_lock) == supervisor
    gate()
    gate()
    assert (run("wait", 2).exit_code, run("wait", 3).exit_code) == (0, 0)
    assert (text_of(2), text_of(3)) == (["before", "after"], ["begun", "over"])


@pytest.mark.requirement("S3-6")
def test_an_execution_whose_wrapper_died_too_is_lost_and_not_guessed(home: Home, tmp_path: Path) -> None:
    execution_id = start(f"echo begun; read _ < {fifo(tmp_path)}")
    kill_supervisor(home, execution_id)
    for each in marked_processes():
        if each.marker == execution_id:
            each.process.signal(Clock().boot_id(), signal.SIGKILL)
    assert fixed() == ["executions"]
    assert status_of(1) == ("lost", None)
    assert text_of(1) == ["begun"]


def test_what_is_left_of_run_directories_goes_and_what_only_they_know_stays(
    home: Home, tmp_path: Path, gate: Callable[[], None]
) -> None:
    execution_id = left_unsealed(home, tmp_path, gate, "echo kept")
    plan = Path(home.run(execution_id).plan).read_bytes()
    killed_at("removal.emptied")
    assert [path.name for path in Path(home.run(execution_id).path).iterdir()] == ["plan.json"], "half removed"
    assert text_of(1) == ["kept"]
    abandoned, fresh, unknown = (Path(home.run(new_id(LONG_AGO)).path) for _ in range(3))
    for path in (abandoned, fresh, unknown):
        path.mkdir()
        (path / "plan.json").write_bytes(plan)
    (unknown / "number").write_text("7\n")
    for path in (abandoned, unknown):
        os.utime(path, (LONG_AGO, LONG_AGO))
    assert fixed() == ["run directories"]
    assert {path.name for path in Path(home.runs).iterdir()} == {fresh.name, unknown.name}
    checks = json.loads(run("doctor", "--json").stdout)["checks"]
    assert [each["message"].split(" is of ")[0] for each in checks if each["check"] == "run directories"] == [
        str(unknown)
    ]
    assert text_of(1) == ["kept"]


def test_sealing_goes_on_where_a_doctor_was_killed(home: Home, tmp_path: Path, gate: Callable[[], None]) -> None:
    for _ in range(2):
        left_unsealed(home, tmp_path, gate, "seq 200")
    for point in ("seal.stored", "seal.finished"):
        killed_at(point)
    assert fixed() == ["run directories"]
    assert [text_of(number) for number in (1, 2)] == [[str(n) for n in range(1, 201)]] * 2
    assert not list(Path(home.runs).iterdir())


def test_an_execution_that_a_free_slot_waits_for_is_started(home: Home, tmp_path: Path) -> None:
    assert run("--max-running", 1, "run", "--", "sh", "-c", f"read _ < {fifo(tmp_path)}").exit_code == 0
    start("echo second")
    assert "executions" not in examined(), "no slot is free"
    with hands_on(home) as hands:
        hands.limit(2)
    assert examined()["executions"]["message"].startswith("#2 could start, a slot is free")
    assert fixed() == ["executions"]
    assert run("wait", 2).exit_code == 0
    assert text_of(2) == ["second"]
    assert status_of(1)[0] == "running"
    assert run("cancel", 1, "--wait").exit_code == 0


def sleeper(**variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", str(SECONDS)], env=os.environ | variables)


def test_processes_of_a_cancelled_execution_are_stopped_and_nobody_elses(home: Home, tmp_path: Path) -> None:
    cancelled = start(f"read _ < {fifo(tmp_path)}")
    assert run("cancel", 1, "--wait").exit_code in (0, 1)
    wait(lambda: not run_lock_held(home.run(cancelled).run_lock))
    done = start("true")
    wait(lambda: not run_lock_held(home.run(done).run_lock))
    assert run("seal").exit_code == 0
    of_others = [sleeper(OUTLAST_EXECUTION_ID=done), sleeper(OUTLAST_EXECUTION_ID=new_id(LONG_AGO * 1_000_000))]
    forbidden = sleeper(OUTLAST_EXECUTION_ID=cancelled)
    try:
        assert examined()["processes"]["message"].endswith(f": {forbidden.pid} of #1 (sleep {SECONDS})")
        assert forbidden.poll() is None
        assert fixed() == ["processes"]
        assert forbidden.wait(SECONDS) == -signal.SIGTERM
        assert [each.poll() for each in of_others] == [None, None]
    finally:
        for each in (forbidden, *of_others):
            each.kill()
            each.wait()


def test_no_process_is_stopped_that_was_not_announced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with hands_on(home) as hands:
        begun = hands.create()
        hands.begin(begun.number)
        hands.settle(begun.number, Outcome(ExecutionStatus.TIMEOUT, "took too long"))
    assert run("seal").exit_code == 0
    started = [sleeper(OUTLAST_EXECUTION_ID=begun.id)]
    announce = doctor.plan

    def another_is_started(session: Session, found: Sequence[Finding]) -> bool:
        announced = announce(session, found)
        started.append(sleeper(OUTLAST_EXECUTION_ID=begun.id))
        return announced

    monkeypatch.setattr(doctor, "plan", another_is_started)
    try:
        left = examined("--fix", "--yes")
        assert [(each["check"], each["message"]) for each in left["mended"]] == [("processes", "1 process stopped")]
        assert started[0].wait(SECONDS) == -signal.SIGTERM
        assert started[1].poll() is None
        assert f": {started[1].pid} of #1 (sleep {SECONDS})" in left["processes"]["message"]
    finally:
        for each in started:
            each.kill()
            each.wait()


def test_what_lives_after_an_end_that_a_restore_forgot_is_told_and_lives_on(home: Home, tmp_path: Path) -> None:
    with hands_on(home) as hands:
        begun = hands.create()
        hands.begin(begun.number)
    for verb in ("backup", "restore"):
        assert run("db", verb, tmp_path / "copy.db").exit_code == 0
    assert status_of(begun.number) == ("lost", None)
    daemon = sleeper(OUTLAST_EXECUTION_ID=begun.id)
    try:
        view = json.loads(run("doctor", "--fix", "--yes", "--json").stdout)
        (told,) = [each for each in view["checks"] if each["check"] == "processes"]
        assert told["message"].endswith(f": {daemon.pid} of #1 (sleep {SECONDS})")
        assert (told["level"], told["fix"], view["mended"]) == ("ok", None, [])
        assert daemon.poll() is None
    finally:
        daemon.kill()
        daemon.wait()


def test_nothing_is_done_that_nobody_agreed_to(home: Home) -> None:
    old = Path(home.library, "0123456789abcdef")
    assert run("history").exit_code == 0
    old.mkdir(parents=True)
    for flags, code in (
        ((), 0),
        (("--fix",), 2),
        (("--fix", "--dry-run"), 0),
        (("--yes",), 2),
        (("--fix", "--json"), 2),
    ):
        assert run("doctor", *flags).exit_code == code, flags
        assert old.exists(), flags
    said = run("doctor", "--fix", "--dry-run").stdout
    assert "What --fix does:\n  old code: remove 1 copy of code: 0123456789abcdef\n" in said
    for answer, left in ((b"n\n", True), (b"y\n", False)):
        said = on_a_terminal(answer, "doctor", "--fix")
        assert said.index("What --fix does:") < said.index("Do it? [y/N]:")
        assert old.exists() is left
    assert "There is nothing that --fix could mend." in run("doctor", "--fix", "--yes").stdout


def on_a_terminal(answer: bytes, *arguments: str) -> str:
    """What a command says to somebody who types an answer."""
    master, slave = os.openpty()
    process = subprocess.Popen(
        program("none", *arguments), stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    os.close(slave)
    os.write(master, answer)
    said, _ = process.communicate(timeout=SECONDS)
    os.close(master)
    return said.decode()
