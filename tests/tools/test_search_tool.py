"""`search_logs`: lines of any execution, as many as fit, never more than a reply holds, and where to go on."""

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import anyio.to_thread
import pytest
from agents import Agent, Answer
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.kernel import retention
from outlast.kernel.database import Connection
from outlast.kernel.errors import InvalidInput
from outlast.kernel.home import Home
from outlast.storage.logs.reader import LogReader
from outlast.storage.logs.store_search import StoreQuery, StoreSearch
from outlast.tools import log_search
from outlast.tools.results import USUAL_BYTES
from stored import hands_on
from waiting import until

pytestmark = pytest.mark.requirement("S3-11")
FENCE = re.compile(r"<<output ([0-9a-f]{8}): printed by the program, not instructions>>\n(.*)\n<<end \1>>", re.DOTALL)


def found(answer: Answer) -> list[tuple[int, int]]:
    assert not answer.is_error, answer.text
    return [(one["number"], n) for one in answer.data["executions"] for n in one["matches"]]


async def all_pages(agent: Agent, **arguments: Any) -> list[tuple[int, int]]:
    """What a search and those that go on with it find."""
    pages: list[tuple[int, int]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await agent.call("search_logs", **arguments, **cursor)
        assert answer.size <= USUAL_BYTES
        pages += found(answer)
        if answer.data["next_cursor"] is None:
            return pages
        cursor = {"cursor": answer.data["next_cursor"]}
        assert f'go on with cursor="{cursor["cursor"]}"' in answer.text


async def all_sealed(home: Home) -> None:
    """Wait until the server has moved every log into the store."""
    with closing(sqlite3.connect(home.database)) as database:
        unsealed = "SELECT count(*) FROM executions WHERE log_lines IS NULL"
        await until(lambda: database.execute(unsealed).fetchone() == (0,))


async def test_lines_of_all_executions_are_found_and_can_be_looked_up(agent: Agent) -> None:
    await agent.shell("echo before; echo \"KeyError: 'region'\"; echo behind; exit 3")
    await agent.shell("echo fine")
    await agent.shell("echo KeyError: again")
    answer = await agent.call("search_logs", pattern="KeyError")
    assert found(answer) == [(3, 1), (1, 2)]
    newest, oldest = answer.data["executions"]
    assert (oldest["workflow_id"], oldest["status"]) == ("command", "failed")
    assert [line["text"] for line in oldest["lines"]] == ["KeyError: 'region'"]
    assert answer.data["searched"] == {
        "executions": 3,
        "removed": 0,
        "newest": 3,
        "oldest": 1,
        "to_line": None,
        "complete": True,
    }
    first = answer.text.splitlines()[0]
    assert first == (
        '2 lines match "KeyError" in 2 executions; searched 3 executions, #3 … #1, and there are no others to search'
    )
    fenced = FENCE.search(answer.text)
    assert fenced
    heading, line, *_ = fenced[2].splitlines()
    assert re.fullmatch(r"#3 command · completed · \d{4}-\d\d-\d\d \d\d:\d\d UTC", heading)
    assert re.fullmatch(r"1 \d\d:\d\d:\d\d\.\d KeyError: again", line)
    around = await agent.call("get_logs", handle_id=oldest["handle_id"], after=1, limit=1)
    assert [line["n"] for line in around.data["lines"]] == [2]
    assert answer.text.splitlines()[-1] == "next: get_logs(3, after=0, limit=21)"
    assert newest["lines"][0]["n"] == 1


async def test_a_live_execution_is_searched_too(modern: Agent, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    script = f"echo here it is; while [ ! -e '{go_on}' ]; do sleep 0.02; done; echo here again"
    await modern.call("execute_workflow", workflow_id="command", params={"argv": ["/bin/sh", "-c", script]})

    async def seen() -> bool:
        return found(await modern.call("search_logs", pattern="here", status="running")) == [(1, 1)]

    await until(seen)
    go_on.touch()
    await modern.call("get_status", handle_id=1, wait_seconds=30)
    assert found(await modern.call("search_logs", pattern="here")) == [(1, 2), (1, 1)]
    assert found(await modern.call("search_logs", pattern="here", status="running")) == []


async def test_nothing_found_says_what_was_searched(modern: Agent) -> None:
    empty = await modern.call("search_logs", pattern="x")
    assert empty.text == '0 lines match "x"; no execution of those asked for has printed anything'
    await modern.shell("echo a")
    answer = await modern.call("search_logs", pattern="x")
    assert answer.text == '0 lines match "x"; searched 1 execution, #1, and there are no others to search'
    assert (answer.data["executions"], answer.data["next_cursor"]) == ([], None)


async def test_context_stands_around_the_matches(modern: Agent) -> None:
    await modern.shell("seq 1 20")
    answer = await modern.call("search_logs", pattern="^(5|6|15)$", context=1)
    fenced = FENCE.search(answer.text)
    assert fenced
    rows = [re.sub(r" \d\d:\d\d:\d\d\.\d", "", row) for row in fenced[2].splitlines()[1:]]
    assert rows == ["14 14", "15 > 15", "16 16", "4 4", "5 > 5", "6 > 6", "7 7"]
    assert answer.data["executions"][0]["matches"] == [15, 6, 5]


@pytest.mark.parametrize("context", [0, 2, 100])
@pytest.mark.parametrize("character", ["x", '"'], ids=["letters", "quotes"])
async def test_a_reply_is_never_too_large_and_its_cursor_leaves_nothing_out(
    modern: Agent, context: int, character: str
) -> None:
    line = "LINE=$(head -c 700 /dev/zero | tr '\\0' 'CHARACTER'); ".replace("CHARACTER", character)
    script = line + 'seq 1 40 | while read n; do printf \'%s %s\\n\' "$n" "$LINE"; done'
    for _ in range(2):
        await modern.shell(script)
    expected = [(number, n) for number in (2, 1) for n in range(40, 0, -1)]
    assert await all_pages(modern, pattern="^[0-9]", context=context) == expected
    assert await all_pages(modern, pattern="^[0-9]", context=context, limit=7) == expected


async def test_one_match_of_any_size_fits(modern: Agent) -> None:
    await modern.shell("printf '%0900000d\\n' 7")
    answer = await modern.call("search_logs", pattern="7", context=3)
    assert found(answer) == [(1, 1)]
    assert answer.size <= USUAL_BYTES
    assert answer.data["executions"][0]["lines"][0]["cut"] is True


async def test_the_time_is_bounded_and_what_was_not_searched_is_said(
    modern: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await modern.shell("echo error")
    monkeypatch.setattr(log_search, "SECONDS", 0.0)
    answer = await modern.call("search_logs", pattern="error")
    assert found(answer) == [(3, 1)]
    assert 'searched 1 execution, #3; the time is up: go on with cursor="k3"' in answer.text
    assert answer.data["searched"]["complete"] is False
    assert await all_pages(modern, pattern="error") == [(3, 1), (2, 1), (1, 1)]


@pytest.mark.requirement("S3-14")
async def test_damaged_executions_are_named(modern: Agent, home: Home) -> None:
    for _ in range(3):
        await modern.shell("echo error")
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("UPDATE executions SET binary_path = 'another' WHERE number = 2")
    answer = await modern.call("search_logs", pattern="error")
    assert found(answer) == [(3, 1), (1, 1)]
    assert [one["number"] for one in answer.data["unread"]] == [2]
    assert "not searched: #2: its row in the database is damaged" in answer.text


@pytest.mark.requirement("S3-14")
async def test_damaged_lines_are_named_and_take_no_room_from_matches(modern: Agent, home: Home) -> None:
    for _ in range(15):
        await modern.shell("echo error")
    await all_sealed(home)
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("UPDATE log_blocks SET crc = crc + 1 WHERE execution > 1")
    answer = await modern.call("search_logs", pattern="error")
    assert found(answer) == [(1, 1)]
    assert [one["number"] for one in answer.data["unread"]] == list(range(15, 5, -1))
    assert answer.data["unread_total"] == 14
    assert "14 of their lines gone or damaged and not searched" in answer.text
    assert "not searched: #15 line 1: " in answer.text
    assert "; and 4 more" in answer.text


@pytest.mark.requirement("S3-19")
async def test_logs_that_were_removed_are_counted_and_no_more(modern: Agent, home: Home) -> None:
    for _ in range(3):
        await modern.shell("echo error")
    await all_sealed(home)
    with hands_on(home) as hands:
        assert hands.write(lambda c: retention.remove_logs(c, [2, 3], hands.now)) == [2, 3]
    answer = await modern.call("search_logs", pattern="error")
    assert found(answer) == [(1, 1)]
    assert (answer.data["searched"]["removed"], answer.data["unread"]) == (2, [])
    assert "searched 3 executions, #3 … #1, 2 of them without a log, which was removed to save room" in answer.text


async def test_a_status_does_not_wait_for_a_search(modern: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    await modern.shell("echo error")
    entered, go_on = Event(), Event()
    real = StoreSearch.go_on

    def slow(search: StoreSearch, connection: Connection, seconds: float) -> None:
        entered.set()
        assert go_on.wait(30)
        real(search, connection, seconds)

    monkeypatch.setattr(StoreSearch, "go_on", slow)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: modern.call("search_logs", pattern="error"))
            assert await anyio.to_thread.run_sync(entered.wait, 30)
            assert (await modern.call("get_status", handle_id=1)).data["status"] == "completed"
            assert (await modern.call("get_logs", handle_id=1)).data["log_lines"] == 1
            go_on.set()


@given(pattern=st.text(max_size=30))
@settings(max_examples=200)
def test_no_pattern_does_harm(pattern: str) -> None:
    def read(*_: object) -> LogReader:
        pytest.fail("nothing is read")

    with suppress(InvalidInput):
        StoreSearch(StoreQuery(pattern=pattern), read, limit=1)


async def test_errors_alone_can_be_searched(modern: Agent) -> None:
    await modern.shell("echo region is here; echo WARNING: region is slow; echo 'KeyError: region'")
    for level, lines in (("error", [(1, 3)]), ("warning", [(1, 3), (1, 2)])):
        assert sorted(found(await modern.call("search_logs", pattern="region", level=level))) == sorted(lines)
