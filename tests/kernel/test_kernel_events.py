"""Every change is one event, and all events are one sequence that only grows."""

import json

import pytest

from outlast.kernel import claims, events, executions, supervision
from outlast.kernel.home import Home
from stored import COMPLETED, SUPERVISOR, Hands, hands_on, plan_of, processes


def sequence(hands: Hands) -> list[tuple[object, ...]]:
    return hands.rows("SELECT execution, kind, step_no, attempt FROM events ORDER BY seq")


def test_a_life_is_told_change_by_change_in_one_sequence_over_all(hands: Hands) -> None:
    hands.limit(2)
    hands.create()
    hands.create()
    hands.begin(2)
    hands.begin(1)
    seen = hands.look(1)
    hands.write(lambda c: supervision.adopt(c, seen, SUPERVISOR, hands.moment()))
    hands.write(lambda c: executions.cancel(c, 1, "ada", hands.tick()))
    hands.write(lambda c: supervision.start_stopping(c, 1, 2, hands.tick()))
    hands.settle(2, COMPLETED)
    hands.create()
    assert sequence(hands) == [
        (1, "created", None, None),
        (2, "created", None, None),
        (2, "started", None, None),
        (2, "step_started", 1, 1),
        (1, "started", None, None),
        (1, "step_started", 1, 1),
        (1, "adopted", None, None),
        (1, "cancel_requested", None, None),
        (1, "stopping", None, None),
        (2, "completed", None, None),
        (3, "created", None, None),
    ]
    assert [seq for (seq,) in hands.rows("SELECT seq FROM events ORDER BY seq")] == list(range(1, 12))


def test_what_changed_nothing_is_no_event(hands: Hands) -> None:
    hands.create(plan_of(idempotency_key="k"))
    hands.begin(1)
    hands.write(lambda c: executions.cancel(c, 1, "ada", hands.tick()))
    before = sequence(hands)
    seen = hands.look(1)
    hands.create(plan_of(idempotency_key="k"))
    hands.write(lambda c: executions.cancel(c, 1, "bob", hands.tick()))
    hands.write(lambda c: supervision.adopt(c, seen._replace(epoch=9), SUPERVISOR, hands.moment()))
    hands.write(lambda c: supervision.start_stopping(c, 1, 9, hands.tick()))
    assert hands.settle(1, epoch=9) is None
    assert hands.write(lambda c: supervision.start_attempt(c, 1, 1, 1, 1, hands.tick())), "it is known already"
    assert hands.write(lambda c: claims.reclaim(c, 1, 5, hands.tick())) == []
    hands.write(lambda c: claims.claim_next(c, hands.tick()))
    assert sequence(hands) == before


def test_a_change_that_was_rolled_back_leaves_no_event(hands: Hands) -> None:
    hands.create()
    with pytest.raises(ZeroDivisionError):
        hands.write(lambda c: executions.cancel(c, 1, "ada", hands.tick()).number // 0)
    assert sequence(hands) == [(1, "created", None, None)]
    assert hands.row(1)["cancel_requested_at"] is None


def test_the_sequence_does_not_go_back_when_executions_are_deleted(hands: Hands) -> None:
    hands.run()
    (last,) = hands.connection.execute("SELECT max(seq) FROM events").fetchone()
    hands.write(lambda c: executions.delete(c, 1))
    assert sequence(hands) == []
    hands.create()
    assert hands.rows("SELECT seq, execution FROM events") == [(last + 1, 2)]


def test_data_is_json_that_keeps_every_character(hands: Hands) -> None:
    hands.create()
    hands.write(lambda c: events.record(c, 1, hands.now, "note", data={"text": 'ü"\n\u2028'}))
    ((data,),) = hands.rows("SELECT data FROM events WHERE kind = 'note'")
    assert json.loads(str(data)) == {"text": 'ü"\n\u2028'}


def test_a_reader_that_follows_the_sequence_over_processes_misses_nothing(home: Home) -> None:
    code = """
from stored import Hands
hands = Hands(home)
say("ready")
hear()
for _ in range(15):
    hands.run()
hands.close()
"""
    with hands_on(home) as hands, processes(code, 3) as writers:
        hands.limit(100)
        for process in writers:
            assert process.says() == "ready"
        for process in writers:
            process.hears()
        seen: list[object] = []
        last = 0
        # created, started, step_started, completed
        while len(seen) < 3 * 15 * 4:
            for seq, kind in hands.rows("SELECT seq, kind FROM events WHERE seq > ? ORDER BY seq", last):
                assert isinstance(seq, int)
                last = seq
                seen.append((seq, kind))
        for process in writers:
            process.ends()
        assert seen == hands.rows("SELECT seq, kind FROM events ORDER BY seq")
