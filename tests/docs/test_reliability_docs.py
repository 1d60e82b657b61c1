"""docs/reliability.md names tests that exist, and says of every invariant of the table where it is tested."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
FILE = re.compile(r"`(tests/[\w/]+\.py)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_is_named_exists() -> None:
    named = TEST.findall(PAGE)
    assert named
    for path, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test
    for path in FILE.findall(PAGE):
        assert (ROOT / path).is_file(), path


def test_every_invariant_has_a_row() -> None:
    rows = re.findall(r"^\| (I\d+) \| .+ \| (.+) \|$", PAGE, re.MULTILINE)
    assert [number for number, _ in rows] == [f"I{n}" for n in range(1, 33)]
    for number, tested in rows:
        assert TEST.search(tested) or tested.startswith("not built yet"), number


def test_no_figure_is_left_to_be_filled_in() -> None:
    assert not re.findall(r"^[A-Z]+$", PAGE, re.MULTILINE)
