"""A secret is recognised in every form in which programs print values, however the bytes arrive."""

import html
import itertools
import json
import shlex
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.secrets import MASK, LiteralMasker, StreamMasker, forms_of, masks_of

SECRET = "pä ss'w\"ö/rd\\&<7>+~"
FORMS = {
    "as it is": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "json with its letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "python": lambda text: repr(text)[1:-1],
    "shell": lambda text: shlex.quote(text)[1:-1],
    "shell trace": lambda text: text.replace("'", "'\\''"),
    "percent": lambda text: quote(text, safe=""),
    "percent in a path": quote,
    "form": quote_plus,
    "percent, small": lambda text: quote(text, safe="").replace("%C3%A4", "%c3%a4").lower(),
    "html": html.escape,
    "html text": lambda text: html.escape(text, quote=False),
}

masks = st.lists(st.text("abc", min_size=4, max_size=9).map(str.encode), max_size=4).map(tuple)
texts = st.text("abc\n", max_size=80).map(str.encode)


@pytest.mark.requirement("X11")
@pytest.mark.parametrize("form", FORMS)
def test_a_value_is_recognised_in_the_form(form: str) -> None:
    secret = SECRET.lower()
    printed = f"before {FORMS[form](secret)} behind".encode()
    assert LiteralMasker(masks_of([secret])).mask(printed) == (b"before *** behind", 1)


@pytest.mark.requirement("X11")
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("behind", range(4))
def test_base64_of_a_longer_text_shows_nothing_of_a_value(encode: type[b64encode], before: int, behind: int) -> None:
    whole = encode(b"x" * before + b"hunter2?hunter2>" + b"y" * behind)
    data, hits = LiteralMasker(masks_of(["hunter2?hunter2>"])).mask(whole)
    assert hits == 1
    begin, end = data.split(MASK)
    assert whole.startswith(begin)
    assert whole.endswith(end)
    # Beside what was taken out at most one character on each side holds bits of the value.
    assert len(begin) <= -(-before * 8 // 6) + 1
    assert len(end) <= -(-behind * 8 // 6) + 3


def test_lines_of_a_value_are_looked_for_one_by_one() -> None:
    assert masks_of(["abc", "abcd", "abcd\r\nef\nlonger one", ""])[-1] == b"abcd"
    assert b"longer one" in masks_of(["abcd\r\nef\nlonger one"])
    assert not [form for form in forms_of("ab\ncd\nlonger\n") if b"\n" in form]
    assert forms_of("ab\nc") == set()


def test_masks_that_overlap_leave_nothing_of_either() -> None:
    masker = LiteralMasker([b"abcd", b"cdef"])
    assert masker.mask(b"-abcdef-") == (b"-***-", 1)
    assert masker.mask(b"-abcdcdef-") == (b"-******-", 2)
    assert LiteralMasker([]).mask(b"abcd") == (b"abcd", 0)
    assert masker.mask_text("ü abcd \udc80") == "ü *** \udc80"


@given(masks, texts)
def test_what_is_covered_by_any_mask_is_taken_out_and_nothing_else(masks: tuple[bytes, ...], text: bytes) -> None:
    covered = [False] * len(text)
    joined = [False] * (len(text) + 1)
    """Whether what is covered goes on from one place to the next."""
    for mask in masks:
        for i in range(len(text) - len(mask) + 1):
            if text[i : i + len(mask)] == mask:
                covered[i : i + len(mask)] = [True] * len(mask)
                joined[i + 1 : i + len(mask)] = [True] * (len(mask) - 1)
    expected, hits = b"", 0
    for i, byte in enumerate(text):
        if not covered[i]:
            expected += bytes((byte,))
        elif not joined[i]:
            expected, hits = expected + MASK, hits + 1
    assert LiteralMasker(masks).mask(text) == (expected, hits)


@pytest.mark.requirement("X11")
@given(masks, texts, st.lists(st.integers(0, 80), max_size=8))
def test_bytes_in_chunks_are_masked_as_if_they_had_come_at_once(
    masks: tuple[bytes, ...], text: bytes, cuts: list[int]
) -> None:
    masker = LiteralMasker(masks)
    stream = StreamMasker(masker)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parts: list[bytes] = []
    for begin, end in itertools.pairwise(places):
        parts.append(stream.feed(text[begin:end]))
        assert stream.held <= max(0, masker.longest - 1)
    parts.append(stream.flush())
    assert (b"".join(parts), stream.hits) == masker.mask(text)
