"""What is due to be removed, what never is, and that the rules which remove it look again."""

from collections.abc import Callable

import pytest

from old_homes import DAY, NOW, furnish, live_retry, over
from outlast.kernel import executions, retention
from outlast.kernel.errors import InvalidInput, NotFound
from outlast.kernel.retention import Kept
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Outcome
from outlast.storage import reading
from outlast.storage.history import Filter, page
from outlast.storage.retention import Limits, plan
from stored import COMPLETED, FAILED, Hands, plan_of, record_of

ENDS = {
    "failed": FAILED,
    "timeout": Outcome(ExecutionStatus.TIMEOUT, "timed out"),
    "cancelled": Outcome(ExecutionStatus.CANCELLED, "cancelled"),
    "lost": Outcome(ExecutionStatus.LOST, "host restarted"),
}


def due(hands: Hands, **limits: object) -> list[int]:
    found = hands.read(lambda c: plan(c, Limits(**limits), NOW))  # type: ignore[arg-type]  # fields of Limits
    return [one.number for one in found.due]


@pytest.mark.requirement("S3-9", "S3-19")
def test_what_completed_goes_after_the_age_and_what_did_not_after_twice_that(hands: Hands) -> None:
    young, old = over(hands, 29), over(hands, 31)
    failures = [(over(hands, 59, end), over(hands, 61, end)) for end in ENDS.values()]
    assert due(hands, max_age=30 * DAY) == [old, *(older for _, older in failures)]
    assert due(hands, max_age=30 * DAY, failed_factor=1) == [old, *(n for pair in failures for n in pair)]
    assert due(hands, max_age=62 * DAY) == []
    assert young in due(hands, max_age=0)


