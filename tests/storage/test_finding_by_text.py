"""Executions are found by words of theirs, whatever was typed; the index of words is always that of the rows."""

import re
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlast.kernel import claims, executions, texts
from outlast.kernel.errors import InvalidInput, StoreError
from outlast.kernel.home import Home
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Outcome
from outlast.storage.examining import examine as doctors_look
from outlast.storage.history import Filter, page
from outlast.storage.maintenance import examine
from outlast.storage.mending import may_be_of_an_index, rebuild_indexes
from outlast.storage.words import LONGEST_TEXT, match_of, says_something
from stored import FAILED, Hands, hands_on, plan_of, quick_home, record_of

pytestmark = pytest.mark.requirement("S3-11")
REGION = Outcome(ExecutionStatus.FAILED, "exit code 1: KeyError: 'region' in load.py:88", exit_code=1)


def found(hands: Hands, text: str, **fields: Any) -> list[int]:
    listed = hands.read(lambda c: page(c, Filter(text=text, **fields), limit=500))
    numbers = [summary.number for summary in listed.executions]
    assert listed.total == len(numbers)
    return numbers


def sound(hands: Hands) -> bool:
    return [*hands.read(lambda c: [*texts.problems(c)])] == []


@pytest.mark.parametrize(
    "text",
    [
        "nightly",
        "nightly-data",
        "Nightly-Data",
        "KeyError",
        "KeyError: 'region'",
        "keyerror region",
        "region KeyError",
        "load.py",
        "load.py:88",
        "/srv/data/part-7.csv",
        "data/part",
        "part-7",
        "eu-west-1",
        "0198c1f2-7f31",
        "outlast.kernel.home",
        "missing_column",
        "missing_col",
        "42",
        "0.25",
        "Zürich",
        "zurich",
        "ZÜR",
        "team blue",
        "team=blue",
        "日本",
        "nested value",
        '"region"',
        "region !",
        "- region",
    ],
)
def test_an_execution_is_found_by_what_people_remember_of_it(hands: Hands, text: str) -> None:
    params = {
        "path": "/srv/data/part-7.csv",
        "region": "eu-west-1",
        "id": "0198c1f2-7f31-7000-8000-000000000000",
        "module": "outlast.kernel.home",
        "columns": ["missing_column", {"deep": "nested value"}],
        "count": 42,
        "ratio": 0.25,
        "place": "Zürich 日本",
    }
    plan = plan_of(at=hands.tick(), workflow_id="nightly-data", params=params, labels={"team": "blue"})
    number = hands.run(REGION, plan)
    hands.run(FAILED, plan_of(at=hands.tick(), params={"path": "/srv/other"}, labels={"crew": "red"}))
    assert found(hands, text) == [number]


@pytest.mark.parametrize("text", ["west", "nothing", "KeyErrors", "egion", "blue team x", "part-8", "deep"])
def test_what_is_not_there_is_not_found(hands: Hands, text: str) -> None:
    params = {"path": "/srv/part-7.csv", "columns": {"deep": "value"}}
    hands.run(REGION, plan_of(at=hands.tick(), params=params, labels={"team": "blue"}))
    assert found(hands, text) == []


@pytest.mark.requirement("S4-15")
def test_secrets_are_not_found(hands: Hands) -> None:
    plan = plan_of(at=hands.tick(), params={"token": "***", "other": "seen"})._replace(secret_params=["token"])
    number = hands.create(plan).number
    assert found(hands, "seen") == [number]
    assert hands.rows("SELECT params FROM execution_texts") == [("seen",)]


def test_why_it_ended_is_found_and_that_it_completed_is_not(hands: Hands) -> None:
    failed, completed = hands.run(REGION), hands.run()
    assert found(hands, "exit code") == [failed]
    assert found(hands, "report") == [completed, failed]


def test_text_works_together_with_other_filters_and_pages(hands: Hands) -> None:
    numbers = [
        hands.run(REGION if n % 2 else FAILED, plan_of(at=hands.tick(), user=("ada", "bob")[n % 3 == 0]))
        for n in range(1, 13)
    ]
    wanted = Filter(text="region", user="ada", status=ExecutionStatus.FAILED)
    expected = [n for n in reversed(numbers) if n % 2 and n % 3]
    pages: list[int] = []
    cursor = None
    while True:
        part = hands.read(lambda c, cursor=cursor: page(c, wanted, limit=2, cursor=cursor))
        assert part.total == len(expected)
        pages += [summary.number for summary in part.executions]
        cursor = part.next_cursor
        if cursor is None:
            break
    assert pages == expected
    offset = hands.read(lambda c: page(c, wanted, limit=2, offset=2))
    assert [summary.number for summary in offset.executions] == expected[2:4]
    assert found(hands, "region", workflow_id="unknown") == []


