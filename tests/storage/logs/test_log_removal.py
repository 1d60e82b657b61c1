"""Sealing and removing, whoever dies when, and readers in the middle of it."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from log_files import OUT, STEPS, Execution, printed, prints_lines, rows

from outlast.kernel.marks import MERGED, Spool
from outlast.storage.logs import walks
from outlast.storage.logs.lines import Entry
from outlast.storage.logs.sealer import Sealed, remove_run_directory
from outlast.storage.logs.walks import MAX_LINE, SpoolFiles

KILLED = """
import os, signal, sqlite3, sys
from outlast.kernel.home import RunDirectory
from outlast.kernel.plan import decode_plan
from outlast.storage.logs import sealer
from outlast.storage.logs.sealer import remove_run_directory, seal

database, directory, number, dies_at = sys.argv[1], RunDirectory(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
sealer.MOST_BLOCKS = 8
connection = sqlite3.connect(database, isolation_level=None)
moment = 0

def passed():
    global moment
    moment += 1
    if moment == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)

def write(rule):
    passed()
    connection.execute("BEGIN IMMEDIATE")
    result = rule(connection)
    passed()
    connection.execute("COMMIT")
    passed()
    return result

with open(directory.plan, "rb") as file:
    plan = decode_plan(file.read())
if seal(number, directory, plan, write).finished:
    unlink, rmdir = os.unlink, os.rmdir
    def dying(function):
        def replaced(*arguments, **options):
            passed()
            function(*arguments, **options)
            passed()
        return replaced
    os.unlink, os.rmdir = dying(unlink), dying(rmdir)
    remove_run_directory(directory)
"""


def test_sealing_and_removing_go_on_after_kill_9_at_any_point(execution: Execution) -> None:
    prints_lines(execution, 30_000)
    execution.prints(Spool(2, 1, MERGED), b"other\n" * 100)
    execution.close(Spool(2, 1, MERGED))
    execution.prints(OUT, b"no newline")
    execution.close(OUT)
    execution.settle()
    log = printed(execution, MAX_LINE)
    assert log.count == 30_101
    watching = execution.reader()
    assert watching.count() == (30_101, True)
    deaths = 0
    for dies_at in range(1, 200):
        if not Path(execution.run.path).exists():
            break
        # Every time a little further, over what the earlier ones left.
        arguments = [execution.home.database, execution.run.path, str(execution.number), str(dies_at)]
        process = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=60, check=False)
        assert process.returncode in (0, -signal.SIGKILL)
        deaths += process.returncode == -signal.SIGKILL
        if Path(execution.run.path).exists() and any(Path(execution.run.path).iterdir()):
            assert Path(execution.run.plan).exists(), "a directory that nobody would know"
        assert watching.last(3) == log.entries[-3:]
        assert execution.reader().before(20_000, 1000) == log.entries[18_999:19_999]
    assert not Path(execution.run.path).exists()
    assert deaths > 10
    assert sum(lines for _, lines, _ in rows(execution)) == 30_101
    read: list[Entry] = []
    while page := execution.reader().after(len(read), 1000):
        read += page
    assert read == log.entries


REMOVES = """
import os, sys
from outlast.kernel.home import RunDirectory
from outlast.storage.logs.sealer import remove_run_directory
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
sys.exit(not remove_run_directory(RunDirectory(sys.argv[1])))
"""


def test_removing_takes_what_a_child_made_and_what_it_protected(execution: Execution, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o500)
    made = Path(execution.run.attempt("build", 1).path, "made")
    (made / "deep" / "locked").mkdir(parents=True)
    (made / "deep" / "locked" / "file").write_text("x")
    (made / "link").symlink_to(kept)
    Path(execution.run.path, "link").symlink_to(kept)
    Path(execution.run.secrets).write_text("{}")
    (made / "deep" / "locked").chmod(0o000)
    (made / "deep").chmod(0o500)
    if os.geteuid() == 0:  # to whom nothing is locked: somebody else must do it
        for folder, folders, files in os.walk(execution.home.root):
            for name in (".", *folders, *files):
                os.chown(Path(folder, name), 65534, 65534, follow_symlinks=False)
    subprocess.run([sys.executable, "-c", REMOVES, execution.run.path], timeout=60, check=True)
    assert not Path(execution.run.path).exists()
    assert kept.stat().st_mode & 0o777 == 0o500
    assert remove_run_directory(execution.run), "again is no error"


def test_several_may_remove_the_same_run_directory(execution: Execution) -> None:
    folder = Path(execution.run.attempt("build", 1).path)
    for n in range(300):
        (folder / str(n % 17) / str(n)).mkdir(parents=True)
    start = threading.Barrier(4)

    def remove(_: int) -> bool:
        start.wait(30)
        return remove_run_directory(execution.run)

    with ThreadPoolExecutor(4) as threads:
        assert any(threads.map(remove, range(4)))
    assert not Path(execution.run.path).exists()


def test_a_file_that_comes_while_a_run_directory_is_removed_is_removed_next_time(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    rmdir = Path.rmdir

    def somebody_locks(path: Path) -> None:
        monkeypatch.undo()
        Path(execution.run.seal_lock).touch()
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", somebody_locks)
    assert not remove_run_directory(execution.run)
    assert remove_run_directory(execution.run)
    assert not Path(execution.run.path).exists()


def test_sealing_where_nothing_is_left_does_nothing(execution: Execution) -> None:
    execution.settle()
    execution.seal()
    execution.remove()
    assert execution.seal() == Sealed(0, 0, False)
    assert not Path(execution.run.path).exists()


@pytest.mark.parametrize("when", ["before the files are opened", "before the spools are opened"])
def test_a_reader_loses_nothing_when_the_files_go_under_its_hands(
    execution: Execution, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    prints_lines(execution, 20)
    execution.close(OUT)
    execution.settle()
    log = printed(execution, MAX_LINE)
    reader = execution.reader()
    opened = walks.SpoolFiles.__init__

    def sealed_meanwhile(files: SpoolFiles, *arguments: object) -> None:
        monkeypatch.undo()
        if when == "before the spools are opened":
            opened(files, execution.run, list(STEPS))
        assert execution.seal().finished
        execution.remove()
        if when == "before the files are opened":
            opened(files, execution.run, list(STEPS))

    monkeypatch.setattr(walks.SpoolFiles, "__init__", sealed_meanwhile)
    assert reader.last(100) == log.entries
    assert reader.count() == (20, True)
