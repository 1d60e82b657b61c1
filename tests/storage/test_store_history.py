"""Listings: every filter finds what it names and nothing else, pages meet without gap or overlap, totals are true."""

import itertools
from collections.abc import Callable

import anyio
import pytest

from outlast.kernel import executions
from outlast.kernel.checksums import stamp
from outlast.kernel.database import Connection
from outlast.kernel.errors import InvalidInput
from outlast.kernel.status import ExecutionStatus
from outlast.runtime.observer import open_observer
from outlast.runtime.options import Options
from outlast.storage import reading
from outlast.storage.history import Filter, offset_of, outcomes, page
from outlast.storage.records import Execution, Summary
from outlast.storage.store import open_store
from stored import COMPLETED, FAILED, SECOND, START, Hands, plan_of, record_of

COUNT = 36
ELSEWHERE = {
    7: ExecutionStatus.RUNNING,
    14: ExecutionStatus.COMPLETED,
    21: ExecutionStatus.FAILED,
    28: ExecutionStatus.COMPLETED,
    35: ExecutionStatus.PENDING,
}
"""Those that are only recorded."""
VISUAL = {9, 14, 20}


def film(connection: Connection, number: int) -> None:
    """Say that there is a recording of the screen; nothing does that yet."""
    connection.execute("UPDATE executions SET visual = 1 WHERE number = ?", (number,))
    stamp(connection, number)


@pytest.fixture
def many(hands: Hands) -> Hands:
    """Executions that differ in everything a listing can be filtered by, one created each second."""
    hands.connection.execute("PRAGMA synchronous = OFF")  # durability is shown elsewhere
    hands.limit(COUNT)
    for n in range(1, COUNT + 1):
        hands.now = START + n * SECOND
        workflow_id = ("report", "release", "clean")[n % 3]
        user = ("ada", "bob")[n % 2]
        agent = (None, "planner")[n % 5 == 0]
        customer = (None, "acme", "zenith")[n % 4 % 3]
        labels = (None, {"team": "blue", "n": str(n)}, {"team": "red"})[n % 5 % 3]
        if n in ELSEWHERE:
            told = record_of(ELSEWHERE[n], at=hands.now, workflow_id=workflow_id, user=user)
            assert hands.record(told._replace(agent=agent, customer=customer, labels=labels)) == n
        else:
            plan = plan_of(
                at=hands.now, workflow_id=workflow_id, user=user, agent=agent, customer=customer, labels=labels
            )
            assert hands.create(plan).number == n
    for n in range(1, COUNT + 1):
        if n in VISUAL:
            hands.write(lambda c, n=n: film(c, n))
        if n in ELSEWHERE:
            continue
        if n % 6 != 0:
            hands.begin(n)
        if n % 6 in (1, 2):
            hands.settle(n, COMPLETED)
        elif n % 6 == 3:
            hands.settle(n, FAILED)
        elif n % 6 == 0 and n % 12 == 0:
            hands.change(n, "claimed_at = NULL")
            hands.write(lambda c, n=n: executions.cancel(c, n, "ada", hands.tick()))
    return hands


def everything(hands: Hands) -> list[Execution]:
    """What is there, newest first, read one by one."""
    return [reading.execution(hands.connection, number) for number in sorted(hands.statuses(), reverse=True)]


def meets(wanted: Filter) -> Callable[[Execution], bool]:
    """The filter's meaning in the plainest words."""

    def check(e: Execution) -> bool:
        return (
            wanted.workflow_id in (None, e.workflow_id)
            and wanted.status in (None, e.status)
            and wanted.user in (None, e.user)
            and wanted.agent in (None, e.agent)
            and wanted.customer in (None, e.customer)
            and wanted.mode in (None, e.mode)
            and (not wanted.visual_only or e.number in VISUAL)
            and (wanted.label is None or (e.labels or {}).get(wanted.label[0]) == wanted.label[1])
            and (wanted.active is None or wanted.active == (e.settled is None))
            and (wanted.since is None or e.created_at >= wanted.since)
            and (wanted.until is None or e.created_at < wanted.until)
        )

    return check


