"""A spool that grows: how many lines came, and whether it was emptied."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.clock import Clock
from outlast.kernel.marks import MERGED, Spool
from outlast.supervisor import growing
from outlast.supervisor.growing import COUNTED, GrowingSpool

OUT = Spool(1, 1, MERGED)
CLOCK = Clock()
WORDS = (b"a", b"\n", b"\n\n", b"bb\ncc", b"x" * 23, b"x" * 24, b"y" * 60)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "out"
    path.write_bytes(b"")
    return path


def spool_at(path: Path, marked: int = 0, begin: int = 0) -> GrowingSpool:
    return GrowingSpool(OUT, str(path), marked=marked, begin=begin, clock=CLOCK)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def lines_of(data: bytes, longest: int) -> tuple[int, int]:
    """How many lines the rules of numbering make of a text, and how many bytes are left behind the last."""
    count = start = 0
    while True:
        newline = data.find(b"\n", start, start + longest)
        if newline < 0 and len(data) - start < longest:
            return count, len(data) - start
        start = newline + 1 if newline >= 0 else start + longest
        count += 1


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(b"".join), max_size=8))
def test_lines_are_counted_as_they_will_be_numbered(pieces: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(growing, "MAX_LINE", 24)
        patch.setattr(growing, "CHUNK", 16)
        path = Path(directory, "out")
        path.write_bytes(b"")
        spool, marked, counted, whole = spool_at(path), 0, 0, b""
        for piece in pieces:
            append(path, piece)
            whole += piece
            growth = spool.growth(marked)
            spool.took(growth)
            marked, counted = growth.end, counted + growth.lines
            assert (marked, counted, growth.unfinished) == (len(whole), *lines_of(whole, 24))
        spool.close()


def test_a_successor_counts_on_in_an_unfinished_line(path: Path) -> None:
    append(path, b"one\ntwo")
    spool = spool_at(path, 7)
    append(path, b", two\nthree")
    growth = spool.growth(7)
    assert (spool.unfinished, growth.lines, growth.unfinished) == (3, 1, 5)
    spool.close()


def test_what_grew_too_fast_to_be_read_counts_too_many_lines_and_goes_on_exactly(path: Path) -> None:
    spool = spool_at(path)
    append(path, b"a line of a fast program\n" * (COUNTED // 25 + 1) + b"begun")
    growth = spool.growth(0)
    assert growth.lines == growth.end == path.stat().st_size > COUNTED
    spool.took(growth)
    append(path, b", ended\n")
    assert spool.growth(growth.end).lines == 1
    spool.close()


@pytest.mark.parametrize("new", [b"", b"x\n", b"two\n", b"one\nand more than before\n"], ids=len)
def test_emptying_is_noticed_however_much_is_written_afterwards(path: Path, new: bytes) -> None:
    spool = spool_at(path)
    append(path, b"one\n")
    spool.took(spool.growth(0))
    assert not spool.emptied(4)
    append(path, b"more\n")
    assert not spool.emptied(4)
    path.write_bytes(new)
    # A text that begins as the old one ended cannot be told from it, and loses nothing either.
    assert spool.emptied(4) == (not new.startswith(b"one\n"))
    spool.begin_again(4)
    assert spool.growth(4) == (4 + len(new), new.count(b"\n"), 0)
    spool.close()


def test_what_a_power_cut_left_of_a_spool_was_not_emptied(path: Path) -> None:
    append(path, b"one\nt")
    boot = CLOCK.now() - CLOCK.boottime()
    spool = spool_at(path, 100)
    assert spool.emptied(100)
    spool.close()
    before = (boot - 1_000_000) * 1000
    os.utime(path, ns=(before, before))
    spool = spool_at(path, 100)
    assert (spool.emptied(100), spool.changed(100), spool.growth(100).end) == (False, False, 100)
