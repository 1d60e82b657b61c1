"""Links to lines: what they name, and a sentence for what names none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.errors import InvalidInput
from outlast.kernel.permalinks import Lines, handle_of, permalink, split_permalink

UUID = "0199f3a0-0000-7000-8000-000000000001"


@pytest.mark.parametrize("handle", ["142", "#142", UUID, " 142"])
@pytest.mark.parametrize(
    ("place", "lines"),
    [("#L120-L180", (120, 180)), ("#L120", (120, 120)), ("#l7-l7", (7, 7)), ("#L1-9", (1, 9)), ("", None)],
)
def test_a_link_is_a_handle_and_lines(handle: str, place: str, lines: tuple[int, int] | None) -> None:
    name, found = split_permalink(handle + place)
    assert str(name).strip() == handle.strip()
    assert found == lines
    assert handle_of(142) == 142


@pytest.mark.parametrize(
    ("link", "said", "instead"),
    [
        ("142#L9-L3", "the last line stands before the first", "142#L3-L9"),
        ("142#L0", "line numbers begin with 1", "142#L1-L1"),
        ("142#L0-L5", "line numbers begin with 1", "142#L1-L5"),
        ("142#L", "are written as", "142#L120-L180"),
        ("142#L1-L2-L3", "are written as", "142#L120-L180"),
        ("142#L-3", "are written as", "142#L120-L180"),
        ("142#Lx", "are written as", "142#L120-L180"),
        ("142#L\u0663", "are written as", "142#L120-L180"),
        ("142#L" + "9" * 5000, "are written as", "142#L120-L180"),
        ("#L5", "are written as", "142#L120-L180"),
    ],
)
def test_what_names_no_lines_is_told_with_what_does(link: str, said: str, instead: str) -> None:
    with pytest.raises(InvalidInput, match=r"handle_id: .* names no lines") as caught:
        split_permalink(link)
    assert said in caught.value.message
    assert len(caught.value.message) < 300
    assert caught.value.next == instead


@given(st.integers(1, 10**15 - 1), st.integers(1, 10**15 - 1), st.integers(0, 10**6))
def test_a_link_that_was_made_is_understood(number: int, first: int, more: int) -> None:
    last = min(first + more, 10**15 - 1)
    assert split_permalink(permalink(number, first, last)) == (str(number), Lines(first, last))
