from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.clock import Clock, Moment, elapsed, read

TIMES = st.integers(0, 1 << 60)


@given(TIMES, TIMES, TIMES, TIMES)
def test_within_one_boot_only_the_clock_that_never_jumps_counts(
    now: int, later: int, boottime: int, passed: int
) -> None:
    started, ended = Moment(now, boottime, "one"), Moment(later, boottime + passed, "one")
    assert elapsed(started, ended) == passed


@given(TIMES, TIMES, TIMES, TIMES)
def test_across_boots_a_duration_is_by_wall_clock_and_never_negative(now: int, later: int, one: int, two: int) -> None:
    started, ended = Moment(now, one, "one"), Moment(later, two, "two")
    assert elapsed(started, ended) == max(0, later - now)


def test_the_machine_has_one_boot_and_clocks_that_go_on() -> None:
    before, after = read(Clock()), read(Clock())
    assert before.boot_id == after.boot_id != ""
    assert before.boottime <= after.boottime
    assert elapsed(before, after) >= 0
