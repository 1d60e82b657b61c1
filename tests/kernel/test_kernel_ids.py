import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.ids import format_id, is_id, new_id, parse_handle, parse_id
from stored import START

MOMENTS = st.integers(0, (1 << 48) * 1000 - 1)


@given(MOMENTS)
def test_an_id_is_a_uuid_of_version_7_that_tells_its_millisecond(now: int) -> None:
    parsed = uuid.UUID(new_id(now))
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert parsed.int >> 80 == now // 1000


@given(MOMENTS, MOMENTS)
def test_ids_sort_by_time(one: int, other: int) -> None:
    first, second = sorted((one, other))
    if first // 1000 < second // 1000:
        assert new_id(first) < new_id(second)
        assert parse_id(new_id(first)) < parse_id(new_id(second))


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id(START) for _ in range(1000)}) == 1000


@given(st.binary(min_size=16, max_size=16))
def test_an_id_survives_its_text_form(raw: bytes) -> None:
    assert parse_id(format_id(raw)) == raw
    assert is_id(format_id(raw))


@pytest.mark.parametrize("handle", [142, "142", "#142", " #142 ", "0142"])
def test_a_number_is_a_handle_however_it_is_said(handle: str | int) -> None:
    assert parse_handle(handle) == 142


def test_a_uuid_is_a_handle_in_any_case() -> None:
    text = new_id(START)
    assert parse_handle(text) == parse_id(text)
    assert parse_handle(f" {text.upper()}\n") == parse_id(text)


@pytest.mark.parametrize(
    "handle", ["", "#", "0", "#0", 0, -1, "-1", "1.5", "142x", "##142", 10**15, "1" * 16, "142\n143", "x" * 36, "٣"]
)
def test_what_is_no_handle_names_nothing(handle: str | int) -> None:
    assert parse_handle(handle) is None


@given(st.text())
def test_no_text_breaks_the_reading_of_handles(text: str) -> None:
    parsed = parse_handle(text)
    assert parsed is None or isinstance(parsed, int) or len(parsed) == 16
