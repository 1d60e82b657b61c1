"""A digest counts every line once, points at lines that are there, and is the same however it was made."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.marks import STDERR, STDOUT, Spool
from outlast.storage.logs.digest import Digest
from outlast.storage.logs.folding import folded
from outlast.storage.logs.levels import ERROR, PLAIN, WARNING, levels
from outlast.storage.logs.line_shapes import outlines, shapes
from outlast.storage.logs.lines import GAP, WHOLE, LogGap, Piece
from outlast.storage.logs.templates import ANY, MOST, MOST_ALIKE, Template

OUT, ERR = Spool(1, 1, STDOUT).pack(), Spool(1, 1, STDERR).pack()
Printed = tuple[int, bytes]
"""A spool and a line."""

LINES = (
    b"",
    b"fetched 12 rows from /data/part-3.csv in 7 ms",
    b"fetched 1 rows from /data/part-3.csv in 70 ms",
    b"0 errors",
    b"3 errors",
    b"ERROR no space",
    b"WARNING slow",
    b"Traceback (most recent call last):",
    b'  File "x.py", line 3, in f',
    b"    raise KeyError('region')",
    b"KeyError: 'region'",
    b"KeyError: 'town'",
    b"java.lang.IllegalStateException: no",
    b"\tat a.b.C(D.java:3)",
    b"\t... 12 more",
    b"50 %\r60 %\r100 %",
    b"\x1b[31mred\x1b[0m",
    b"\xff\x00\x01\x02 3fa94d2b 550e8400-e29b-41d4-a716-446655440000",
    b"x" * 900,
)
words = st.sampled_from((b"ada", b"bob", b"cyd", b"dan", b"eve", b"fay", b"gus", b"hal", b"ivy", b"jan", b"kim"))
lines = st.one_of(
    st.sampled_from(LINES),
    st.sampled_from(LINES),
    st.builds(lambda a, b: b"user %s logs in from %s" % (a, b), words, words),
    st.builds(lambda a: b"ERROR no user %s" % a, words),
    st.binary(max_size=12).filter(lambda data: b"\n" not in data),
)
logs = st.lists(st.tuples(st.sampled_from((OUT, OUT, OUT, ERR)), lines), min_size=1, max_size=80)


def pieces(printed: Sequence[Printed], cuts: Iterable[int] = ()) -> list[Piece]:
    """The lines as pieces: a new one at each cut, and where another spool comes."""
    found: list[Piece] = []
    bounds = sorted({0, len(printed), *(cut % (len(printed) + 1) for cut in cuts)})
    for begin, end in pairwise(bounds):
        run: list[Printed] = []
        for spool, line in [*printed[begin:end], (-1, b"")]:
            if run and run[0][0] != spool:
                first = found[-1].last + 1 if found else 1
                data = b"".join(text + b"\n" for _, text in run)
                # Lines that come together have one time; here, that of the first line of the spool's run.
                found.append(Piece(first, len(run), run[0][0], 0, WHOLE, data))
                run = []
            run.append((spool, line))
    return found


def digest_of(parts: Iterable[Piece | LogGap]) -> Digest:
    digest = Digest()
    digest.take(parts)
    return digest


def table(digest: Digest) -> list[tuple[object, ...]]:
    return [
        (t.level, t.text, t.sample, t.count, t.lines, t.first, t.last, t.other)
        for t in sorted(digest.templates(), key=lambda t: (t.level, t.text, t.first))
    ]


def printed_as(text: bytes) -> list[Printed]:
    return [(OUT, line) for line in text.rstrip(b"\n").split(b"\n")]


def rows(text: bytes) -> list[tuple[int, int, int, int, bytes]]:
    digest = digest_of(pieces(printed_as(text)))
    return sorted((t.first, t.last, t.count, t.level, t.text) for t in digest.templates())


@pytest.mark.requirement("X4")
@given(logs, st.lists(st.integers(0, 80), max_size=12), st.booleans())
def test_a_digest_is_the_same_for_any_blocks_and_wherever_it_was_stored(
    printed: list[Printed], cuts: list[int], stored: bool
) -> None:
    whole = digest_of(pieces(printed))
    parts = Digest()
    for piece in pieces(printed, cuts):
        parts.take([piece])
        if stored:
            parts = Digest.decode(parts.encode())
    assert table(parts) == table(whole)
    assert (parts.lines, parts.said) == (whole.lines, whole.said)


@pytest.mark.requirement("X4")
@given(logs)
def test_every_line_is_counted_once_and_every_row_points_at_what_it_says(printed: list[Printed]) -> None:
    digest = digest_of(pieces(printed))
    templates = digest.templates()
    assert sum(t.lines for t in templates) == digest.lines == len(printed)
    for t in templates:
        assert 1 <= t.first <= t.last <= len(printed)
        assert t.lines >= t.count >= 1
        if t.lines == t.count:
            assert t.sample == folded(printed[t.first - 1][1])[:400]
            assert belongs(printed[t.last - 1][1], t)


def belongs(line: bytes, template: Template) -> bool:
    """Whether a line is of a template, said in the plainest way."""
    text = folded(line)
    words = shapes(outlines(text[:400]), telling=template.level != PLAIN).split(b" ")
    ours = template.text.split(b" ")
    return len(words) == len(ours) and all(b in (a, ANY) for a, b in zip(words, ours, strict=True))


@pytest.mark.requirement("X4")
@given(logs)
@settings(max_examples=50)
def test_errors_and_warnings_are_the_lines_that_say_so(printed: list[Printed]) -> None:
    digest = digest_of(pieces(printed))
    said = [found.level for _, line in printed for found in levels(folded(line))]
    assert digest.said == {ERROR: said.count(ERROR), WARNING: said.count(WARNING)}
    counted = sum(t.count for t in digest.templates() if t.level == WARNING)
    # A warning may name the error at the end of a traceback; it is counted as that error then.
    assert counted <= said.count(WARNING)


@pytest.mark.requirement("X4")
def test_a_traceback_is_one_row_named_by_its_last_line() -> None:
    block = (
        b"Traceback (most recent call last):\n"
        b'  File "load.py", line 88, in load\n'
        b"    row['region']\n"
        b"KeyError: 'region'\n"
    )
    text = b"begin\n" + block + b"go on\n" + block + block.replace(b"region", b"town") + b"end\n"
    assert rows(text) == [
        (1, 1, 1, PLAIN, b"begin"),
        (2, 10, 2, ERROR, b"KeyError: 'region'"),
        (6, 6, 1, PLAIN, b"go on"),
        (11, 14, 1, ERROR, b"KeyError: 'town'"),
        (15, 15, 1, PLAIN, b"end"),
    ]


def test_a_traceback_that_goes_on_is_shown_as_it_is_so_far() -> None:
    begun = b'Traceback (most recent call last):\n  File "x.py", line 3, in f\n'
    assert rows(begun) == [(1, 2, 1, ERROR, b"Traceback (most recent call last):")]
    assert rows(begun + b"[worker] goes on\n") == [
        (1, 2, 1, ERROR, b"Traceback (most recent call last):"),
        (3, 3, 1, PLAIN, b"[worker] goes on"),
    ]


def test_a_traceback_with_something_in_front_of_each_line_is_folded_too() -> None:
    text = b'| Traceback (most recent call last):\n|   File "x.py", line 3, in f\n| ValueError: no\nfine\n'
    assert rows(text) == [(1, 3, 1, ERROR, b"| ValueError: no"), (4, 4, 1, PLAIN, b"fine")]


def test_the_frames_under_an_error_belong_to_it() -> None:
    text = b"java.lang.IllegalStateException: no\n\tat a.B(C.java:3)\n\tat a.D(E.java:4)\nfine\n\tat lunch\n"
    assert rows(text) == [
        (1, 3, 1, ERROR, b"java.lang.IllegalStateException: no"),
        (4, 4, 1, PLAIN, b"fine"),
        (5, 5, 1, PLAIN, b" at lunch"),
    ]


def test_what_varies_is_masked_and_what_tells_errors_apart_is_not() -> None:
    text = (
        b"2026-11-20T02:00:01.123Z took 3.5 s, id 550e8400-e29b-41d4-a716-446655440000, at 0x7f3a\n"
        b"2026-11-21T12:10:11.003Z took 12.25 s, id 650e8400-e29b-41d4-a716-44665544abcd, at 0x7f3b4c\n"
        b"read '/etc/passwd' of https://example.org/a?b=1 into /var/lib/x/y.db\n"
        b"error: cannot read '/etc/shadow'\n"
    )
    assert [row[-1] for row in rows(text)] == [
        b"<time> took <num> s, id <uuid>, at <hex>",
        b"read <str> of <url> into <path>",
        b"error: cannot read '/etc/shadow'",
    ]


def test_a_json_line_keeps_its_keys_and_what_it_says() -> None:
    text = b'{"level":"info","msg":"got it","user":"ada","ms":12}\n{"level":"info","msg":"got it","user":"bo","ms":7}\n'
    assert rows(text) == [(1, 2, 2, PLAIN, b'{"level":"info","msg":"got it","user":<str>,"ms":<num>}')]


@pytest.mark.parametrize(("start", "level"), [(b"INFO user", PLAIN), (b"ERROR no user", ERROR)])
def test_a_few_of_one_shape_stay_apart_and_many_become_one(start: bytes, level: int) -> None:
    names = [bytes(chr(97 + n), "ascii") * 3 for n in range(MOST_ALIKE[level] + 1)]
    few = b"".join(start + b" %s here\n" % name for name in names[:-1])
    assert len(rows(few)) == len(names) - 1
    count = len(names)
    assert rows(few + start + b" %s here\n" % names[-1]) == [(1, count, count, level, start + b" <*> here")]


def test_words_in_two_places_may_vary() -> None:
    text = b"".join(
        b"user u%s comes from h%s\n" % (bytes([97 + n % 26]) * 3, bytes([97 + n // 26]) * 2) for n in range(676)
    )
    assert rows(text) == [(1, 676, 676, PLAIN, b"user <*> comes from <*>")]


def test_room_is_bounded_and_errors_have_their_own() -> None:
    many = MOST[PLAIN] + 500
    text = b"".join(b"-".join(bytes([97 + int(d)]) for d in f"{n:05}") + b"\n" for n in range(many))
    digest = digest_of(pieces(printed_as(text + b"ERROR at last\n")))
    (other,) = (t for t in digest.templates() if t.other)
    assert (other.count, other.first, other.last) == (500, MOST[PLAIN] + 1, many)
    (error,) = (t for t in digest.templates() if t.level == ERROR)
    assert (error.text, error.first) == (b"ERROR at last", many + 1)
    assert table(Digest.decode(digest.encode())) == table(digest)


def test_lines_that_cannot_be_looked_at_are_counted_apart() -> None:
    gap = Piece(2, 7, OUT, 0, GAP, b"")
    digest = digest_of(
        [Piece(1, 1, OUT, 0, WHOLE, b"a\n"), gap, LogGap(9, 10, "damaged"), Piece(11, 1, OUT, 0, WHOLE, b"a\n")]
    )
    assert (digest.lines, digest.unseen) == (11, 9)
    assert table(digest) == [(PLAIN, b"a", b"a", 2, 2, 1, 11, False)]


@pytest.mark.parametrize("data", [b"", b"{}", b"\x28\xb5\x2f\xfd garbage"])
def test_what_is_no_digest_is_refused(data: bytes) -> None:
    with pytest.raises(StoreDamaged):
        Digest.decode(data)
