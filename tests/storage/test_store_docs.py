"""docs/database.md names every table and every column, and nothing that is not there; what it shows can be run."""

import re
from collections.abc import Iterator

import pytest

from stored import TESTS, Hands, plan_of

TEXT = (TESTS.parent / "docs/database.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)


def sections() -> Iterator[tuple[str, set[str]]]:
    """Each table of the page, with the columns in the first cells of its rows."""
    for part in TEXT.split("\n### ")[1:]:
        heading, _, body = part.partition("\n")
        cells = [line.split("|")[1] for line in body.splitlines() if line.startswith("| `")]
        yield heading.strip("`"), {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.requirement("S4-16")
def test_every_table_and_column_is_explained_and_no_other(hands: Hands) -> None:
    tables = {
        str(table): {str(column) for (column,) in hands.rows("SELECT name FROM pragma_table_info(?)", table)}
        for (table,) in hands.rows(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite_%'"
        )
    }
    assert dict(sections()) == tables


def test_every_table_says_what_it_is_for() -> None:
    for part in TEXT.split("\n### ")[1:]:
        heading, _, body = part.partition("\n")
        purpose = body.partition("\n|")[0].strip()
        assert len(purpose) > 20, heading


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split("FROM")[1].split()[0])
def test_every_query_of_the_page_runs(hands: Hands, query: str) -> None:
    hands.limit(1)
    number = hands.run(plan=plan_of(params={"rows": 3}))
    hands.create()
    hands.write(
        lambda c: c.execute(
            "INSERT INTO log_blocks(execution, first_line, lines, first_at, last_at, raw_bytes, codec, segments, data,"
            " crc) VALUES (?, 1, 1, 1, 1, 1, 'raw', x'', x'00', 0)",
            (number,),
        )
    )
    assert hands.rows(query) != []


def test_the_kinds_of_events_are_the_ones_that_are_written() -> None:
    written: set[str] = set()
    for path in (TESTS.parent / "storage/outlast/kernel").glob("*.py"):
        written |= set(re.findall(r'events\.record\([^"]*"(\w+)"', path.read_text(encoding="utf-8")))
    (row,) = re.findall(r"^\| `kind` \| `created`.*$", TEXT, re.MULTILINE)
    terminal = {"completed", "failed", "cancelled", "timeout", "lost"}
    assert set(re.findall(r"`(\w+)`", row)) - {"kind"} == written - terminal


@pytest.mark.requirement("S3-18")
def test_the_way_back_is_documented() -> None:
    way = TEXT.partition("## Migrations, and the way back")[2].partition("\n## ")[0]
    for needed in ("backups/before-NNNN-", "outlast db restore", "before-restore-", "refuses", "lost"):
        assert needed in way
