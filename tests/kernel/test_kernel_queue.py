"""The queue: slots, keys, order, claims that nobody takes up."""

import pytest

from outlast.kernel import claims, executions, supervision
from outlast.kernel.claims import MAX_CLAIMS
from outlast.kernel.errors import Conflict
from outlast.kernel.home import Home
from outlast.kernel.status import ExecutionStatus
from stored import FAILED, SUPERVISOR, Hands, hands_on, plan_of, processes


def numbers(claimed: list[claims.Claim] | None) -> list[int]:
    assert claimed is not None
    return [claim.number for claim in claimed]


def claimed(hands: Hands) -> list[int]:
    return [
        n for (n,) in hands.connection.execute("SELECT number FROM executions WHERE claimed_at IS NOT NULL ORDER BY 1")
    ]


def queue(hands: Hands) -> list[int]:
    return numbers(hands.read(claims.next_in_queue))


def give_slots(hands: Hands) -> list[int]:
    return numbers(hands.write(lambda c: claims.claim_next(c, hands.tick())))


def keyed(hands: Hands, key: str, on_conflict: str = "queue") -> executions.Created:
    return hands.create(plan_of(at=hands.tick(), concurrency_key=key, on_conflict=on_conflict))


def test_a_new_execution_gets_a_free_slot_at_once_and_waits_where_there_is_none(hands: Hands) -> None:
    hands.limit(2)
    assert [numbers(hands.create().claimed) for _ in range(4)] == [[1], [2], [], []]
    assert claimed(hands) == [1, 2]
    assert hands.row(3)["claims"] == 0


def test_a_claim_says_which_execution_it_is_for(hands: Hands) -> None:
    created = hands.create()
    assert created.claimed == [claims.Claim(1, created.id)]


def test_settling_gives_the_slot_to_the_oldest_that_waits(hands: Hands) -> None:
    hands.limit(1)
    for _ in range(3):
        hands.create()
    for number, following in [(1, [2]), (2, [3]), (3, [])]:
        hands.begin(number)
        assert numbers(hands.settle(number)) == following


def test_a_higher_priority_goes_first_and_equal_ones_in_order(hands: Hands) -> None:
    hands.limit(1)
    for _ in range(5):
        hands.create()
    for number in (3, 4):
        hands.change(number, "priority = 5")
    hands.begin(1)
    order: list[int] = []
    last = 1
    while following := numbers(hands.settle(last)):
        (last,) = following
        order.append(last)
        hands.begin(last)
    assert order == [3, 4, 2, 5]


def test_a_raised_limit_is_filled_and_a_lowered_one_ends_nothing(hands: Hands) -> None:
    hands.limit(1)
    for _ in range(5):
        hands.create()
    hands.limit(3)
    assert queue(hands) == [2, 3]
    assert claimed(hands) == [1], "to look takes nothing"
    assert give_slots(hands) == [2, 3]
    assert give_slots(hands) == []
    hands.limit(1)
    hands.begin(1)
    assert numbers(hands.settle(1)) == []
    assert claimed(hands) == [1, 2, 3]


def test_executions_with_one_key_run_one_after_another_and_others_pass_them(hands: Hands) -> None:
    hands.limit(3)
    assert numbers(keyed(hands, "db").claimed) == [1]
    assert numbers(keyed(hands, "db").claimed) == []
    assert numbers(keyed(hands, "db").claimed) == []
    assert numbers(keyed(hands, "web").claimed) == [4]
    assert numbers(hands.create().claimed) == [5]
    hands.begin(1)
    assert numbers(hands.settle(1)) == [2]
    hands.begin(2)
    assert numbers(hands.settle(2, FAILED)) == [3]


def test_two_free_slots_never_go_to_one_key(hands: Hands) -> None:
    hands.limit(1)
    hands.create()
    for _ in range(3):
        keyed(hands, "db")
    hands.create()
    hands.limit(5)
    assert give_slots(hands) == [2, 5]


def test_what_waits_says_for_whom_or_for_what(hands: Hands) -> None:
    hands.limit(2)
    keyed(hands, "db")  # 1: claimed
    for _ in range(2):
        keyed(hands, "db")  # 2, 3: behind it
    waiting = hands.read(lambda c: claims.why_waiting(c, range(1, 6)))
    assert waiting == {2: "waits for #1 (concurrency key db)", 3: "waits for #1 (concurrency key db)"}
    hands.create()  # 4: the second slot
    keyed(hands, "other")  # 5
    keyed(hands, "other")  # 6
    hands.begin(1)
    hands.limit(1)
    assert hands.read(lambda c: claims.why_waiting(c, [4, 5, 6])) == {
        5: "waits for a slot (2 of 1 are taken)",
        6: "waits for #5 (concurrency key other)",
    }
    hands.limit(3)
    assert hands.read(lambda c: claims.why_waiting(c, [5])) == {5: "is next for a free slot"}


def test_a_parked_execution_keeps_its_key_and_gives_its_slot_away(hands: Hands) -> None:
    hands.limit(1)
    keyed(hands, "db")
    hands.begin(1)
    keyed(hands, "db")
    hands.create()
    hands.write(lambda c: c.execute("UPDATE executions SET status = 'waiting' WHERE number = 1"))
    assert give_slots(hands) == [3]


def test_rolling_back_holds_a_slot(hands: Hands) -> None:
    hands.limit(1)
    hands.create()
    hands.begin(1)
    hands.write(lambda c: c.execute("UPDATE executions SET status = 'rolling_back' WHERE number = 1"))
    assert numbers(hands.create().claimed) == []


