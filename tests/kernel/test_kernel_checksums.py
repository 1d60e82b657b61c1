"""A flipped bit is found where it is read, and costs nobody but its own execution."""

import os
import random
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.checksums import SQL, Value, check_execution, crc
from outlast.kernel.database import Connection, lenient
from outlast.kernel.errors import OutlastError, StoreDamaged
from outlast.kernel.home import Home
from outlast.kernel.supervision import Ending
from outlast.storage import reading
from outlast.storage.history import Filter, outcomes, page
from outlast.storage.maintenance import examine
from stored import FAILED, Hands, hands_on, plan_of

VALUES = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats() | st.text() | st.binary()

FLIPS = 250
"""Bits flipped in the database's file, each for itself."""


def columns(raw: Connection, table: str) -> list[str]:
    return [name for (name,) in raw.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def flip(value: object, bit: int) -> object:
    """A value with one bit changed; None for what has no bits."""
    match value:
        case int():
            return value ^ 1 << bit
        case str() | bytes() if value:
            data = bytearray(value.encode() if isinstance(value, str) else value)
            data[-1] ^= 1 << bit
            return bytes(data)
        case _:
            return None


@contextmanager
def damaged(home: Home, table: str, where: str, column: str, bit: int) -> Generator[Connection | None]:
    """A look at a home's database with one bit of one value changed; None where that value has no bits.

    Past every check of the schema, as damage is, and rolled back at the end.
    """
    with closing(sqlite3.connect(home.database, isolation_level=None)) as raw:
        raw.text_factory = lenient
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("BEGIN")
        raw.execute("DROP TRIGGER executions_settled")
        raw.execute("DROP TRIGGER executions_recounted")
        (value,) = raw.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
        new = flip(value, bit)
        if new is None:
            yield None
            return
        if isinstance(value, str):
            assert isinstance(new, bytes)
            raw.execute(f"UPDATE {table} SET {column} = CAST(x'{new.hex()}' AS TEXT) WHERE {where}")
        else:
            raw.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (new,))
        yield raw


def intact(connection: Connection, number: int) -> None:
    assert reading.execution(connection, number).number == number
    assert reading.details(connection, number).params[1].value == number


@pytest.fixture
def three(hands: Hands) -> Hands:
    """Executions 1 to 3 with nearly everything that an execution can have."""
    for number in (1, 2, 3):
        plan = plan_of(
            at=hands.tick(),
            params={"name": "ü", "rows": number},
            labels={"team": "blue"},
            agent="planner",
            customer="acme",
            concurrency_key="k",
            idempotency_key=f"{number}k",
        )
        hands.create(plan._replace(client={"name": "desk"}, metadata={"ticket": 7}))
        hands.begin(number)
        hands.settle(number, FAILED, Ending({"rows": number}, None, [{"pid": 7}]))
    return hands


@given(st.lists(VALUES, max_size=5), st.lists(VALUES, max_size=5))
def test_what_differs_in_value_or_type_differs_in_its_checksum(one: list[Value], other: list[Value]) -> None:
    # Equal by chance in one of four thousand million cases.
    assert (crc(*one) == crc(*other)) is (repr(one) == repr(other))


def test_types_count() -> None:
    assert len({crc("1"), crc(1), crc(b"1"), crc(1.0), crc(None), crc("None"), crc("1", None)}) == 7


def test_an_executions_checksum_covers_every_column(hands: Hands) -> None:
    covered = SQL["facts"].partition("SELECT")[2].partition("FROM")[0].split(",")
    assert sorted(name.strip() for name in covered) == sorted(columns(hands.connection, "executions"))


@pytest.mark.requirement("S3-14")
@pytest.mark.parametrize("bit", [0, 6, 7])
def test_a_flipped_bit_in_any_column_of_an_execution_is_found_and_the_others_are_read(three: Hands, bit: int) -> None:
    """Bit 7 of a letter makes bytes that are no text: still damage, and nothing else."""
    found: set[str] = set()
    for column in columns(three.connection, "executions"):
        if column == "number" and bit == 0:
            continue  # that number is taken
        with damaged(three.home, "executions", "number = 2", column, bit) as raw:
            if raw is None:
                continue
            found.add(column)
            number = 2 ^ 1 << bit if column == "number" else 2
            with pytest.raises(StoreDamaged, match=f"#{number}: its row in the database is damaged") as caught:
                reading.execution(raw, number)
            assert caught.value.handle_id == str(number)
            assert caught.value.next == "outlast db check, then outlast db restore"
            listed = page(raw, Filter())
            assert {summary.number for summary in listed.executions} == {1, 3}, column
            assert (listed.damaged, listed.total) == ((number,), 3)
            intact(raw, 1)
            intact(raw, 3)
            assert any(f"#{number}: its row" in problem for problem in examine(raw).problems), column
            reading.live(raw)
            reading.unsealed(raw)
            assert len(outcomes(raw, "report")) >= 2
    assert len(found) > 25
    assert three.read(examine).problems == ()


