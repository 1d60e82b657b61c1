"""A real server whose database somebody moves, deletes or replaces, or whose home it may not write."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import pytest

from outlast.kernel.home import Home
from outlast.storage import maintenance
from outlast.storage.store import open_store
from server import servers
from server.servers import ENTRY, Session, session
from stored import hands_on
from waiting import until

pytestmark = pytest.mark.anyio

COMMAND = {"workflow_id": "command", "params": {"argv": ["/bin/true"]}}
CALLS = (
    ("get_status", {"handle_id": 1}),
    ("get_logs", {"handle_id": 1}),
    ("get_status", {"handle_id": 2}),
    ("get_logs", {"handle_id": 2}),
    ("cancel_execution", {"handle_id": 2}),
    ("list_execution_history", {}),
    ("execute_workflow", COMMAND),
)

UNPRIVILEGED = """
import importlib, os, pkgutil
import mcp.server.stdio
import outlast.server
# Who becomes somebody else may not be able to read them later.
for package in ("kernel", "storage", "definitions", "runtime", "tools", "server"):
    path = [f"{base}/{package}" for base in outlast.__path__]
    for module in pkgutil.iter_modules(path, f"outlast.{package}."):
        importlib.import_module(module.name)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""


async def begin(server: Session, gate: Path) -> None:
    """Execution 1 is over, execution 2 waits until `gate` is there."""
    assert await server.start("echo before") == 1
    await completed(server, 1, ["before"])
    assert await server.start(f"echo one; until [ -e {gate} ]; do sleep 0.01; done; echo two") == 2


async def completed(server: Session, number: int, lines: list[str]) -> None:
    status = await server.call("get_status", handle_id=number, wait_seconds=30)
    assert status.data["status"] == "completed", status.text
    logs = await server.call("get_logs", handle_id=number)
    assert [line["text"] for line in logs.data["lines"]] == lines


async def refused_anew(home: Home, tmp_path: Path) -> None:
    """A server that is started now finds the WAL of a database that is gone."""
    async with session(home, tmp_path) as server:
        for tool, arguments in CALLS:
            answer = await server.call(tool, **arguments)
            assert answer.data["code"] == "store_damaged", answer.text
            assert answer.data["next"].startswith("put the file back where it was; or outlast db restore PATH")


@pytest.mark.requirement("S3-14")
@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
async def test_a_database_that_is_moved_away_is_said_left_alone_and_gone_on_with_when_it_is_back(
    home: Home, tmp_path: Path, replaced: bool
) -> None:
    database, wal, aside = Path(home.database), Path(home.database + "-wal"), Path(home.root, "aside")
    async with session(home, tmp_path) as server:
        await begin(server, tmp_path / "go")
        runs = os.listdir(home.runs)
        over = Path(home.run(max(runs)).attempt("run", 1).exitcode)
        database.rename(aside)
        if replaced:
            shutil.copy(aside, database)  # opened, it would get what lies in the other one's WAL
        before = aside.read_bytes(), wal.read_bytes()
        for tool, arguments in CALLS:
            answer = await server.call(tool, **arguments)
            assert answer.is_error, tool
            assert answer.data["code"] == "store_unreachable", answer.text
            assert "is no longer the file that was opened; nothing was written to it" in answer.text
            assert answer.data["next"].startswith("put the file back where it was; or end what has it open")
            assert tool != "execute_workflow" or "handle_id" not in answer.data, "nothing was started"
        assert sorted(os.listdir(home.runs)) == sorted(runs)
        if not replaced:
            await refused_anew(home, tmp_path)
        (tmp_path / "go").touch()
        await until(over.exists)
        assert (aside.read_bytes(), wal.read_bytes()) == before
        assert database.exists() == replaced, "nobody makes a new one"
        # In its place again it has everything, and nobody has to be restarted.
        aside.replace(database)
        await completed(server, 2, ["one", "two"])
        assert await server.start("echo after") == 3
        await completed(server, 3, ["after"])


@pytest.mark.requirement("S3-14")
async def test_a_server_goes_on_with_a_backup_that_is_put_in_the_place_of_the_database(
    home: Home, tmp_path: Path
) -> None:
    async with session(home, tmp_path) as server:
        await begin(server, tmp_path)
        await completed(server, 2, ["one", "two"])
        async with open_store(home) as store:
            path = await maintenance.backup(store, None)
        await anyio.to_thread.run_sync(maintenance.set_aside, home, path)
        async with open_store(home) as store:
            await maintenance.restore(store, path)
        # Also the logs that this server has read before.
        await completed(server, 1, ["before"])
        await completed(server, 2, ["one", "two"])
        assert await server.start("echo after") == 3


@pytest.mark.requirement("S3-14")
async def test_a_home_that_may_not_be_written_is_said_with_what_to_do(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hands_on(home) as hands:
        hands.run()
    monkeypatch.setattr(servers, "SERVER", [sys.executable, "-c", UNPRIVILEGED + ENTRY])
    async with session(home, tmp_path) as server:
        allow(home, "a=rX")
        for tool, arguments in CALLS:
            answer = await server.call(tool, **arguments)
            assert answer.data["code"] == "store_unreachable", answer.text
            assert answer.data["next"] == "make the directory and the database writable for you"
        assert os.listdir(home.runs) == []
        allow(home, "a=rwX")
        listed = await server.call("list_execution_history")
        assert listed.data["total"] == 1, listed.text


def allow(home: Home, mode: str) -> None:
    subprocess.run(["chmod", "-R", mode, home.root], check=True)
