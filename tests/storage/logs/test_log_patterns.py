"""A pattern is searched for in each line alone, however many lines are searched at once."""

import pytest

from outlast.kernel.errors import InvalidInput
from outlast.storage.logs.lines import GAP, LAST, WHOLE, Piece
from outlast.storage.logs.patterns import LinePattern

LINES = [b"alpha", b"", b"beta gamma", b"b", b"\xff\x00 raw", "größe".encode(), b"", b"cr\r", b"a*b(c", b"omega"]
TEXT = b"".join(line + b"\n" for line in LINES)


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("alpha", [1]),
        ("a$", [1, 3, 10]),
        ("^b", [3, 4]),
        ("^$", [2, 7]),
        ("x*", list(range(1, 11))),
        ("$", list(range(1, 11))),
        (r"\Ab\z", [4]),
        (r"\A", list(range(1, 11))),
        (r"(?-m)^o", [10]),
        (r"a\sb", []),
        (r"a\nb", []),
        (r"[^x]b", [9]),
        (r"(?s)a.b", [9]),
        (r"(?s)^.$", [4]),
        (r"b\W*b", []),
        (r"\bb\b", [4, 9]),
        (r"\Qa*b(", [9]),
        ("alpha|omega", [1, 10]),
        ("^alpha|^mega", [1]),
        ("(?i)ALPHA", [1]),
        ("gr.{2}e", [6]),
        ("(?i)GRÖSSE|GRÖẞE", [6]),
        (r"\x00 raw", [5]),
        (r"\r$", [8]),
        ("zzz", []),
    ],
)
def test_lines_that_match(pattern: str, lines: list[int]) -> None:
    assert LinePattern(pattern).matches(Piece(1, len(LINES), 16, 0, WHOLE, TEXT)) == lines


def test_a_last_line_without_newline_is_searched_too() -> None:
    assert LinePattern("^end$").matches(Piece(7, 1, 16, 0, LAST, b"end")) == [7]
    assert LinePattern("x*$").matches(Piece(7, 1, 16, 0, LAST, b"end")) == [7]


def test_dropped_lines_match_nothing() -> None:
    assert LinePattern("x*").matches(Piece(7, 5, 16, 0, GAP, b"")) == []


@pytest.mark.parametrize("pattern", ["a(", "a)(b", "", "(?P<x", "(a{1000}){1000}", r"(a)\1", "(?=a)", "x" * 1001])
def test_a_pattern_that_does_not_compile_is_the_callers_mistake(pattern: str) -> None:
    with pytest.raises(InvalidInput, match=r"^pattern: ") as raised:
        LinePattern(pattern)
    assert raised.value.next


def test_no_pattern_takes_long() -> None:
    """A backtracking search would not end in this universe's time."""
    piece = Piece(1, 1, 16, 0, WHOLE, b"a" * 60_000 + b"\n")
    assert LinePattern(r"(a*)*(a|a)*b").matches(piece) == []