def test_it_is_the_end_that_makes_the_age(hands: Hands) -> None:
    """One that ran for 40 days and ended yesterday is a day old."""
    number = over(hands, 41)
    hands.change(number, f"updated_at = {NOW}")
    hands.write(lambda c: c.execute("DROP TRIGGER executions_settled"))
    hands.change(number, f"ended_at = {NOW - DAY}")
    assert due(hands, max_age=30 * DAY) == []
    assert due(hands, max_age=DAY // 2) == [number]


@pytest.mark.requirement("S3-19")
def test_of_each_workflow_those_stay_that_count_as_youngest(hands: Hands) -> None:
    rare = over(hands, 900, workflow_id="rare")
    ages = [over(hands, days, workflow_id="often") for days in (50, 40, 30, 20, 10)]
    failed = over(hands, 60, FAILED, workflow_id="often")  # counts as 30 days old
    assert due(hands, keep=3) == ages[:3]
    assert due(hands, keep=5) == [ages[0]]
    assert due(hands, keep=6) == []
    assert due(hands, keep=0) == [rare, *ages, failed]
    assert due(hands, keep=0, workflow_id="rare") == [rare]


@pytest.mark.requirement("S3-19")
def test_the_oldest_logs_go_until_all_of_them_are_small_enough(hands: Hands) -> None:
    noise = bytes((n * n * 31 + n // 7) % 251 + 1 for n in range(20_000)).replace(b"\n", b"x") + b"\n"
    old, failed, young = over(hands, 50, log=noise), over(hands, 60, FAILED, log=noise), over(hands, 10, log=noise)
    silent = over(hands, 500, log=b"")
    sizes = {one.number: one.bytes for one in hands.read(lambda c: plan(c, Limits(max_age=0), NOW)).due}
    assert sizes[silent] == 0
    assert sizes[old] > 500
    total = sum(sizes.values())
    assert due(hands, max_bytes=total) == []
    assert due(hands, max_bytes=total - 1) == [old]
    assert due(hands, max_bytes=sizes[young]) == [old, failed]
    assert due(hands, max_bytes=0) == [old, failed, young]
    assert due(hands, max_bytes=sizes[young], max_age=55 * DAY) == [old, failed, silent], "what goes by age counts"


def keep_live(hands: Hands) -> int:
    created = hands.create(plan_of(at=NOW - 500 * DAY))
    hands.begin(created.number)
    return created.number


def keep_pinned(hands: Hands) -> int:
    number = over(hands)
    hands.write(lambda c: retention.pin(c, number, "ada", NOW))
    return number


def keep_needed(hands: Hands) -> int:
    number = over(hands)
    live_retry(hands, number)
    return number


def keep_rolled_back(hands: Hands) -> int:
    number = over(hands)
    by = live_retry(hands, over(hands))
    hands.change(by, f"rollback_of = {number}, retry_of = NULL")
    return number


def keep_damaged(hands: Hands) -> int:
    number = over(hands)
    hands.write(lambda c: c.execute("UPDATE executions SET priority = 7 WHERE number = ?", (number,)))
    return number


KEPT: dict[Kept, Callable[[Hands], int]] = {
    Kept.LIVE: keep_live,
    Kept.PINNED: keep_pinned,
    Kept.NEEDED: keep_needed,
    Kept.DAMAGED: keep_damaged,
    Kept.UNSEALED: lambda hands: over(hands, sealed=False),
}


@pytest.mark.requirement("S3-19")
@pytest.mark.parametrize("reason", Kept)
def test_what_must_stay_is_refused_by_the_rule_itself_whoever_asks(hands: Hands, reason: Kept) -> None:
    number, other = KEPT[reason](hands), over(hands)
    assert hands.read(lambda c: retention.kept(c, number)) is reason
    assert hands.write(lambda c: retention.remove_logs(c, [number, 999], NOW)) == []
    assert hands.write(lambda c: retention.remove(c, [number, other, 999])) == [other]
    assert number in hands.statuses()
    assert other not in hands.statuses()


@pytest.mark.requirement("S3-19")
def test_what_must_stay_is_not_due_and_is_told(hands: Hands) -> None:
    for reason, make in KEPT.items():
        if reason is not Kept.UNSEALED:
            make(hands)
    keep_rolled_back(hands)
    found = hands.read(lambda c: plan(c, Limits(max_age=DAY, keep=0, max_bytes=0), NOW))
    assert len(found.due) == 1, "what the rolled back one's rollback had retried before"
    assert found.kept == {Kept.PINNED: 1, Kept.NEEDED: 2, Kept.DAMAGED: 1}


def test_a_record_of_another_engine_goes_when_it_is_over(hands: Hands) -> None:
    hands.now = NOW - 100 * DAY
    ended = hands.record(record_of(ExecutionStatus.COMPLETED, at=hands.now))
    running = hands.record(record_of(at=hands.tick()))
    assert due(hands, max_age=30 * DAY) == [ended]
    assert hands.write(lambda c: retention.remove(c, [ended, running])) == [ended]


@pytest.mark.requirement("S3-9")
def test_removed_executions_leave_nothing_and_their_numbers_are_not_given_again(hands: Hands) -> None:
    kept = over(hands, 1)
    tables = hands.tables()
    before = {table: hands.rows(f"SELECT * FROM {table}") for table in tables}
    gone = [over(hands) for _ in range(3)]
    for number in gone:
        furnish(hands, number)
    hands.write(lambda c: retention.remove_logs(c, gone[:1], NOW))
    assert hands.write(lambda c: retention.remove(c, gone)) == gone
    for table in tables:
        if table not in ("sqlite_sequence", "counters"):
            assert hands.rows(f"SELECT * FROM {table}") == before[table], table
    assert hands.read(lambda c: page(c, Filter())).total == 1
    assert hands.run() == gone[-1] + 1
    assert reading.execution(hands.connection, kept).status is ExecutionStatus.COMPLETED


def test_a_retry_of_what_was_removed_stays_sound(hands: Hands) -> None:
    first = over(hands)
    second = over(hands, 1, retry_of=first)
    assert hands.write(lambda c: retention.remove(c, [first])) == [first]
    assert reading.execution(hands.connection, second).retry_of is None


@pytest.mark.requirement("S3-19")
def test_pins_are_idempotent_and_told(hands: Hands) -> None:
    number = over(hands)
    assert hands.write(lambda c: retention.pin(c, number, "ada", NOW))
    assert not hands.write(lambda c: retention.pin(c, number, "bob", NOW + 1))
    assert hands.rows("SELECT * FROM pins") == [(number, NOW, "ada")]
    assert reading.execution(hands.connection, number).pinned
    assert [row.pinned for row in hands.read(lambda c: page(c, Filter())).executions] == [True]
    assert hands.write(lambda c: retention.unpin(c, number))
    assert not hands.write(lambda c: retention.unpin(c, number))
    assert due(hands, max_age=DAY) == [number]
    for rule in (lambda c: retention.pin(c, 99, "ada", NOW), lambda c: retention.unpin(c, 99)):
        with pytest.raises(NotFound):
            hands.write(rule)


def test_only_logs_that_are_there_are_due_where_only_logs_go(hands: Hands) -> None:
    silent, loud = over(hands, log=b""), over(hands)
    assert due(hands, max_age=DAY) == [silent, loud]
    assert due(hands, max_age=DAY, logs_only=True) == [loud]
    assert hands.write(lambda c: retention.remove_logs(c, [loud], NOW)) == [loud]
    assert due(hands, max_age=DAY, logs_only=True) == []
    execution = reading.execution(hands.connection, loud)
    assert (execution.log_lines, execution.log_removed_at) == (1, NOW)


def test_what_was_asked_for_is_bounded(hands: Hands) -> None:
    numbers = [over(hands) for _ in range(3)]
    found = hands.read(lambda c: plan(c, Limits(max_age=DAY), NOW, most=2))
    assert ([one.number for one in found.due], found.more) == (numbers[:2], True)
    assert not hands.read(lambda c: plan(c, Limits(max_age=DAY), NOW, most=4)).more


def test_limits_that_are_none_are_refused(hands: Hands) -> None:
    for limits, field in (
        (Limits(), "Nothing says what stays"),
        (Limits(max_age=-1), "max_age"),
        (Limits(keep=1 << 62), "keep"),
        (Limits(max_bytes=0, failed_factor=0), "failed_factor"),
    ):
        with pytest.raises(InvalidInput, match=field):
            hands.read(lambda c, limits=limits: plan(c, limits, NOW))
    with pytest.raises(NotFound) as caught:
        due(hands, keep=0, workflow_id="nothing")
    assert caught.value.code == "workflow_not_found"


def test_free_pages_are_given_back_in_steps(hands: Hands) -> None:
    noise = b"".join(b"%d\n" % (n * 2654435761 % 2**32) for n in range(50_000))
    numbers = [over(hands, log=noise) for _ in range(2)]
    (before,) = hands.connection.execute("PRAGMA page_count").fetchone()
    hands.write(lambda c: retention.remove(c, numbers))
    free = retention.free_pages(hands.connection)
    assert free > 60
    assert hands.write(lambda c: retention.give_back(c, 50))
    assert retention.free_pages(hands.connection) == free - 50
    assert not hands.write(lambda c: retention.give_back(c, free, 5))
    assert retention.free_pages(hands.connection) == 5
    assert hands.connection.execute("PRAGMA page_count").fetchone() == (before - free + 5,)
    assert hands.rows("PRAGMA integrity_check") == [("ok",)]


def test_a_failing_execution_in_the_middle_removes_nothing(hands: Hands) -> None:
    """Of one transaction all goes or nothing."""
    numbers = [over(hands) for _ in range(3)]

    def rule(connection: object) -> None:
        retention.remove(hands.connection, numbers)
        raise OSError(5, "in the middle")

    with pytest.raises(Exception, match="in the middle"):
        hands.write(rule)
    assert sorted(hands.statuses()) == numbers
    assert COMPLETED.status is ExecutionStatus.COMPLETED
    assert hands.read(lambda c: executions.highest_number(c)) == numbers[-1]
