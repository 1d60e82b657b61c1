"""A real server, a supervisor and a command on a disk that fails and comes back: nobody has to be restarted."""

import errno
from pathlib import Path

import pytest

from disk.failing import FULL, FailingDisk
from disk.recording import Kind
from outlast.kernel.home import Home
from server.servers import session
from waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("S3-14")
@pytest.mark.parametrize(
    ("error", "kinds", "part", "code", "advice"),
    [
        (errno.ENOSPC, FULL, "", "store_full", "free some disk space"),
        (errno.EIO, [Kind.SYNC], "/runs/", "store_error", "look at the disk"),
        (errno.EIO, [Kind.SYNC], "executions.db", "store_error", "look at the disk"),
        (errno.EROFS, [*FULL, Kind.SYNC], "", "store_unreachable", "make the directory and the database writable"),
    ],
)
async def test_a_start_that_the_disk_refuses_is_an_error_and_no_execution(
    home: Home, disk: FailingDisk, tmp_path: Path, error: int, kinds: list[Kind], part: str, code: str, advice: str
) -> None:
    async with session(home, tmp_path) as server:
        number = await server.start("echo before")
        assert (await server.call("get_status", handle_id=number, wait_seconds=45)).data["status"] == "completed"
        disk.fail(error, kinds, part=part)
        command = {"workflow_id": "command", "params": {"argv": ["/bin/true"]}}
        answer = await server.call("execute_workflow", **command)
        assert answer.is_error
        assert answer.data["code"] == code, answer.text
        assert advice in answer.data["next"]
        # Where not even a refusal can be made durable nobody can know what a crash would bring back.
        assert ("handle_id" in answer.data) == (part == "executions.db")
        # Reading goes on.
        history = await server.call("list_execution_history")
        assert [one["number"] for one in history.data["executions"]] == [number]
        disk.mend()
        number = await server.start("echo after")
        status = await server.call("get_status", handle_id=number, wait_seconds=45)
        assert (status.data["status"], status.data["exit_code"]) == ("completed", 0)
        assert (await server.call("list_execution_history")).data["total"] == 2


@pytest.mark.requirement("S3-6", "S3-14")
@pytest.mark.parametrize(
    ("error", "kinds", "part"),
    [
        (errno.EIO, [Kind.SYNC], "/marks"),
        (errno.ENOSPC, FULL, "/outcome.json"),
        (errno.EIO, [Kind.SYNC], "executions.db"),
    ],
)
async def test_a_supervisor_says_nothing_before_it_is_durable_and_goes_on_when_the_disk_is_back(
    home: Home, disk: FailingDisk, tmp_path: Path, error: int, kinds: list[Kind], part: str
) -> None:
    async with session(home, tmp_path) as server:
        number = await server.start(f"echo one; until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo two; exit 3")
        disk.fail(error, kinds, part=part)
        (tmp_path / "go").touch()
        await until(lambda: disk.failed > 1, 15)
        status = await server.call("get_status", handle_id=number)
        assert status.data["status"] == "running"
        disk.mend()
        status = await server.call("get_status", handle_id=number, wait_seconds=45)
        assert (status.data["status"], status.data["exit_code"]) == ("failed", 3)
        logs = await server.call("get_logs", handle_id=number)
        assert [line["text"] for line in logs.data["lines"]] == ["one", "two"]