def test_the_index_follows_whatever_becomes_of_an_execution(hands: Hands) -> None:
    hands.limit(20)
    assert found(hands, "report") == []
    failed = hands.run(REGION)
    hands.run()
    lost = hands.create().number
    hands.begin(lost)
    hands.write(lambda c: executions.lose(c, lost, "its directory vanished", hands.tick()))
    hands.limit(1)
    running = hands.create().number
    waiting = hands.create().number
    hands.write(lambda c: executions.cancel(c, waiting, "grace", hands.tick()))
    again = hands.create(plan_of(at=hands.tick(), workflow_id="again")).number
    hands.write(lambda c: executions.cancel(c, again, "grace", hands.tick()))
    for _ in range(claims.MAX_CLAIMS):
        (seen,) = hands.connection.execute("SELECT claimed_at FROM executions WHERE number = ?", (running,)).fetchone()
        hands.write(lambda c, seen=seen: claims.reclaim(c, running, seen, hands.tick()))
    assert hands.statuses()[running] == "failed"
    told = record_of(ExecutionStatus.FAILED, at=hands.tick(), params={"bucket": "raw"}, labels={"team": "red"})
    step = told.steps[0]._replace(error="OutOfMemory in stage 7")
    recorded = hands.record(told._replace(steps=(step,)))
    assert found(hands, "vanished") == [lost]
    assert found(hands, "never started") == [running]
    assert found(hands, "grace") == [again, waiting]
    assert found(hands, "OutOfMemory raw red told") == [recorded]
    assert sound(hands)
    hands.write(lambda c: executions.delete(c, failed))
    hands.write(lambda c: executions.delete(c, recorded))
    assert found(hands, "KeyError") == found(hands, "OutOfMemory") == []
    assert sound(hands)
    assert hands.rows("SELECT count(*) FROM execution_texts") == hands.rows("SELECT count(*) FROM executions")


def test_an_execution_that_is_put_back_is_found_again(hands: Hands) -> None:
    plan = plan_of(at=hands.tick(), params={"path": "/srv/data"})
    number = hands.write(lambda c: executions.reinsert(c, hands.home, plan, None, hands.now))
    assert found(hands, "/srv/data") == [number]
    assert sound(hands)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40))
def test_nothing_that_is_typed_breaks_a_query_and_what_was_stored_is_found(text: str) -> None:
    with quick_home() as home, hands_on(home) as hands:
        hands.connection.execute("PRAGMA synchronous = OFF")
        assert found(hands, text) == []
        stored = text.replace("\0", " ")
        number = hands.create(plan_of(at=hands.tick(), workflow_id="w", labels={"label": stored})).number
        listed = found(hands, text)
        if says_something(text):
            assert listed == [number]


WILD = st.text(
    st.sampled_from("\"'*^:(){}[]+-~/\\.,;!?&|<>=%$#@`_ \t\n\0ANDORNOTNEARworkflow\ud800é日🚀\u0301\u200b"), max_size=60
)


@settings(max_examples=500)
@given(text=WILD | st.text(max_size=LONGEST_TEXT))
def test_any_text_is_an_expression(text: str) -> None:
    EXPRESSIONS.execute("SELECT count(*) FROM x WHERE x MATCH ?", (match_of(text),)).fetchone()


EXPRESSIONS = sqlite3.connect(":memory:", check_same_thread=False)
EXPRESSIONS.execute("CREATE VIRTUAL TABLE x USING fts5(workflow, params)")
EXPRESSIONS.execute("INSERT INTO x VALUES ('a OR b', 'NEAR AND NOT')")


