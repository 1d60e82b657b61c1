"""Searching the logs of all executions: nothing that matches is missed, and what was not looked at is told."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.kernel import executions
from outlast.kernel.errors import InvalidInput
from outlast.kernel.status import ExecutionStatus
from outlast.storage.history import Filter
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.lines import Line
from outlast.storage.logs.store_search import Place, StoreFound, StoreQuery, StoreSearch
from printed import State, prints, reader_of
from stored import Hands, hands_on, quick_home, record_of

pytestmark = pytest.mark.requirement("S3-11")


def searched(
    hands: Hands, pattern: str, *, limit: int = 1000, seconds: float = 60, place: Place | None = None, **fields: Any
) -> StoreFound:
    query = StoreQuery(pattern=pattern, **fields)
    search = StoreSearch(query, lambda c, execution: reader_of(hands, execution), limit=limit, place=place)
    while not search.ended:
        search.go_on(hands.connection, seconds)
    return search.found()


def matches(found: StoreFound) -> list[tuple[int, int]]:
    """Number of the execution and of the line, the newest first."""
    return [(part.execution.number, n) for part in found.parts for n in reversed(part.found.matches)]


def test_the_newest_lines_of_the_newest_executions_come_first_live_ones_too(hands: Hands) -> None:
    prints(hands, "error 1", "fine", "error 2")
    prints(hands, "nothing here")
    prints(hands, "error 3", state="over")
    prints(hands, "error 4", "error 5", state="live")
    found = searched(hands, "err.r")
    assert matches(found) == [(4, 2), (4, 1), (3, 1), (1, 3), (1, 1)]
    assert (found.executions, found.newest, found.oldest, found.place) == (4, 4, 1, None)
    assert matches(searched(hands, "error", limit=3)) == [(4, 2), (4, 1), (3, 1)]


ALPHABET = st.sampled_from(["error", "warn", "ok", ""])
LOGS = st.lists(
    st.tuples(st.lists(ALPHABET, max_size=6), st.sampled_from(["sealed", "over", "live"])), min_size=1, max_size=5
)


@settings(max_examples=40)
@given(logs=LOGS, limit=st.integers(1, 4), context=st.integers(0, 2), impatient=st.booleans())
def test_going_on_with_the_cursor_finds_every_match_once(
    logs: list[tuple[list[str], State]], limit: int, context: int, impatient: bool
) -> None:
    with quick_home() as home, hands_on(home) as hands:
        hands.limit(10)
        for lines, state in logs:
            prints(hands, *lines, state=state)
        expected = [
            (number, n)
            for number, (lines, _) in reversed(list(enumerate(logs, 1)))
            for n, line in reversed(list(enumerate(lines, 1)))
            if "error" in line
        ]
        found: list[tuple[int, int]] = []
        place: Place | None = None
        for asked in count():
            assert asked < 100, "each search gets further"
            query = StoreQuery(pattern="error", context=context)
            search = StoreSearch(query, lambda c, execution: reader_of(hands, execution), limit=limit, place=place)
            search.go_on(hands.connection, 0 if impatient else 60)
            page = search.found()
            assert len(matches(page)) <= limit
            found += matches(page)
            if page.place is None:
                break
            place = Place.of(str(page.place))
        assert found == expected


def test_what_an_execution_printed_is_found_by_workflow_status_step_and_time(hands: Hands) -> None:
    hands.limit(10)
    prints(hands, "error", workflow_id="release")
    prints(hands, "error", workflow_id="nightly")
    early = hands.now
    prints(hands, "error", "error", workflow_id="nightly", state="live")
    assert matches(searched(hands, "error", executions=Filter(workflow_id="nightly"))) == [(3, 2), (3, 1), (2, 1)]
    assert matches(searched(hands, "error", executions=Filter(status=ExecutionStatus.RUNNING))) == [(3, 2), (3, 1)]
    assert matches(searched(hands, "error", executions=Filter(workflow_id="unknown"))) == []
    assert len(matches(searched(hands, "error", wanted=LogFilter(step="run")))) == 4
    other = searched(hands, "error", wanted=LogFilter(step="elsewhere"))
    assert (matches(other), other.executions, other.place) == ([], 3, None)
    later = searched(hands, "error", wanted=LogFilter(since=hands.now))
    assert (matches(later), later.executions) == ([(3, 2)], 1)
    before = searched(hands, "error", wanted=LogFilter(until=early))
    assert (matches(before), before.executions) == ([(2, 1), (1, 1)], 2)


def test_an_execution_that_began_before_the_time_and_goes_on_is_searched(hands: Hands) -> None:
    hands.limit(10)
    old = prints(hands, "early", state="live")
    for _ in range(3):
        prints(hands, "short")
    hands.tick(3600)
    since = hands.now
    newest = prints(hands, "late")
    found = searched(hands, "late|early", wanted=LogFilter(since=since))
    assert (matches(found), found.executions) == ([(newest, 1)], 2)
    assert found.oldest == old


def test_records_and_executions_that_printed_nothing_cost_nothing(hands: Hands) -> None:
    hands.record(record_of(ExecutionStatus.COMPLETED, at=hands.tick()))
    prints(hands)
    prints(hands, "error")
    found = searched(hands, ".")
    assert (matches(found), found.executions) == ([(3, 1)], 1)


@pytest.mark.requirement("S3-14")
def test_damaged_executions_and_lines_are_named_and_the_others_searched(hands: Hands) -> None:
    numbers = [prints(hands, "error") for _ in range(4)]
    hands.write(lambda c: c.execute("UPDATE executions SET binary_path = 'other' WHERE number = 3"))
    hands.write(lambda c: c.execute("UPDATE log_blocks SET crc = crc + 1 WHERE execution = 2"))
    found = searched(hands, "error")
    assert matches(found) == [(4, 1), (1, 1)]
    assert [one.number for one in found.unread] == [3]
    assert "#3: its row in the database is damaged" in found.unread[0].why
    assert [part.execution.number for part in found.parts if part.found.gaps] == [2]
    assert (found.gone_or_damaged, found.executions, found.place) == (1, len(numbers), None)


def test_an_execution_that_is_deleted_meanwhile_is_passed_over(hands: Hands) -> None:
    for _ in range(3):
        prints(hands, "error")
    search = StoreSearch(StoreQuery(pattern="error"), lambda c, execution: reader_of(hands, execution), limit=10)
    search.go_on(hands.connection, 0)
    hands.write(lambda c: executions.delete(c, 2))
    while not search.ended:
        search.go_on(hands.connection, 60)
    assert matches(search.found()) == [(3, 1), (1, 1)]


def test_a_search_says_how_far_it_came(hands: Hands) -> None:
    prints(hands, "error")
    prints(hands, *["error"] * 5)
    found = searched(hands, "error", limit=3)
    assert (found.stopped, found.executions, str(found.place)) == ("limit", 1, "k2:3")
    search = StoreSearch(StoreQuery(pattern="x"), lambda c, execution: reader_of(hands, execution), limit=3)
    search.go_on(hands.connection, 0)
    assert (search.found().stopped, str(search.found().place)) == ("time", "k2")
    search.go_on(hands.connection, 60)
    assert (search.found().stopped, search.found().place) == (None, None)


def test_long_lines_end_a_search_before_they_fill_the_memory(hands: Hands) -> None:
    for _ in range(12):
        prints(hands, b"x" * (1 << 20))
    found = searched(hands, "x")
    assert found.stopped == "size"
    assert 8 <= found.matches < 12
    rest = searched(hands, "x", place=found.place)
    assert len(matches(found) + matches(rest)) == 12


def test_lines_around_matches_are_shown(hands: Hands) -> None:
    prints(hands, "a", "b", "error", "d", "e")
    [part] = searched(hands, "error", context=1).parts
    assert [entry.data for entry in part.found.entries if isinstance(entry, Line)] == [b"b", b"error", b"d"]


@pytest.mark.parametrize("cursor", ["", "k", "142", "k1:", "k-1", "k1:2:3", "k٣", "k1\n", "k" + "9" * 30])
def test_what_is_no_cursor_is_told(cursor: str) -> None:
    with pytest.raises(InvalidInput, match=r"^cursor: "):
        Place.of(cursor)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: StoreQuery(pattern="("), "pattern"),
        (lambda: StoreQuery(pattern=""), "pattern"),
        (lambda: StoreQuery(pattern="x", wanted=LogFilter(stream="strout")), "stream"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_searched(make: Callable[[], StoreQuery], field: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: "):
        StoreSearch(make(), lambda c, execution: pytest.fail("nothing is read"), limit=1)


def test_a_number_that_is_not_there_any_more_is_a_place_like_another(hands: Hands) -> None:
    prints(hands, "error")
    assert matches(searched(hands, "error", place=Place(977))) == [(1, 1)]
    assert matches(searched(hands, "error", place=Place(977, 5))) == [(1, 1)]
    assert matches(searched(hands, "error", place=Place(1, 1))) == []
