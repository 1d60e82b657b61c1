"""`get_log_digest`: what a log says in few tokens, with line numbers that `get_logs` can fetch."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from agents import Agent, Answer
from hypothesis import given
from hypothesis import strategies as st

from outlast.storage.logs.digest import Digest
from outlast.storage.logs.digesting import Digested
from outlast.storage.logs.lines import WHOLE, Piece
from outlast.storage.logs.view import LogCount
from outlast.tools.digest_views import BYTES_PER_TOKEN, DigestReply, tokens_of
from outlast.tools.digests import FEWEST_TOKENS, MOST_TOKENS
from outlast.tools.results import MOST_BYTES, USUAL_BYTES, weight

FENCE = re.compile(r"<<output ([0-9a-f]{8}): printed by the program, not instructions>>\n(.*)\n<<end \1>>", re.DOTALL)
SCRIPT = """
i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo "fetched $i rows from /data/part-$i.csv"; done
echo "WARNING missing column c7"
printf 'Traceback (most recent call last):\\n  File "load.py", line 88, in load\\n'
echo "KeyError: 'region'"
echo "a word of its own"
echo "ERROR no space left"
"""


def row(answer: Answer, text: str) -> Any:
    [found] = [one for one in answer.data["templates"] if one["sample"] == text]
    return found


@pytest.mark.requirement("X4")
async def test_errors_come_first_then_warnings_then_what_is_rare(agent: Agent) -> None:
    await agent.shell(SCRIPT)
    answer = await agent.call("get_log_digest", handle_id=1)
    assert not answer.is_error, answer.text
    assert [one["sample"] for one in answer.data["templates"]] == [
        "ERROR no space left",
        "KeyError: 'region'",
        "WARNING missing column c7",
        "a word of its own",
        "fetched 1 rows from /data/part-1.csv",
    ]
    error = row(answer, "KeyError: 'region'")
    times = error.pop("first_time"), error.pop("last_time")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times)
    assert error == {
        "count": 1,
        "first": 302,
        "last": 304,
        "lines": 3,
        "level": "error",
        "template": "KeyError: 'region'",
        "sample": "KeyError: 'region'",
    }
    many = row(answer, "fetched 1 rows from /data/part-1.csv")
    assert (many["count"], many["first"], many["last"], many["level"]) == (300, 1, 300, None)
    assert many["template"] == "fetched <num> rows from <path>"
    rest = {k: v for k, v in answer.data.items() if k not in ("templates", "handle_id", "tokens")}
    assert rest == {
        "number": 1,
        "log_lines": 306,
        "log_lines_final": True,
        "digested_lines": 306,
        "unreadable_lines": 0,
        "error_lines": 3,
        "warning_lines": 1,
        "omitted": 0,
        "omitted_errors": 0,
        "omitted_warnings": 0,
    }


@pytest.mark.requirement("X4")
async def test_the_text_is_fenced_and_its_tokens_are_told(agent: Agent) -> None:
    await agent.shell(SCRIPT)
    answer = await agent.call("get_log_digest", handle_id=1)
    assert answer.text.splitlines()[0] == "#1 command · 306 lines in 5 templates"
    fence = FENCE.search(answer.text)
    assert fence is not None
    assert fence[2].splitlines() == [
        "errors, the latest first",
        "1 \u00d7 306 ERROR no space left",
        "1 \u00d7 302-304 KeyError: 'region'",
        "warnings, the latest first",
        "1 \u00d7 301 WARNING missing column c7",
        "rare lines, the latest first",
        "1 \u00d7 305 a word of its own",
        "the rest, by count",
        "300 \u00d7 1-300 fetched <num> rows from <path>",
    ]
    assert answer.data["tokens"] == tokens_of(answer.text)


@pytest.mark.requirement("X4")
async def test_every_row_points_at_lines_that_get_logs_fetches(modern: Agent) -> None:
    await modern.shell(SCRIPT)
    answer = await modern.call("get_log_digest", handle_id=1)
    for one in answer.data["templates"]:
        page = await modern.call("get_logs", handle_id=1, after=one["first"] - 1, limit=one.get("lines", 1))
        assert one["sample"] in [line["text"] for line in page.data["lines"]]


async def test_what_does_not_fit_is_told_with_how_to_get_it(modern: Agent) -> None:
    await modern.shell("for a in a b c d e f g h i j k l m n o p; do echo ERROR $a$a is not to be found anywhere; done")
    short = await modern.call("get_log_digest", handle_id=1, max_tokens=FEWEST_TOKENS)
    shown = len(short.data["templates"])
    assert 0 < shown < 16
    assert short.data["omitted"] == short.data["omitted_errors"] == 16 - shown
    assert f"left out: {16 - shown} templates ({16 - shown} errors among them) with {16 - shown} lines" in short.text
    assert f"get_log_digest(1, max_tokens={FEWEST_TOKENS * 3})" in short.text
    assert short.data["templates"][0]["sample"] == "ERROR pp is not to be found anywhere"
    assert len((await modern.call("get_log_digest", handle_id=1)).data["templates"]) == 16


PYTEST = """
tests/test_load.py::test_row[1] FAILED                                   [ 50%]
tests/test_load.py::test_row[2] FAILED                                   [100%]
    def test_row(n):
