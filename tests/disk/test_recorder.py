"""The recorder sees what programs do below its root, in order, with the bytes, and nothing else."""

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from disk.recording import Kind, Operation, read, watched
from disk.replay import Disk

PYTHON = """
import os, subprocess
os.mkdir("sub")
with open("sub/file", "wb") as file:
    file.write(b"abc")
fd = os.open("sub/file", os.O_RDWR)
os.pwrite(fd, b"X", 1)
os.ftruncate(fd, 2)
os.fsync(fd)
os.rename("sub/file", "sub/new")
os.link("sub/new", "sub/other")
os.unlink("sub/new")
fd = os.open("sub", os.O_RDONLY)
os.fsync(fd)
os.unlink("other", dir_fd=fd)
os.rmdir("sub")
open("/dev/null", "wb").write(b"not below the root")
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "echo one > out; echo two >> out; exec 2>> out; echo three >&2"], {})
os.waitpid(pid, 0)
"""
SQLITE = """
import os, sqlite3
connection = sqlite3.connect("x.db", isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = FULL")
connection.execute("CREATE TABLE t(v)")
for i in range(20):
    connection.execute("INSERT INTO t VALUES (?)", (i,))
os._exit(0)
"""


def record(shim: Path, root: Path, code: str, *, aside: Path) -> list[Operation]:
    root.mkdir()
    subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=os.environ | watched(shim, str(root), aside), check=True, timeout=60
    )
    return read(aside)


def test_every_kind_of_operation_is_recorded_in_order(shim: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    found = record(shim, root, PYTHON, aside=tmp_path / "record")
    seen = [
        (one.kind, one.path.removeprefix(f"{root}/"), one.second.removeprefix(f"{root}/"), one.offset, one.data)
        for one in found
    ]
    assert seen == [
        (Kind.MKDIR, "sub", "", 0, b""),
        (Kind.CREATE, "sub/file", "", 0, b""),
        (Kind.WRITE, "sub/file", "", 0, b"abc"),
        (Kind.WRITE, "sub/file", "", 1, b"X"),
        (Kind.TRUNCATE, "sub/file", "", 2, b""),
        (Kind.SYNC, "sub/file", "", 0, b""),
        (Kind.RENAME, "sub/file", "sub/new", 0, b""),
        (Kind.LINK, "sub/new", "sub/other", 0, b""),
        (Kind.UNLINK, "sub/new", "", 0, b""),
        (Kind.SYNC, "sub", "", 0, b""),
        (Kind.UNLINK, "sub/other", "", 0, b""),
        (Kind.UNLINK, "sub", "", 0, b""),
        # By a child that was given an empty environment, also through a descriptor that it has duplicated.
        (Kind.CREATE, "out", "", 0, b""),
        (Kind.WRITE, "out", "", 0, b"one\n"),
        (Kind.WRITE, "out", "", 4, b"two\n"),
        (Kind.WRITE, "out", "", 8, b"three\n"),
    ]


def test_the_replay_of_all_of_a_record_is_what_lies_there(shim: Path, tmp_path: Path) -> None:
    root, image = tmp_path / "root", tmp_path / "image"
    disk = Disk(str(root))
    disk.feed(record(shim, root, SQLITE, aside=tmp_path / "record"))
    image.mkdir()
    # Everything was committed: what a cut leaves is what there is.
    disk.image(image, "nothing", random.Random(1))
    for name in ("x.db", "x.db-wal"):
        assert (image / name).read_bytes() == (root / name).read_bytes(), name
    with closing(sqlite3.connect(image / "x.db")) as connection:
        assert [v for (v,) in connection.execute("SELECT v FROM t")] == list(range(20))
