"""What a reader sees of what programs print."""

import sys
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outlast.kernel.errors import NotFound
from outlast.tools.readable import LONGEST_LINE, shown, visible, visible_lines
from outlast.tools.results import clean, refusal, reply

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Lone surrogates included."""
CODE_POINTS = [
    "".join(map(chr, range(start, min(start + 4096, sys.maxunicode + 1))))
    for start in range(0, sys.maxunicode + 1, 4096)
]
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_no_code_point_breaks_a_reply_or_hides_in_its_text() -> None:
    for text in CODE_POINTS:
        # As the writer does it; a lone surrogate would end the connection here.
        reply(text, {text: [text]}).model_dump_json(by_alias=True).encode()
        refusal(NotFound(text, next=text, handle_id=text)).model_dump_json(by_alias=True).encode()
        left = {c for c in visible_lines(text) if unicodedata.category(c) in HIDDEN}
        assert left <= {"\t", "\n"}


@given(st.recursive(ANY_TEXT | st.none() | st.integers(), lambda s: st.lists(s) | st.dictionaries(ANY_TEXT, s)))
def test_whatever_is_replied_can_be_written(value: object) -> None:
    reply("", {"value": value}).model_dump_json(by_alias=True).encode()  # type: ignore[dict-item]  # any JSON is


@given(st.text())
def test_ordinary_text_is_sent_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain words, ümläute, 日本語, ✓ ✔️ 🚀", "plain words, ümläute, 日本語, ✓ ✔️ 🚀"),
        ("a\tb", "a\tb"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u202eright to left", "\\u202eright to left"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("a\ufe0f\ufe0f", "a\ufe0f\\ufe0f"),
        ("a\U000e0100", "a\\U000e0100"),
        ("bell\x07", "bell\\x07"),
        ("\ud800", "\\ud800"),
        ("one\ntwo", "one\\x0atwo"),
    ],
)
def test_what_nobody_would_see_is_written_out(text: str, seen: str) -> None:
    assert visible(text) == seen


@pytest.mark.parametrize(
    ("data", "text", "folded"),
    [
        (b"\x1b[31mred\x1b[0m and \x1b[1;38;5;200mbold\x1b[m", "red and bold", 0),
        (b"\x1b]0;a title\x07\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link", 0),
        (b"\x1b(B\x1b=ok\x1bPdata\x1b\\", "ok", 0),
        (b"10 %\r50 %\r100 %", "100 %", 2),
        (b"10 %\r100 %\r\x1b[K", "100 %", 1),
        (b"from windows\r", "from windows", 0),
        (b"\r\r", "", 0),
        (b"\xff\xfeX", "\\xff\\xfeX", 0),
        (b"cut off \x1b[31", "cut off \\x1b[31", 0),
        (b"", "", 0),
    ],
)
def test_colours_and_old_states_of_a_line_are_gone(data: bytes, text: str, folded: int) -> None:
    line = shown(data)
    assert (line.text, line.folded, line.left_out) == (text, folded, 0)


def test_a_long_line_is_cut_and_says_how_much_is_missing() -> None:
    line = shown(b"x" * (LONGEST_LINE + 500))
    assert (line.text, line.left_out) == ("x" * LONGEST_LINE, 500)


@given(
    st.binary()
    | st.lists(st.sampled_from([b"\x1b", b"[", b"]", b"\r", b"\x07", b"\\", b"1", b"m", b"\xe2\x80\x8b"])).map(b"".join)
)
@example(b"\x1b\x1b[1m[1m")
def test_no_output_reaches_the_reader_as_something_to_act_on(data: bytes) -> None:
    text = shown(data).text
    assert len(text) <= LONGEST_LINE
    assert not {c for c in text if unicodedata.category(c) in HIDDEN} - {"\t"}


MIB = 1 << 20


@pytest.mark.parametrize(
    "data",
    [
        "\x9d".encode() * (MIB // 2),
        "\x90\x98\x9e\x9f".encode() * (MIB // 8),
        "\x9dtitle".encode() * (MIB // 7),
        b"\x1b]" * (MIB // 2),
        b"\x1b[" + b"1" * MIB,
        b"\0" * MIB,
        b"\r" * MIB,
        b"\x1b[K\r" * (MIB // 4),
        "日本語".encode() * (MIB // 9),
    ],
    ids=["titles", "strings", "titles with text", "escapes", "digits", "zeros", "returns", "states", "text"],
)
def test_no_line_keeps_other_replies_waiting(data: bytes) -> None:
    began = time.thread_time()
    line = shown(data)
    # CPU time; before there was a limit the worst of them took minutes, the best half a second.
    assert time.thread_time() - began < 0.25
    assert len(line.text) <= LONGEST_LINE


def test_a_very_long_line_says_how_much_of_it_is_missing() -> None:
    assert shown("ü".encode() * 500_000).left_out == 500_000 - LONGEST_LINE
    assert shown(b"x" + "日".encode() * 100_000).left_out == 100_001 - LONGEST_LINE