def test_a_key_that_is_taken_can_be_refused(hands: Hands) -> None:
    first = keyed(hands, "db", "reject")
    with pytest.raises(Conflict, match="#1 has the concurrency key 'db' and is not over yet") as caught:
        keyed(hands, "db", "reject")
    assert (caught.value.code, caught.value.handle_id) == ("concurrency_conflict", first.id)
    assert len(hands.statuses()) == 1
    assert keyed(hands, "other", "reject").number > 1
    hands.begin(1)
    hands.settle(1)
    assert numbers(keyed(hands, "db", "reject").claimed) != []


def test_a_newer_one_can_cancel_those_with_its_key(hands: Hands) -> None:
    keyed(hands, "db")
    keyed(hands, "db")
    hands.begin(1)
    assert numbers(keyed(hands, "db", "cancel_running").claimed) == []
    assert hands.statuses() == {1: "running", 2: "cancelled", 3: "pending"}
    assert hands.row(1)["cancel_requested_by"] == "#3 (newer, with the same concurrency key db)"
    assert hands.row(2)["reason"] == "cancelled by #3 (newer, with the same concurrency key db) before it started"
    assert numbers(hands.settle(1, FAILED)) == [3]


def test_a_repeated_request_cancels_nothing(hands: Hands) -> None:
    """The key of the request is looked at before the key that is taken."""
    plan = plan_of(concurrency_key="db", on_conflict="cancel_running", idempotency_key="once")
    hands.create(plan)
    again = hands.create(plan_of(concurrency_key="db", on_conflict="cancel_running", idempotency_key="once"))
    assert again.already_existed
    assert hands.row(1)["cancel_requested_at"] is None


def test_the_limit_holds_over_processes_and_everything_is_run_once_in_order(home: Home) -> None:
    code = """
from outlast.kernel import claims
from stored import Hands
hands = Hands(home)
say("ready")
hear()
own, following = [], []
for _ in range(6):
    following += hands.create().claimed
while following:
    claim = following.pop(0)
    hands.begin(claim.number)
    (running,) = hands.connection.execute("SELECT count(*) FROM executions WHERE status = 'running'").fetchone()
    assert running <= 3, running
    say(claim.number)
    following += hands.settle(claim.number)
hands.close()
"""
    with hands_on(home) as hands:
        hands.limit(3)
        with processes(code, 4) as runners:
            for process in runners:
                assert process.says() == "ready"
            for process in runners:
                process.hears()
            run = [int(line) for process in runners for line in process.ends()]
        assert sorted(run) == list(range(1, 25))
        assert set(hands.statuses().values()) == {"completed"}
        started = [
            n for (n,) in hands.connection.execute("SELECT execution FROM events WHERE kind = 'started' ORDER BY seq")
        ]
        # Slots are given in order: when one starts, at most the two others that hold a slot are older and have not.
        assert all(number - place <= 2 for place, number in enumerate(started, 1)), started
        # Never more than three between a start and its end, in the order in which things happened.
        inside = 0
        for (kind,) in hands.connection.execute("SELECT kind FROM events ORDER BY seq"):
            inside += {"started": 1, "completed": -1}.get(kind, 0)
            assert inside <= 3


def test_of_two_that_saw_the_same_claim_one_takes_it_over(hands: Hands) -> None:
    hands.create()
    seen = hands.row(1)["claimed_at"]
    assert isinstance(seen, int)
    first = hands.write(lambda c: claims.reclaim(c, 1, seen, hands.tick()))
    second = hands.write(lambda c: claims.reclaim(c, 1, seen, hands.tick()))
    assert (numbers(first), second) == ([1], [])
    assert hands.row(1)["claims"] == 2


def test_a_claim_that_a_supervisor_took_up_is_not_taken_over(hands: Hands) -> None:
    hands.create()
    seen = hands.row(1)["claimed_at"]
    assert isinstance(seen, int)
    hands.begin(1)
    assert hands.write(lambda c: claims.reclaim(c, 1, seen, hands.tick())) == []
    assert hands.statuses() == {1: "running"}


def test_after_five_supervisors_that_never_came_it_failed_and_the_queue_goes_on(hands: Hands) -> None:
    hands.limit(1)
    hands.create()
    hands.create()
    for attempt in range(MAX_CLAIMS):
        seen = hands.row(1)["claimed_at"]
        assert isinstance(seen, int)
        following = hands.write(lambda c, seen=seen: claims.reclaim(c, 1, seen, hands.tick()))
        assert numbers(following) == ([2] if attempt == MAX_CLAIMS - 1 else [1])
    row = hands.row(1)
    assert (row["status"], row["reason"], row["exit_code"], row["duration_us"]) == ("failed", "never started", None, 0)
    assert row["ended_at"] == hands.now
    assert row["started_at"] is None
    assert hands.rows("SELECT status, ended_at FROM steps WHERE execution = 1") == [("cancelled", hands.now)]
    assert hands.events(1) == ["created", "failed"]
    assert claimed(hands) == [1, 2]
    # The sixth comes after all, with what it saw before.
    late = hands.look(1)._replace(status=ExecutionStatus.PENDING)
    assert hands.write(lambda c: supervision.begin(c, late, SUPERVISOR, hands.moment())) is None
    assert hands.row(1) == row


def test_a_clock_that_went_back_keeps_the_end_behind_the_beginning(hands: Hands) -> None:
    hands.create()
    for _ in range(MAX_CLAIMS):
        seen = hands.row(1)["claimed_at"]
        assert isinstance(seen, int)
        hands.now -= 3_600_000_000
        hands.write(lambda c, seen=seen: claims.reclaim(c, 1, seen, hands.now))
    row = hands.row(1)
    assert row["status"] == "failed"
    assert row["ended_at"] == row["created_at"]