FILTERS = [
    Filter(workflow_id, status, user, agent, customer, None, False, label, active, since, until)
    for workflow_id, status, user, agent, customer, label, active, since, until in itertools.product(
        [None, "report"],
        [None, ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.RUNNING],
        [None, "ada"],
        [None, "planner"],
        [None, "zenith"],
        [None, ("team", "blue")],
        [None, True, False],
        [None, START + 9 * SECOND],
        [None, START + 30 * SECOND],
    )
] + [
    *(Filter(mode=mode, active=active) for mode in ("cloud-run", "local-run") for active in (None, True, False)),
    *(Filter(mode=mode, visual_only=True) for mode in (None, "cloud-run", "local-run")),
    Filter(user="ada", status=ExecutionStatus.COMPLETED, mode="cloud-run"),
    Filter(visual_only=True, workflow_id="report", status=ExecutionStatus.FAILED),
    Filter(label=("n", "6")),
]


@pytest.mark.requirement("S2-2")
@pytest.mark.requirement("S0-2")
def test_every_combination_of_filters_lists_and_counts_what_meets_it(many: Hands) -> None:
    all_of_them = everything(many)
    found = 0
    for wanted in FILTERS:
        expected = [e.number for e in all_of_them if meets(wanted)(e)]
        listed = page(many.connection, wanted, limit=500)
        assert [summary.number for summary in listed.executions] == expected, wanted
        assert (listed.total, listed.next_cursor, listed.damaged) == (len(expected), None, ())
        found += bool(expected)
    assert found > len(FILTERS) / 4


@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(status=ExecutionStatus.COMPLETED), Filter(active=False, user="ada")]
)
@pytest.mark.parametrize("limit", [1, 5, 7])
def test_pages_meet_without_gap_or_overlap_by_cursor_and_by_offset(many: Hands, wanted: Filter, limit: int) -> None:
    expected = [e.number for e in everything(many) if meets(wanted)(e)]
    by_cursor: list[int] = []
    cursor = None
    while True:
        listed = page(many.connection, wanted, limit=limit, cursor=cursor)
        assert listed.total == len(expected)
        by_cursor += [summary.number for summary in listed.executions]
        cursor = listed.next_cursor
        if cursor is None:
            break
        assert len(listed.executions) == limit
    assert by_cursor == expected
    by_offset: list[int] = []
    for offset in range(0, len(expected) + limit, limit):
        listed = page(many.connection, wanted, limit=limit, offset=offset)
        assert (listed.next_cursor is not None) == (offset + limit < len(expected))
        by_offset += [summary.number for summary in listed.executions]
    assert by_offset == expected


def test_a_cursor_goes_on_where_it_was_whatever_is_new(many: Hands) -> None:
    first = page(many.connection, Filter(), limit=10)
    many.create()
    second = page(many.connection, Filter(), limit=10, cursor=first.next_cursor)
    assert [summary.number for summary in second.executions] == list(range(COUNT - 10, COUNT - 20, -1))
    assert second.total == COUNT + 1
    shifted = page(many.connection, Filter(), limit=10, offset=10)
    assert shifted.executions[0] == first.executions[-1], "an offset counts from the newest"


@pytest.mark.requirement("S3-1")
def test_a_summary_says_what_the_execution_says(many: Hands) -> None:
    for summary, e in zip(page(many.connection, Filter(), limit=500).executions, everything(many), strict=True):
        settled, started = e.settled, getattr(e.state, "started_at", None)
        assert summary == Summary(
            number=e.number,
            id=e.id,
            workflow_id=e.workflow_id,
            workflow_name=e.workflow_name,
            status=e.status,
            created_at=e.created_at,
            started_at=started,
            ended_at=None if settled is None else settled.ended_at,
            duration_us=None if settled is None else settled.duration_us,
            exit_code=None if settled is None else settled.exit_code,
            reason=None if settled is None else settled.reason,
        )