@pytest.mark.parametrize(
    "text",
    ["a " * (LONGEST_TEXT // 2), "/".join("a" * 150), '"' * LONGEST_TEXT, "x" * LONGEST_TEXT],
    ids=["words", "a path", "quotes", "a word"],
)
def test_as_much_as_may_be_typed_is_no_more_than_sqlite_takes(hands: Hands, text: str) -> None:
    hands.create()
    found(hands, text[:LONGEST_TEXT])


def test_too_much_text_is_told(hands: Hands) -> None:
    with pytest.raises(InvalidInput, match=rf"^text: it has 301 characters; at most {LONGEST_TEXT} "):
        found(hands, "x" * (LONGEST_TEXT + 1))


@pytest.mark.parametrize("text", ["", " ", "!?", "'", '""', "*", "\0"])
def test_text_without_anything_to_look_for_finds_nothing(hands: Hands, text: str) -> None:
    hands.create()
    assert found(hands, text) == []
    assert not says_something(text)


def test_what_a_parameter_of_many_words_says_first_is_found(hands: Hands) -> None:
    plan = plan_of(at=hands.tick(), params={"text": "first " + "middle " * 5000 + "last"})
    assert found(hands, "first") == [] == found(hands, "last")
    hands.create(plan)
    assert (found(hands, "first"), found(hands, "last")) == ([1], [])
    assert len(str(hands.rows("SELECT params FROM execution_texts")[0][0])) == 10_000


DAMAGE = [
    "UPDATE execution_texts SET reason = 'other' WHERE rowid = 1",
    "UPDATE execution_texts SET params = NULL WHERE rowid = 1",
    "DELETE FROM execution_texts WHERE rowid = 1",
    "INSERT INTO execution_texts(rowid, workflow) VALUES (99, 'strange')",
    "UPDATE execution_texts_content SET c1 = 'elsewhere' WHERE id = 1",
    "DELETE FROM execution_texts_content WHERE id = 1",
    "DELETE FROM execution_texts_data WHERE id > 10",
    "UPDATE execution_texts_data SET block = zeroblob(length(block)) WHERE id > 10",
    "UPDATE execution_texts_data SET block = CAST(replace(block, 'region', 'legion') AS BLOB) WHERE id > 10",
    "UPDATE execution_texts_data SET block = x'' WHERE id = 10",
]


@pytest.mark.requirement("S3-14")
@pytest.mark.parametrize("damage", DAMAGE)
def test_an_index_that_does_not_fit_its_rows_is_noticed_and_made_again(home: Home, damage: str) -> None:
    with hands_on(home) as hands:
        number = hands.run(REGION, plan_of(at=hands.tick(), params={"path": "/srv/data"}))
        hands.run()
        hands.write(lambda c: c.execute("INSERT INTO execution_texts(execution_texts) VALUES ('optimize')"))
        hands.write(lambda c: c.execute(damage))
        (problem,) = hands.read(examine).problems
        assert problem.startswith("text index: ")
        problems = doctors_look(home, seconds=20, now=hands.now).problems
        assert problems
        assert may_be_of_an_index(problems)
    rebuild_indexes(home)
    with hands_on(home) as hands:
        assert hands.read(examine).problems == ()
        assert doctors_look(home, seconds=20, now=hands.now).problems == ()
        assert found(hands, "KeyError /srv/data") == [number]


def test_damaged_rows_do_not_spoil_the_index(home: Home) -> None:
    with hands_on(home) as hands:
        number = hands.run(REGION, plan_of(at=hands.tick(), params={"path": "/srv/data"}))
        hands.write(lambda c: c.execute("UPDATE params SET value = '\"/srv/date\"'"))
        assert not any("text index" in problem for problem in hands.read(examine).problems)
        hands.write(texts.rebuild)
        assert found(hands, "/srv/data") == [number]


def test_looking_for_damage_leaves_nothing_behind(hands: Hands) -> None:
    hands.run(REGION)
    before = hands.rows("SELECT name, sql FROM sqlite_schema ORDER BY name")
    assert sound(hands)
    assert hands.rows("SELECT name FROM temp.sqlite_schema") == []
    assert hands.rows("SELECT name, sql FROM sqlite_schema ORDER BY name") == before
    hands.connection.execute("PRAGMA query_only = ON")
    assert sound(hands)
    assert hands.rows("PRAGMA query_only") == [(1,)]


def test_the_words_of_the_check_are_those_of_the_index(hands: Hands) -> None:
    ((sql,),) = hands.rows("SELECT sql FROM sqlite_schema WHERE name = 'execution_texts'")
    (tokenize,) = re.findall(r'tokenize = (".*")', str(sql))
    assert any(f"tokenize={tokenize}" in statement for statement in texts.TEMPORARY)


def test_a_sqlite_without_full_text_search_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "has_fts5", lambda _: False)
    with pytest.raises(StoreError, match="was built without FTS5"), hands_on(home):
        pass