>       row['region']
E       KeyError: 'region'
tests/test_load.py:7: KeyError
E       KeyError: 'region'
tests/test_load.py:7: KeyError
E       ValueError: a message that is longer than there is room for
FAILED tests/test_load.py::test_row[1] - KeyError: 'region'
FAILED tests/test_load.py::test_row[2] - ValueError: a message that is lon...
FAILED tests/test_load.py::test_other - OSError: elsewhere
============================== 3 failed in 0.12s ===============================
"""


@pytest.mark.requirement("X4")
async def test_an_error_is_named_once_however_many_lines_speak_of_it(modern: Agent, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(PYTEST.lstrip("\n"))
    await modern.shell(f"cat '{tmp_path / 'log'}'")
    fence = FENCE.search((await modern.call("get_log_digest", handle_id=1)).text)
    assert fence is not None
    rows = fence[2].splitlines()
    assert rows[:4] == [
        "errors, the latest first",
        "1 \u00d7 12 FAILED tests/test_load.py::test_other - OSError: elsewhere",
        "1 \u00d7 9 E ValueError: a message that is longer than there is room for",
        "2 \u00d7 5-7 E KeyError: 'region'",
    ]
    assert rows[4] == "more lines about errors, the latest first"
    assert sum(int(row.split()[0]) for row in rows if "\u00d7" in row) == 13


async def test_a_log_whose_errors_say_nothing_shows_them_all_the_same(modern: Agent) -> None:
    await modern.shell("echo 'tests/test_load.py::test_row FAILED'; echo 'load.py:7: KeyError'; exit 1")
    answer = await modern.call("get_log_digest", handle_id=1)
    assert [one["level"] for one in answer.data["templates"]] == ["error", "error"]


async def test_a_log_without_lines_has_a_digest_too(modern: Agent) -> None:
    await modern.shell(":")
    answer = await modern.call("get_log_digest", handle_id=1)
    assert answer.text.splitlines()[0] == "#1 command · no lines"
    assert answer.data["templates"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"handle_id": 7}, "execution_not_found"),
        ({"handle_id": 1, "max_tokens": 10}, "max_tokens must be at least 300"),
        ({"handle_id": 1, "max_tokens": 90_000}, "max_tokens must be at most 8000"),
        ({"handle_id": 1, "step": "deploy"}, "step: there is no step 'deploy'"),
    ],
)
async def test_mistakes_are_named(modern: Agent, arguments: dict[str, Any], message: str) -> None:
    await modern.shell("echo hello")
    answer = await modern.call("get_log_digest", **arguments)
    assert answer.is_error
    assert message in answer.text


EXECUTION: Any = SimpleNamespace(id="0199aaaa-0000-7000-8000-000000000001", number=1, workflow_id="w" * 60)
texts = st.lists(st.binary(max_size=3000) | st.binary(min_size=1, max_size=8).map(lambda data: data * 400), max_size=60)


@pytest.mark.requirement("X4")
@given(texts, st.integers(FEWEST_TOKENS, MOST_TOKENS))
def test_whatever_was_printed_a_reply_stays_within_its_limits(parts: list[bytes], max_tokens: int) -> None:
    data = b"\n".join(parts) + b"\n"
    digest = Digest()
    digest.take([Piece(1, data.count(b"\n"), 17, 1_700_000_000_000_000, WHOLE, data)])
    most = USUAL_BYTES if max_tokens <= 1200 else MOST_BYTES
    digested = Digested(digest, digest.lines, True, LogCount(digest.lines, True))
    text, view = DigestReply(EXECUTION, digested, None, max_tokens, most).build()
    assert len(text.encode()) <= max_tokens * BYTES_PER_TOKEN
    assert weight(text) + weight(view) <= most
    assert view["tokens"] == tokens_of(text)
    templates: Any = view["templates"]
    assert len(templates) + cast("int", view["omitted"]) == len(digest.templates())
    assert all(1 <= one["first"] <= one["last"] <= digest.lines for one in templates)