@pytest.mark.requirement("S3-14")
@pytest.mark.parametrize("bit", [0, 6, 7])
@pytest.mark.parametrize(
    ("table", "where"), [("params", "execution = 2 AND name = 'name'"), ("payloads", "execution = 2")]
)
def test_a_flipped_bit_in_a_parameter_or_payload_is_found(three: Hands, table: str, where: str, bit: int) -> None:
    for column in columns(three.connection, table):
        if column == "execution" and bit == 0:
            continue  # the row of another execution
        with damaged(three.home, table, where, column, bit) as raw:
            assert raw is not None, column
            with pytest.raises(StoreDamaged, match=r"#2: .* in the database is damaged"):
                reading.details(raw, 2)
            assert reading.execution(raw, 2).number == 2
            intact(raw, 1)
            intact(raw, 3)
            assert examine(raw).problems != (), column
    assert three.read(examine).problems == ()


@pytest.mark.requirement("S3-14")
def test_bytes_that_are_no_text_any_more_end_no_query(three: Hands) -> None:
    """SQLite keeps them; Python's own reading of text would stop in the middle of a listing."""
    three.write(lambda c: c.execute("UPDATE executions SET labels = CAST(x'ff7b7d' AS TEXT) WHERE number = 2"))
    three.write(lambda c: c.execute("UPDATE params SET value = CAST(x'ff' AS TEXT) WHERE execution = 2"))
    three.write(lambda c: c.execute("UPDATE workflow_versions SET name = CAST(x'ff41' AS TEXT)"))
    listed = three.read(lambda c: page(c, Filter()))
    assert [summary.workflow_name for summary in listed.executions] == ["\ufffdA"] * 2
    assert listed.damaged == (2,)
    with pytest.raises(StoreDamaged):
        three.read(lambda c: reading.execution(c, 2))
    with pytest.raises(StoreDamaged):
        three.read(lambda c: reading.details(c, 2))
    problems = three.read(examine).problems
    assert len([problem for problem in problems if not problem.startswith("text index: #1, #3 ")]) == 3
    assert len(problems) == 4, "the name of a workflow has no checksum, but is known to the text index"


def test_a_live_row_that_cannot_be_read_keeps_nobody_from_the_others(hands: Hands) -> None:
    hands.create()
    hands.create()
    hands.begin(2)
    with damaged(hands.home, "executions", "number = 2", "status", 0) as raw:
        assert raw is not None
        assert [row.number for row in reading.live(raw)] == [1]
        assert reading.live_row(raw, 2) is None
    with damaged(hands.home, "payloads", "execution = 2", "plan", 1) as raw:
        assert raw is not None
        assert reading.libraries_in_use(raw) == {"0123456789abcdef"}


def facts(connection: Connection) -> dict[int, object]:
    """What is known of each execution: its checked facts, or the code of the error instead."""
    known: dict[int, object] = {}
    for number in (1, 2, 3):
        try:
            check_execution(connection, number)
            row = connection.execute("SELECT * FROM executions WHERE number = ?", (number,)).fetchone()
            details = reading.details(connection, number)
            known[number] = (row, details.params, details.plan, details.output, details.leftovers)
        except OutlastError as error:
            known[number] = error.code
        except sqlite3.DatabaseError:  # what Database.read says in words
            known[number] = "store_damaged"
    return known


@pytest.mark.requirement("S3-14")
def test_wherever_in_the_file_a_bit_flips_nothing_false_is_read(three: Hands) -> None:
    """What is read is what was written, or an error; and the check finds whatever an execution has lost."""
    home = three.home
    true = facts(three.connection)
    found = three.rows(
        "SELECT rootpage FROM sqlite_schema WHERE name IN ('executions', 'params', 'payloads') ORDER BY 1"
    )
    pages = [int(str(page)) for (page,) in found]
    ((page_size,),) = three.rows("PRAGMA page_size")
    size = int(str(page_size))
    three.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(home.database, "rb") as file:
        sound = file.read()
    path = home.root + "/damaged.db"
    chance = random.Random(7)
    hit = 0
    for _ in range(FLIPS):
        at, bit = (chance.choice(pages) - 1) * size + chance.randrange(size), chance.randrange(8)
        with open(path, "wb") as file:
            file.write(sound[:at] + bytes([sound[at] ^ 1 << bit]) + sound[at + 1 :])
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True, isolation_level=None)) as raw:
            raw.text_factory = lenient
            read = facts(raw)
            wrong = [number for number in true if read[number] != true[number]]
            assert {read[number] for number in wrong} <= {"store_damaged", "execution_not_found"}, (at, bit, read)
            if wrong:
                hit += 1
                assert examine(raw).problems != (), (at, bit, read)
    assert hit > FLIPS / 20, "most of a page is empty, but not all of it"
    os.unlink(path)


@pytest.mark.requirement("S3-14")
def test_the_check_goes_on_behind_a_broken_page(home: Home) -> None:
    with hands_on(home) as hands:
        hands.run(plan=plan_of(params={"rows": 1}))
        ((root, size),) = hands.connection.execute(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'payloads'"
        ).fetchall()
        hands.write(lambda c: c.execute("UPDATE params SET value = '2'"))
    with open(home.database, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with hands_on(home) as hands:
        problems = hands.read(examine).problems
        assert "damaged payloads: database disk image is malformed" in problems
        assert "#1: parameter 'rows' is damaged (checksum mismatch)" in problems
        assert hands.read(lambda c: reading.execution(c, 1)).number == 1