@pytest.mark.requirement("S0-9")
@pytest.mark.parametrize("limit", [0, -1, 501, 1 << 70])
def test_a_limit_outside_1_to_500_is_refused(hands: Hands, limit: int) -> None:
    with pytest.raises(InvalidInput, match=f"limit: {limit} is not between 1 and 500"):
        page(hands.connection, Filter(), limit=limit)


@pytest.mark.parametrize(("offset", "cursor"), [(-1, None), (1 << 63, None), (5, "k3")])
def test_an_offset_that_is_none_is_refused(hands: Hands, offset: int, cursor: str | None) -> None:
    with pytest.raises(InvalidInput, match="offset: must be 0 or more"):
        page(hands.connection, Filter(), offset=offset, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "k", "3", "k-3", "k3.5", "kx", "K3", "k" + "9" * 40, "k٣x", "k 3"])
def test_a_cursor_that_is_none_is_refused_with_the_way_on(hands: Hands, cursor: str) -> None:
    with pytest.raises(InvalidInput, match=r"cursor: .* is not one") as caught:
        page(hands.connection, Filter(), cursor=cursor)
    assert caught.value.next == "list_execution_history()"


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(workflow_id="nowhere"),
        Filter(user="nobody"),
        Filter(agent="none"),
        Filter(customer="x' OR 1 --"),
        Filter(mode="moon-run"),
        Filter(label=("team", "green")),
        Filter(label=("nothing", "blue")),
        Filter(status=ExecutionStatus.LOST),
        Filter(since=START + 99_999 * SECOND),
        Filter(until=0),
    ],
)
def test_what_nothing_meets_is_an_empty_page(many: Hands, wanted: Filter) -> None:
    listed = page(many.connection, wanted)
    assert (listed.executions, listed.total, listed.next_cursor) == ((), 0, None)


USUAL = [
    Filter(),
    Filter(status=ExecutionStatus.COMPLETED),
    Filter(mode="local-run"),
    Filter(workflow_id="report"),
    Filter(user="bob"),
    Filter(agent="planner"),
    Filter(customer="acme"),
    Filter(workflow_id="release", status=ExecutionStatus.COMPLETED),
    Filter(user="bob", status=ExecutionStatus.COMPLETED),
    Filter(user="ada", status=ExecutionStatus.RUNNING),
]


@pytest.mark.requirement("S0-9")
@pytest.mark.parametrize("wanted", USUAL)
def test_the_totals_of_usual_filters_are_known_without_counting(many: Hands, wanted: Filter) -> None:
    statements: list[str] = []
    many.connection.set_trace_callback(statements.append)
    assert page(many.connection, wanted, limit=1).total > 1
    assert not [statement for statement in statements if "count(*)" in statement]
    page(many.connection, Filter(until=1), limit=1)
    assert [statement for statement in statements if "count(*)" in statement], "counting would have been seen"


