"""Each check of the doctor tells a sound state from a wrong one."""

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from outlast.kernel.home import Home
from outlast.server.clients.launch import Launch
from outlast.server.clients.machine import Machine
from outlast.server.doctor import conversation, database, versions
from outlast.server.doctor import home as homes
from outlast.server.doctor.configured import client_findings
from outlast.server.doctor.findings import Finding, Level, size_words
from outlast.server.doctor.workflows import workflow_findings
from outlast.storage import examining
from outlast.storage.examining import Examined
from outlast.storage.maintenance import structure

SECONDS = 10
OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM


@pytest.mark.parametrize(
    ("found", "level"), [("3.39.4", PROBLEM), ("3.40.0", OK), ("3.51.2", OK), ("3.51.3", OK), ("4.0.0", OK)]
)
def test_an_sqlite_that_is_too_old_is_a_problem(found: str, level: Level) -> None:
    assert versions.sqlite(found).level is level
    assert ("store.lock" in versions.sqlite(found).message) is (found in ("3.40.0", "3.51.2"))


def test_an_sqlite_without_full_text_search_is_a_problem() -> None:
    assert examining.full_text()
    without = versions.sqlite("3.51.3", full_text=False)
    assert (without.level, "FTS5" in without.message) == (PROBLEM, True)


@pytest.mark.parametrize(
    ("name", "release", "level"),
    [
        ("Linux", "6.1.0", OK),
        ("Linux", "5.15.90.1-microsoft-standard-WSL2", OK),
        ("Darwin", "24.0", WARNING),
        ("Windows", "11", PROBLEM),
    ],
)
def test_systems_are_told_apart(name: str, release: str, level: Level) -> None:
    finding = versions.system(name, release, "x86_64")
    assert finding.level is level
    assert ("wsl.exe" in finding.message) is ("microsoft" in release)


def test_a_home_that_others_may_read_is_a_warning(home: Home) -> None:
    root = Path(home.root)
    assert homes.directory(root, root).level is OK
    root.chmod(0o750)
    finding = homes.directory(root, root)
    assert (finding.level, finding.next) == (WARNING, f"chmod 700 {root}")


def test_a_home_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch()
    assert homes.directory(place, place).level is PROBLEM
    assert homes.directory(place / "home", homes.nearest(place / "home")).level is PROBLEM


