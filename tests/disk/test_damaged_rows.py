"""Bits that flip in the database under a real server: it says which execution has lost what, and answers the others."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from server.servers import Session, session

pytestmark = pytest.mark.anyio

ROW, PARAMETER, LINES, SOUND = 1, 2, 3, 4
"""The executions, by what is damaged of them."""
WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_status", {}),
    ("get_status", {"response_format": "detailed"}),
    ("get_logs", {}),
    ("get_logs", {"pattern": "line"}),
)


async def asked(server: Session, number: int) -> list[Any]:
    """What the server says about an execution: structured contents, of errors too."""
    return [(await server.call(tool, handle_id=number, **arguments)).data for tool, arguments in WAYS]


@pytest.mark.requirement("S3-14")
async def test_a_flipped_bit_is_named_by_the_server_and_costs_only_what_it_hit(home: Home, tmp_path: Path) -> None:
    async with session(home, tmp_path) as server:
        for number in (ROW, PARAMETER, LINES, SOUND):
            assert await server.start(f"echo line of {number}") == number
        for number in (ROW, PARAMETER, LINES, SOUND):
            await server.call("get_status", handle_id=number, wait_seconds=30)
        async with open_runtime(Options(home=home, trigger="cli")) as runtime:
            await runtime.seal_all()
        sound = {number: await asked(server, number) for number in (PARAMETER, LINES, SOUND)}
        with closing(sqlite3.connect(home.database, isolation_level=None, timeout=30)) as raw:
            flip(raw)
        row, detailed, logs, found = await asked(server, ROW)
        for answer in (row, detailed, logs, found):
            assert answer["code"] == "store_damaged"
            assert answer["message"].startswith("#1: its row in the database is damaged (checksum mismatch)")
            assert answer["next"] == "outlast db check, then outlast db restore"
        row, detailed, logs, found = await asked(server, PARAMETER)
        assert [row, logs, found] == [sound[PARAMETER][0], *sound[PARAMETER][2:]]
        assert detailed["code"] == "store_damaged"
        assert detailed["message"].startswith("#2: parameter 'argv' in the database is damaged (checksum mismatch)")
        row, detailed, logs, found = await asked(server, LINES)
        assert [row, detailed] == sound[LINES][:2]
        for answer in (logs, found):
            [gap] = answer["lines"]
            assert (gap["n"], gap["type"]) == (1, "gap")
            assert "Lines 1 to 1 are damaged in the database (checksum mismatch)" in gap["text"]
        assert await asked(server, SOUND) == sound[SOUND]
        listed = (await server.call("list_execution_history")).data
        assert [one["number"] for one in listed["executions"]] == [SOUND, LINES, PARAMETER]
        assert (listed["damaged"], listed["total"]) == ([ROW], 4)


def flip(raw: sqlite3.Connection) -> None:
    """Flip bits past every rule of the schema, as a disk does."""
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.execute("BEGIN IMMEDIATE")
    raw.execute("DROP TRIGGER executions_settled")
    raw.execute("UPDATE executions SET exit_code = exit_code | 1 WHERE number = ?", (ROW,))
    raw.execute("UPDATE params SET value = replace(value, 'line', 'mine') WHERE execution = ?", (PARAMETER,))
    (data,) = raw.execute("SELECT data FROM log_blocks WHERE execution = ?", (LINES,)).fetchone()
    raw.execute("UPDATE log_blocks SET data = ? WHERE execution = ?", (bytes([data[0] ^ 1]) + data[1:], LINES))
    raw.execute("COMMIT")
