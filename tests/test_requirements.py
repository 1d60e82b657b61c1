"""Requirements and tests name each other."""

import pytest

from requirements import REQUIREMENTS, Promises


def test_every_requirement_is_held_by_a_test(promises: Promises) -> None:
    if promises.uncollected:
        pytest.skip("only part of the suite was collected, without " + ", ".join(promises.uncollected))
    without = {id: text for id, text in REQUIREMENTS.items() if id not in promises.by_requirement}
    assert not without, "no test carries @pytest.mark.requirement(…) of these requirements"


def test_no_test_names_an_unknown_requirement(promises: Promises) -> None:
    unknown = {id: tests for id, tests in promises.by_requirement.items() if id not in REQUIREMENTS}
    assert not unknown, "tests/requirements.py does not list these"