def test_a_home_of_somebody_else_is_a_problem(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: Path(home.root).stat().st_uid + 1)
    assert "belongs to uid" in homes.directory(Path(home.root), Path(home.root)).message


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export {mount} nfs4 rw 0 0
/dev/sdb1 {mount}/local xfs rw 0 0
"""


def test_a_home_on_another_machine_is_a_warning(tmp_path: Path) -> None:
    mounted = tmp_path / "a disk"
    (mounted / "local/home").mkdir(parents=True)
    (mounted / "locality").mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(mount=str(mounted).replace(" ", "\\040")))
    for place, level in ((tmp_path, OK), (mounted / "locality", WARNING), (mounted / "local/home", OK)):
        assert homes.file_system(place, mounts).level is level, place
    assert homes.file_system(tmp_path, tmp_path / "none").level is OK, "not every system has the list"


def test_locks_are_tried_and_nothing_is_left(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(Path(home.root).iterdir())
    assert homes.locks(Path(home.root)).level is OK
    assert sorted(Path(home.root).iterdir()) == before
    monkeypatch.setattr(homes.fcntl, "flock", lambda *_: None)
    assert homes.locks(Path(home.root)).level is PROBLEM, "as on a file system that only says yes"


@pytest.mark.parametrize(("free", "level"), [(1 << 34, OK), (1 << 29, WARNING), (1 << 20, PROBLEM)])
def test_a_full_disk_is_told_before_it_is_full(free: int, level: Level) -> None:
    assert homes.room(Path("/"), free).level is level


def test_sizes_are_short() -> None:
    assert [size_words(size) for size in (0, 1023, 1536, 3 << 20, 3 << 29)] == [
        "0 bytes",
        "1023 bytes",
        "1.5 KiB",
        "3 MiB",
        "1.5 GiB",
    ]


SOUND = Examined(database.SCHEMA_VERSION, 1 << 20, 0, (), True, 3, 1, ())


def test_the_state_of_a_database_is_told() -> None:
    assert database.state(SOUND).message.endswith("3 executions, sound")
    assert database.state(SOUND._replace(problems=("page 7",))).level is PROBLEM
    assert "outlast_was_upgraded" in database.state(SOUND._replace(schema=99)).message
    assert "after a backup" in database.state(SOUND._replace(schema=0)).message
    assert "not checked to its end" in database.state(SOUND._replace(complete=False)).message
    assert database.executions(SOUND).level is OK
    finding = database.executions(SOUND._replace(unsupervised=(4, 7)))
    assert (finding.level, finding.message) == (WARNING, "no supervisor looks after #4, #7")


class Interruptible(sqlite3.Connection):
    """A connection that makes a table which cannot be checked before somebody interrupts."""

    def __init__(self, place: Path) -> None:
        super().__init__(place, isolation_level=None)
        self.interrupted = Event()
        self.create_function("slow", 0, lambda: self.interrupted.wait(SECONDS))
        self.execute("PRAGMA trusted_schema = ON")
        self.execute("PRAGMA ignore_check_constraints = ON")
        self.execute("CREATE TABLE large(one CHECK (slow()))")
        self.execute("INSERT INTO large VALUES (1)")
        self.execute("PRAGMA ignore_check_constraints = OFF")

    def interrupt(self) -> None:
        super().interrupt()
        self.interrupted.set()


def test_a_database_is_checked_for_a_bounded_time_also_where_one_step_of_it_is_long(tmp_path: Path) -> None:
    with closing(Interruptible(tmp_path / "large.db")) as connection:
        assert examining.checked(connection, 0.3, structure) == ((), False)
        assert examining.checked(connection, SECONDS, structure) == ((), True), "nothing is interrupted later on"


def test_backups_are_told(home: Home) -> None:
    assert database.backups(home).message == "there is none yet"
    (Path(home.backups) / "manual-20260101T000000-000000.db").touch()
    assert database.backups(home).message.startswith("1 backup, the newest made today: manual-")
    (Path(home.backups) / "damaged-20260101T000000.db").touch()
    assert database.backups(home).level is WARNING


def test_workflows_that_were_skipped_are_told_with_the_reason(home: Home, tmp_path: Path) -> None:
    Path(home.workflows, "good.yaml").write_text("id: good\nshell: 'true'\n")
    bad = Path(home.workflows, "bad.yaml")
    bad.write_text("id: bad\nsell: x\n")
    good, *skipped = workflow_findings(home, [tmp_path / "gone"])
    assert (good.level, good.message.split(" in ")[0]) == (OK, "1 workflow")
    assert [finding.level for finding in skipped] == [WARNING, WARNING]
    assert "sell" in skipped[0].message
    assert skipped[0].next == f"outlast workflows validate {bad}"
    assert f"{tmp_path}/gone does not exist" in skipped[1].message


def judged(person: Path, home: Home, launch: Launch, entry: object) -> Finding:
    (person / ".cursor").mkdir(exist_ok=True)
    (person / ".cursor/mcp.json").write_text(json.dumps({"mcpServers": {"outlast": entry}}))
    [finding] = client_findings(Machine("linux", person, {}, person / "project"), launch, home)
    return finding


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return Launch(str(program(tmp_path / "here/outlast", "")), ("serve",))


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


@pytest.mark.requirement("C3")
def test_client_configurations_that_point_nowhere_are_found(tmp_path: Path, home: Home, launch: Launch) -> None:
    env = {"OUTLAST_HOME": home.root}
    other = program(tmp_path / "there/outlast", "")
    plain = tmp_path / "plain/outlast"
    plain.parent.mkdir()
    plain.touch(0o644)
    for command, arguments, variables, level, said in (
        (launch.command, ["serve"], env, OK, "Cursor starts "),
        (launch.command, ["serve"], {}, WARNING, "neither sees the other's executions"),
        (launch.command, [], env, PROBLEM, "does not say `serve`"),
        (str(other), ["serve"], env, WARNING, "is another Outlast than this one"),
        (str(tmp_path / "gone/outlast"), ["serve"], env, PROBLEM, "does not exist"),
        (str(plain), ["serve"], env, PROBLEM, "cannot be executed"),
        ("outlast", ["serve"], env, WARNING, "the client's own PATH"),
        (sys.executable, ["-m", "outlast", "serve"], env, OK, "-m outlast serve"),
    ):
        finding = judged(tmp_path, home, launch, {"command": command, "args": arguments, "env": variables})
        assert (finding.level, said in finding.message) == (level, True), (command, finding)
        assert (finding.next == "outlast install cursor") is (level is not OK)


def test_clients_without_outlast_or_with_files_that_cannot_be_read(tmp_path: Path, home: Home, launch: Launch) -> None:
    machine = Machine("linux", tmp_path / "person", {}, tmp_path / "project")
    assert [finding.message for finding in client_findings(machine, launch, home)] == [
        "no MCP client was found on this machine"
    ]
    (tmp_path / "person/.codex").mkdir(parents=True)
    [finding] = client_findings(machine, launch, home)
    assert (finding.level, finding.next) == (OK, "outlast install codex")
    (tmp_path / "person/.codex/config.toml").write_text("nonsense")
    [finding] = client_findings(machine, launch, home)
    assert (finding.level, "is not TOML" in finding.message) == (WARNING, True)
    (tmp_path / "project").mkdir()
    (tmp_path / "project/.mcp.json").write_text(
        json.dumps({"mcpServers": {"jobs": {"command": "/gone/outlast", "args": ["serve"]}}})
    )
    *_, finding = client_findings(machine, launch, home)
    assert (finding.level, finding.next) == (PROBLEM, "outlast install claude-code --project --name jobs")


SPEAKS = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        result = {"tools": TOOLS} if message["method"] == "tools/list" else {}
        print(json.dumps({"method": "notifications/message"}), flush=True)
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        (SPEAKS.replace("TOOLS", "[1, 2]"), OK, "answers: initialize "),
        (SPEAKS.replace("TOOLS", "[]"), PROBLEM, "lists no tools"),
        ("import sys\nsys.exit('the sky fell')", PROBLEM, "it said: the sky fell"),
        ("print('hello')", PROBLEM, "something else than messages to its output: hello"),
        (
            'import sys\nsys.stdin.readline()\nprint(\'{"id": 1, "error": {"code": 5}}\')',
            PROBLEM,
            'answers initialize with {"code": 5}',
        ),
    ],
)
def test_a_server_is_judged_by_what_it_says(tmp_path: Path, text: str, level: Level, said: str) -> None:
    command = program(tmp_path / "outlast", text)
    [finding] = conversation.server_finding(Launch(str(command), ("serve",)), os.environ)
    assert (finding.level, said in finding.message) == (level, True), finding


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "SECONDS", 0.2)
    command = program(tmp_path / "outlast", "import sys\nsys.stdin.read()")
    [finding] = conversation.server_finding(Launch(str(command), ("serve",)), os.environ)
    assert (finding.level, "did not answer initialize in time" in finding.message) == (PROBLEM, True)


def test_a_server_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "EXIT_WITHIN", 0.2)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = program(tmp_path / "outlast", SPEAKS.replace("TOOLS", "[1]") + f"open({str(gate)!r}).read()")
    [finding] = conversation.server_finding(Launch(str(command), ("serve",)), os.environ)
    assert (finding.level, "did not end" in finding.message) == (WARNING, True)


def test_a_command_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    [finding] = conversation.server_finding(Launch(str(tmp_path / "gone"), ("serve",)), os.environ)
    assert finding.level is PROBLEM


def test_a_check_that_cannot_be_made_keeps_no_other_from_being_made() -> None:
    from outlast.server.doctor.examination import made

    def broken() -> Iterator[Finding]:
        yield Finding("a", OK, "first")
        raise PermissionError(13, "Permission denied", "/proc/x")

    first, second = made("a", broken)
    assert (first.level, second.level) == (OK, PROBLEM)
    assert "Permission denied" in second.message