@pytest.mark.requirement("S2-2")
@pytest.mark.requirement("S0-2")
@pytest.mark.parametrize("wanted", [*USUAL, Filter(mode="cloud-run"), Filter(visual_only=True)])
def test_pages_by_number_meet_without_gap_or_overlap(many: Hands, wanted: Filter) -> None:
    expected = [e.number for e in everything(many) if meets(wanted)(e)]
    found: list[int] = []
    for number in range(1, len(expected) // 2 + 2):
        listed = page(many.connection, wanted, limit=2, offset=offset_of(number, 2))
        assert listed.total == len(expected)
        found += [summary.number for summary in listed.executions]
    assert found == expected


@pytest.mark.requirement("S0-2")
@pytest.mark.requirement("S0-9")
async def test_the_history_of_a_user_or_a_workflow_has_pages_of_50_unless_1_to_500_are_asked_for(hands: Hands) -> None:
    def fill() -> None:
        hands.connection.execute("PRAGMA synchronous = OFF")
        for n in range(1, 151):
            status = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)[n % 2]
            hands.record(record_of(status, workflow_id=("report", "release")[n % 3 == 0], user=("ada", "bob")[n > 140]))

    await anyio.to_thread.run_sync(fill)
    async with open_observer(Options(home=hands.home, trigger="tests")) as observer:
        first = await observer.history_page(Filter(user="ada"))
        assert ([s.number for s in first.executions], first.total) == (list(range(140, 90, -1)), 140)
        second = await observer.history_page(Filter(user="ada", status=ExecutionStatus.FAILED), page=2)
        assert ([s.number for s in second.executions], second.total) == (list(range(39, 0, -2)), 70)
        release = await observer.history_page(Filter(workflow_id="release"), page=2, page_size=20)
        assert ([s.number for s in release.executions], release.total) == (list(range(90, 30, -3)), 50)
        assert len((await observer.history_page(Filter(), page_size=500)).executions) == 150
        assert (await observer.history_page(Filter(), page=99)).executions == ()
        assert len((await observer.history(Filter())).executions) == 10
        for page_size in (0, 501, -1):
            with pytest.raises(InvalidInput, match=f"page_size: {page_size} is not between 1 and 500"):
                await observer.history_page(Filter(), page_size=page_size)
        for number in (0, -1, 1 << 60):
            with pytest.raises(InvalidInput, match=f"page: {number} is none; the first page is 1"):
                await observer.history_page(Filter(), page=number)


def test_an_empty_history_is_an_empty_page(hands: Hands) -> None:
    assert page(hands.connection, Filter()).total == 0
    assert page(hands.connection, Filter(), cursor="k9").executions == ()


@pytest.mark.parametrize("key", ["team", "a.b", 'quo"te', "back\\slash", "ümläut", "$", "[0]", "a b", "'", "\u2028"])
def test_a_label_is_found_whatever_its_characters(hands: Hands, key: str) -> None:
    hands.create(plan_of(labels={"other": "x"}))
    hands.create(plan_of(labels={key: key, "other": "x"}))
    assert [s.number for s in page(hands.connection, Filter(label=(key, key))).executions] == [2]
    assert page(hands.connection, Filter(label=(key, "x"))).total == 0
    assert page(hands.connection, Filter(label=("other", "x"))).total == 2


def test_totals_follow_every_change(many: Hands) -> None:
    """Those that come from counters and those that are counted say the same."""
    for step in range(3):
        if step == 1:
            many.settle(4, FAILED)
        elif step == 2:
            many.write(lambda c: executions.delete(c, 4))
        all_of_them = everything(many)
        for wanted in [
            Filter(),
            *(Filter(status=status) for status in ExecutionStatus),
            *(Filter(workflow_id=name) for name in ("report", "release", "clean")),
            *(Filter(user=name) for name in ("ada", "bob")),
            *(Filter(user="ada", status=status) for status in ExecutionStatus),
            *(Filter(workflow_id="report", status=status) for status in ExecutionStatus),
            *(Filter(mode=mode) for mode in ("local-run", "cloud-run")),
            *(Filter(agent="planner", customer=name) for name in (None, "acme", "zenith")),
            Filter(customer="acme"),
        ]:
            assert page(many.connection, wanted, limit=1).total == sum(map(meets(wanted), all_of_them)), (step, wanted)


def test_how_a_workflow_went_of_late(many: Hands) -> None:
    expected = [e for e in everything(many) if e.workflow_id == "report" and e.settled is not None and not e.recorded]
    found = outcomes(many.connection, "report")
    assert found == [(e.status, e.settled.duration_us) for e in expected if e.settled is not None]
    assert outcomes(many.connection, "report", limit=2) == found[:2]
    assert len(found) > 3
    assert outcomes(many.connection, "nowhere") == []


@pytest.mark.requirement("S3-1")
async def test_a_history_outlives_whoever_wrote_it(many: Hands) -> None:
    before = await anyio.to_thread.run_sync(lambda: page(many.connection, Filter(), limit=500))
    async with open_store(many.home) as store:
        assert await store.read(lambda c: page(c, Filter(), limit=500)) == before
