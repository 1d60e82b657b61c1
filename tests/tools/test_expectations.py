"""What is said of the future comes from what happened, or is not said."""

import pytest

from outlast.kernel.status import ExecutionStatus
from outlast.tools.expectations import Expectation, expectation
from outlast.tools.texts import duration_text, usual_words

COMPLETED, FAILED, CANCELLED = ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED
SECOND = 1_000_000


def test_two_executions_are_too_few_to_conclude_anything() -> None:
    assert expectation([(COMPLETED, SECOND)] * 2) is None


def test_cancelled_executions_say_nothing() -> None:
    assert expectation([(COMPLETED, SECOND)] * 2 + [(CANCELLED, SECOND)] * 9) is None


def test_the_usual_duration_is_the_median_of_those_that_completed() -> None:
    outcomes = [(COMPLETED, n * SECOND) for n in (1, 2, 60)] + [(FAILED, 900 * SECOND)]
    assert expectation(outcomes) == Expectation(runs=4, completed=3, usual=2 * SECOND)


def test_no_usual_duration_is_made_up_from_failures() -> None:
    assert expectation([(FAILED, SECOND)] * 5) == Expectation(runs=5, completed=0, usual=None)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Expectation(24, 22, 480 * SECOND), "Usually 8m00s, 92 % succeed (24 runs)"),
        (Expectation(1000, 999, 480 * SECOND), "Usually 8m00s, 99 % succeed (1000 runs)"),
        (Expectation(1000, 1000, SECOND), "Usually 1s, 100 % succeed (1000 runs)"),
        (Expectation(1000, 1, None), "1 % succeed (1000 runs)"),
        (Expectation(5, 0, None), "0 % succeed (5 runs)"),
    ],
)
def test_all_and_none_are_only_said_when_they_are_true(expected: Expectation, words: str) -> None:
    assert usual_words(expected) == words


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0s"),
        (350_000, "0.35s"),
        (9_990_000, "9.99s"),
        (9_999_999, "9.99s"),
        (41 * SECOND, "41s"),
        (192 * SECOND, "3m12s"),
        (7500 * SECOND, "2h05m"),
        (252_000 * SECOND, "2d22h"),
    ],
)
def test_durations_are_short(us: int, text: str) -> None:
    assert duration_text(us) == text
