"""Which moves there are between statuses, as design and code say it alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.status import EXECUTION_MOVES, STEP_MOVES, ExecutionStatus, StepStatus, check_move

TERMINAL = {"completed", "failed", "cancelled", "timeout", "lost"}
TERMINAL_STEPS = TERMINAL | {"skipped", "rejected"}


def test_every_status_says_what_may_follow() -> None:
    assert EXECUTION_MOVES.keys() == set(ExecutionStatus)
    assert STEP_MOVES.keys() == set(StepStatus)


def test_from_terminal_statuses_no_move_leads_on() -> None:
    assert {str(status) for status in ExecutionStatus if status.terminal} == TERMINAL
    assert {str(status) for status in StepStatus if status.terminal} == TERMINAL_STEPS
    assert not any(EXECUTION_MOVES[status] for status in ExecutionStatus if status.terminal)
    assert not any(STEP_MOVES[status] for status in StepStatus if status.terminal)


@pytest.mark.parametrize("moves", [EXECUTION_MOVES, STEP_MOVES], ids=["executions", "steps"])
def test_every_status_can_be_reached_and_left(moves: dict[str, frozenset[str]]) -> None:
    reached = {"pending"}
    while more := {following for status in reached for following in moves[status]} - reached:
        reached |= more
    assert reached == moves.keys()
    for status in moves:
        onward = {status}
        while more := {following for each in onward for following in moves[each]} - onward:
            onward |= more
        assert onward & TERMINAL_STEPS, f"{status} never ends"


@pytest.mark.parametrize("parked", [ExecutionStatus.WAITING, ExecutionStatus.PAUSED])
def test_whatever_wakes_a_parked_execution_makes_it_pending(parked: ExecutionStatus) -> None:
    assert EXECUTION_MOVES[parked] == {ExecutionStatus.PENDING}


@given(st.data())
def test_however_an_execution_moves_it_ends_once(data: st.DataObject) -> None:
    status = ExecutionStatus.PENDING
    for _ in range(data.draw(st.integers(0, 12))):
        wanted = data.draw(st.sampled_from(ExecutionStatus))
        if wanted in EXECUTION_MOVES[status]:
            check_move(status, wanted)
            assert not status.terminal
            status = wanted
        else:
            with pytest.raises(ValueError, match=f"from {status} to {wanted}"):
                check_move(status, wanted)
