"""Executables that say what they are become workflows; every other answer is reported, and nobody waits for it long."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from outlast.definitions import answers as answers_module
from outlast.definitions import asking, trust
from outlast.definitions.answers import FAILURE_KEPT, Answers
from outlast.definitions.asking import Unanswered, ask, is_marked
from outlast.definitions.catalogue import Catalogue
from outlast.definitions.discovery import Discovery
from outlast.definitions.executables import Executables
from outlast.kernel.clock import Clock
from outlast.kernel.errors import InvalidDefinition
from outlast.kernel.plan import Json
from outlast.kernel.process import identify
from waiting import until

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/", "SECRET_TOKEN": "hunter2"}


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    directory = tmp_path / "workflows"
    directory.mkdir()
    return directory


def write(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n# knows --workflow-metadata\n{text}\n")
    path.chmod(0o755)
    return path


def saying(path: Path, metadata: Json) -> Path:
    """An executable that says so, and counts how often it was asked."""
    return write(path, f"echo asked >> {path}.asked\ncat <<'END'\n{json.dumps(metadata)}\nEND")


def times_asked(path: Path) -> int:
    counted = Path(f"{path}.asked")
    return len(counted.read_text().splitlines()) if counted.exists() else 0


def found(flows: Path, answers: Answers | None = None, seconds: float = 60) -> Catalogue:
    executables = Executables(answers, ENVIRONMENT)
    return Discovery(executables=executables).discover([flows], allow_command=False, seconds=seconds)


def reasons(catalogue: Catalogue) -> dict[str, str]:
    return {skipped.path.name: skipped.reason for skipped in catalogue.skipped}


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that just changed are asked again; the clock makes these old."""
    real = time.time_ns
    monkeypatch.setattr(trust.time, "time_ns", lambda: real() + 60 * 10**9)


@pytest.mark.requirement("S3-10")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sleep 1000", "did not answer --workflow-metadata within 0.3 s"),
        ("echo '{}'; sleep 1000", "did not answer --workflow-metadata within 0.3 s"),
        ("sleep 1000 & echo '{}'", "did not answer --workflow-metadata within 0.3 s"),
        ("echo '{}'; exit 3", "ended with exit code 3 when it was asked --workflow-metadata"),
        ("kill -9 $$", "was ended by signal 9 when it was asked --workflow-metadata"),
        ("yes", "printed more than 256 KiB when it was asked --workflow-metadata"),
        ("echo hello", "answered --workflow-metadata with something that is not JSON"),
        ("echo '[]'", "answered --workflow-metadata with JSON that is no object"),
        (r"printf '\377'", "answered --workflow-metadata with bytes that are no UTF-8 text"),
    ],
)
def test_an_executable_that_gives_no_metadata_is_reported_and_ended(
    flows: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    monkeypatch.setattr("outlast.definitions.executables.PATIENCE", 0.3)
    write(flows / "odd", f"echo $$ > {flows}/pid; " + body)
    write(flows / "good", 'echo \'{"id": "good"}\'')
    catalogue = found(flows)
    assert list(catalogue.workflows) == ["good"]
    assert reasons(catalogue) == {"odd": reason}
    assert identify(int((flows / "pid").read_text()), Clock()) is None


async def test_the_whole_group_ends_with_the_answer(flows: Path) -> None:
    path = write(flows / "leaver", f'sleep 1000 >/dev/null & echo $! > {flows}/pid; echo \'{{"id": "leaver"}}\'')
    assert ask(path, ENVIRONMENT, "/") == {"id": "leaver"}
    pid = int((flows / "pid").read_text())
    await until(lambda: identify(pid, Clock()) is None)


async def test_what_is_asked_does_not_outlive_a_killed_server(flows: Path) -> None:
    path = write(flows / "hanging", f"echo $$ > {flows}/new; mv {flows}/new {flows}/pid; sleep 1000")
    code = f"from outlast.definitions.asking import ask; ask({str(path)!r}, {{}}, '/', 1000)"
    server = subprocess.Popen([sys.executable, "-c", code])  # noqa: ASYNC220 - to be killed
    try:
        await until((flows / "pid").exists)
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    pid = int((flows / "pid").read_text())
    await until(lambda: identify(pid, Clock()) is None)


def test_an_executable_is_asked_with_a_scrubbed_environment_and_nothing_to_read(flows: Path) -> None:
    write(flows / "nosy", f'cat > {flows}/stdin; env > {flows}/env; pwd >> {flows}/env; echo \'{{"id": "nosy"}}\'')
    assert list(found(flows).workflows) == ["nosy"]
    assert (flows / "stdin").read_text() == ""
    seen = (flows / "env").read_text()
    assert f"PATH={os.environ['PATH']}\n" in seen
    assert seen.endswith("\n/\n"), "the home directory"
    assert "hunter2" not in seen


def test_only_what_is_marked_is_started(flows: Path) -> None:
    for name in ("plain", "data.txt"):
        path = flows / name
        path.write_text(f'#!/bin/sh\ntouch {flows}/started\necho \'{{"id": "x"}}\'')
    (flows / "plain").chmod(0o755)
    saying(flows / "open", {"id": "open"}).chmod(0o757)
    catalogue = found(flows)
    assert list(catalogue.workflows) == ["plain"]
    assert catalogue.find("plain").definition.params == {}
    assert not (flows / "started").exists()
    assert times_asked(flows / "open") == 0


def test_a_marker_is_found_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PIECE", 8)
    path = tmp_path / "program"
    for before in range(20):
        path.write_bytes(b"\x7f" * before + b"--workflow-metadata" + b"x" * 3)
        assert is_marked(path)
    path.write_bytes(b"workflow-metadat" + b"x" * 40)
    assert not is_marked(path)
    path.write_bytes(b"x" * 40 + b"workflow-metadata")
    monkeypatch.setattr(asking, "MAX_FILE", 40)
    assert not is_marked(path)


@pytest.mark.usefixtures("settled")
def test_each_is_asked_once_whatever_the_answer_and_by_whichever_process(flows: Path, tmp_path: Path) -> None:
    good, bad = saying(flows / "good", {"id": "good"}), saying(flows / "bad", 5)
    plain = flows / "plain"
    plain.write_text("#!/bin/sh\n")
    plain.chmod(0o755)
    file = tmp_path / "executables.json"
    now = [1000.0]
    for _ in range(3):  # three processes
        answers = Answers(file, lambda: now[0])
        for _ in range(2):
            catalogue = found(flows, answers)
            assert list(catalogue.workflows) == ["good", "plain"]
            assert list(reasons(catalogue)) == ["bad"]
    assert (times_asked(good), times_asked(bad)) == (1, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(file.read_text())["answers"]) == {str(good), str(bad), str(plain)}

    now[0] += FAILURE_KEPT + 1
    found(flows, Answers(file, lambda: now[0]))
    assert (times_asked(good), times_asked(bad)) == (1, 2), "failures are looked into again after a while"

    saying(good, {"id": "better"})
    bad.unlink()
    assert list(found(flows, Answers(file, lambda: now[0])).workflows) == ["better", "plain"]
    assert times_asked(good) == 2
    assert set(json.loads(file.read_text())["answers"]) == {str(good), str(plain)}


def test_an_executable_that_changed_just_now_is_asked_again(flows: Path) -> None:
    answers = Answers()
    path = flows / "tool"
    for name in ("a", "b", "c"):
        saying(path, {"id": name})
        assert list(found(flows, answers).workflows) == [name]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text("{"),
        lambda file: file.write_text('{"format": 2, "answers": {}}'),
        lambda file: file.write_text(file.read_text().replace('"id": "tool"', '"id": 5')),
        lambda file: file.write_text(
            file.read_text().replace('"metadata": {', '"metadata": [{').replace("}}}", "}}]}")
        ),
        lambda file: file.chmod(0o666),
    ],
)
def test_what_is_kept_is_trusted_no_more_than_an_answer(flows: Path, tmp_path: Path, spoil: object) -> None:
    saying(flows / "tool", {"id": "tool"})
    file = tmp_path / "executables.json"
    found(flows, Answers(file))
    assert callable(spoil)
    spoil(file)
    catalogue = found(flows, Answers(file))
    assert list(catalogue.workflows) == ["tool"] or "id must be a string" in reasons(catalogue)["tool"]


