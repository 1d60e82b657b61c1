"""`list_execution_history`: which executions there are, page by page."""

import anyio
import pytest
from agents import Agent

from outlast.kernel.status import ExecutionStatus
from outlast.storage.records import Page, Summary
from outlast.tools.history import fitting
from outlast.tools.readable import LONGEST_REASON
from outlast.tools.results import MOST_BYTES, USUAL_BYTES
from outlast.tools.views import summary_view

ROW = {
    *("handle_id", "number", "workflow_id", "workflow_name", "status", "reason", "start_time", "end_time"),
    *("duration_seconds", "exit_code"),
}


@pytest.mark.requirement("S3-7")
async def test_a_listing_is_a_table_newest_first_with_the_true_total(agent: Agent) -> None:
    await agent.run("true")
    await agent.shell("exit 3")
    listed = await agent.call("list_execution_history")
    assert listed.data.keys() == {"executions", "total", "limit", "offset", "next_cursor"}
    assert all(row.keys() == ROW for row in listed.data["executions"])
    assert [(row["number"], row["status"], row["exit_code"]) for row in listed.data["executions"]] == [
        (2, "failed", 3),
        (1, "completed", 0),
    ]
    assert (listed.data["total"], listed.data["limit"], listed.data["offset"]) == (2, 10, 0)
    head, second, first = listed.text.splitlines()
    assert head == "2 of 2, newest first, times in UTC"
    assert second.startswith("2  command  failed (3)  20")
    assert second.endswith("exit code 3")
    assert first.startswith("1  command  completed   20")


async def test_pages_go_on_where_the_last_one_ended(modern: Agent) -> None:
    for _ in range(5):
        await modern.run("true")
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = await modern.call("list_execution_history", limit=2, **cursor)
        seen += [row["number"] for row in page.data["executions"]]
        assert page.data["total"] == 5
        if page.data["next_cursor"] is None:
            break
        assert f'more: cursor="{page.data["next_cursor"]}"' in page.text
        cursor = {"cursor": page.data["next_cursor"]}
    assert seen == [5, 4, 3, 2, 1]
    skipped = await modern.call("list_execution_history", limit=2, offset=3)
    assert [row["number"] for row in skipped.data["executions"]] == [2, 1]


@pytest.mark.requirement("S3-11")
async def test_executions_are_found_by_words(modern: Agent) -> None:
    await modern.shell("true", labels={"ticket": "OPS-7"})
    await modern.shell("exit 3", labels={"ticket": "OPS-8"})
    for text, numbers in {"ops": [2, 1], "OPS-8": [2], "exit code": [2], "sh OPS-7": [1], "nowhere": []}.items():
        listed = await modern.call("list_execution_history", text=text)
        assert [row["number"] for row in listed.data["executions"]] == numbers, text
        assert listed.data["total"] == len(numbers)
        assert "note" not in listed.data
    both = await modern.call("list_execution_history", text="ops", status="failed")
    assert [row["number"] for row in both.data["executions"]] == [2]
    first = await modern.call("list_execution_history", text="ops", limit=1)
    rest = await modern.call("list_execution_history", text="ops", cursor=first.data["next_cursor"])
    assert (first.data["total"], [row["number"] for row in rest.data["executions"]]) == (2, [1])


@pytest.mark.requirement("S3-11")
async def test_a_text_that_says_nothing_finds_nothing_and_that_is_said(modern: Agent) -> None:
    await modern.run("true")
    listed = await modern.call("list_execution_history", text="'\"* ?!")
    assert (listed.data["executions"], listed.data["total"]) == ([], 0)
    assert "has no letter or digit, so that no execution is found by it" in listed.text
    assert listed.data["note"].startswith("text: ")
    long = await modern.call("list_execution_history", text="x" * 301)
    assert long.is_error
    assert long.data["message"].startswith("text: it has 301 characters")


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"status": "failed"}, [2]),
        ({"agent": "reviewer"}, [1]),
        ({"customer": "acme"}, [2]),
        ({"label": "team=red"}, [1]),
        ({"user": "sam", "workflow_id": "command", "mode": "local-run"}, [2, 1]),
        ({"user": "nobody"}, []),
        ({"active": True}, []),
        ({"active": False}, [2, 1]),
        ({"since": "1h"}, [2, 1]),
        ({"until": "2020-01-01T00:00:00Z"}, []),
        ({"status": "failed", "agent": "reviewer"}, []),
    ],
)
async def test_everything_that_is_asked_for_must_hold(
    modern: Agent, wanted: dict[str, object], numbers: list[int]
) -> None:
    await modern.run("true", agent="reviewer", labels={"team": "red"})
    await modern.run("false", customer="acme", labels={"team": "blue"})
    listed = await modern.call("list_execution_history", **wanted)
    assert [row["number"] for row in listed.data["executions"]] == numbers
    assert listed.data["total"] == len(numbers)
    assert numbers or listed.text == "no execution matches"


async def test_a_page_that_is_too_large_for_one_reply_says_what_is_missing(modern: Agent) -> None:
    total = 200
    await modern.call("execute_workflow", workflow_id="command", params={"argv": ["/no/0/" + "x" * 150]})
    async with anyio.create_task_group() as group:
        for n in range(1, total):
            # Failing before anything is started makes them cheap.
            group.start_soon(
                lambda n=n: modern.call(
                    "execute_workflow", workflow_id="command", params={"argv": [f"/no/{n}/" + "x" * 150]}
                )
            )
    page = await modern.call("list_execution_history", limit=500)
    shown = len(page.data["executions"])
    assert MOST_BYTES / 2 < page.size <= MOST_BYTES
    assert (page.data["total"], page.data["omitted"]) == (total, total - shown)
    assert f"{total - shown} more rows were asked for" in page.text
    rest = await modern.call("list_execution_history", limit=500, cursor=page.data["next_cursor"])
    numbers = [row["number"] for row in page.data["executions"] + rest.data["executions"]]
    assert numbers == list(range(total, 0, -1))


async def test_reasons_of_any_length_do_not_empty_a_listing(modern: Agent) -> None:
    name = "/no/" + "x" * 60_000
    for _ in range(3):
        answer = await modern.call("execute_workflow", workflow_id="command", params={"argv": [name]})
        assert answer.size < USUAL_BYTES
        assert f"({len(name):,} characters)" in answer.data["reason"]
    assert (await modern.call("get_status", handle_id=1)).size < USUAL_BYTES
    listed = await modern.call("list_execution_history")
    assert [row["number"] for row in listed.data["executions"]] == [3, 2, 1]


def test_one_row_is_sent_however_large_it_is() -> None:
    row = Summary(
        id="0199aaaa-0000-7000-8000-000000000001",
        number=1,
        workflow_id="w",
        workflow_name="w" * 100_000,
        status=ExecutionStatus.FAILED,
        reason="r" * 60_000,
        created_at=1,
        started_at=1,
        ended_at=2,
        duration_us=1,
        exit_code=1,
    )
    assert len(str(summary_view(row)["reason"])) == LONGEST_REASON
    assert fitting(Page((row, row), 2, None, ()), USUAL_BYTES) == 1