@pytest.mark.usefixtures("settled")
def test_a_memory_that_cannot_be_written_only_costs_asking_again(flows: Path, tmp_path: Path) -> None:
    path = saying(flows / "tool", {"id": "tool"})
    for _ in range(2):
        assert list(found(flows, Answers(tmp_path / "nowhere" / "executables.json")).workflows) == ["tool"]
    assert times_asked(path) == 2


@pytest.mark.usefixtures("settled")
def test_the_memory_never_outgrows_one_readable_file(
    flows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_module, "MAX_FILE", 2500)
    for name in "abcd":
        saying(flows / name, {"id": name, "description": name * 400})
    file = tmp_path / "executables.json"
    assert list(found(flows, Answers(file)).workflows) == ["a", "b", "c", "d"]
    assert 1 <= len(json.loads(file.read_text())["answers"]) < 4
    assert file.stat().st_size <= 2500


def test_several_are_asked_at_once_and_a_look_ends_in_time(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four wait for each other: one after the other they would never answer."""
    meeting = "touch {0}/$(basename $0).here; until [ $(ls {0} | grep -c here) = 4 ]; do sleep 0.01; done"
    for name in "abcd":
        write(flows / name, meeting.format(flows) + f'; echo \'{{"id": "{name}"}}\'')
    monkeypatch.setattr("outlast.definitions.executables.PATIENCE", 30.0)
    assert list(found(flows).workflows) == ["a", "b", "c", "d"]
    for name in "abcd":
        (flows / name).unlink()
    for number in range(8):
        write(flows / f"hanging-{number}", "sleep 1000")
    catalogue = found(flows, seconds=0.5)
    assert catalogue.workflows == {}
    got = list(reasons(catalogue).values())
    assert len(got) == 8
    assert sum("there was no time left" in reason for reason in got) >= 4


def test_one_executable_is_examined_on_request(flows: Path) -> None:
    executables = Executables(environment=ENVIRONMENT)
    assert executables.examine(saying(flows / "tool", {"id": "Tool"})).id == "tool"
    with pytest.raises(InvalidDefinition, match=r"tool says in its metadata what cannot be used: id must be a string"):
        executables.examine(saying(flows / "tool", {"id": 5}))
    with pytest.raises(Unanswered):
        ask(flows / "missing", ENVIRONMENT, "/")


def test_one_server_asks_again_after_a_while_where_an_answer_failed(flows: Path) -> None:
    """One slow moment must not hide a workflow until somebody restarts the server."""
    now = [0.0]
    ready = flows.parent / "ready"
    metadata = json.dumps({"id": "flow", "name": "Flow", "description": "", "fields": []})
    write(flows / "flow", f"[ -e {ready} ] || exit 1\necho '{metadata}'")
    discovery = Discovery(executables=Executables(Answers(None, lambda: now[0]), ENVIRONMENT))

    def names() -> list[str]:
        return list(discovery.discover([flows], allow_command=False, seconds=60).workflows)

    for _ in range(3):
        assert names() == []
    ready.touch()
    now[0] += FAILURE_KEPT + 1
    assert names() == ["flow"]
