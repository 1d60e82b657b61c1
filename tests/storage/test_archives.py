"""Archives: files that hold all of what was removed, open again, and are never half there."""

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from old_homes import NOW, furnish, over
from outlast.kernel import retention
from outlast.kernel.checksums import check_execution
from outlast.kernel.database import Connection
from outlast.kernel.errors import Conflict, InvalidInput, NotAllowed, StoreDamaged, StoreFull, StoreTooNew
from outlast.kernel.home import Home
from outlast.kernel.migrating import FILES, SCHEMA_VERSION, schema_version
from outlast.storage import reading
from outlast.storage.archives import open_archive, open_read_only
from outlast.storage.archiving import making
from outlast.storage.history import Filter, page
from outlast.storage.logs.lines import Line
from outlast.storage.logs.reader import LogReader
from outlast.storage.maintenance import examine, restore
from outlast.storage.parts import parts_of
from outlast.storage.store import open_store
from stored import FAILED, TESTS, Hands, hands_on


def store_id(hands: Hands) -> str:
    return hands.read(reading.store_id)


def archive(hands: Hands, path: Path, *numbers: int) -> list[int]:
    """Write executions into an archive; those that are in there."""
    with making(path, store_id(hands), NOW) as made:
        for number in numbers:
            hands.read(lambda c, n=number: made.add(c, n))
        made.check()
        held = [n for n in numbers if hands.read(lambda c, n=n: made.holds(c, n))]
        made.finish()
    return held


def rows(connection: Connection, number: int) -> dict[str, list[tuple[object, ...]]]:
    parts = parts_of(connection)
    return {
        part.table: [part.renumbered(row, {}) for row in connection.execute(part.select(), (number,))]
        for part in (*parts.own, *parts.shared)
    }


async def look(path: Path, *queries: Callable[[Connection], object]) -> list[object]:
    async with open_archive(path) as store:
        return [await store.read(query) for query in queries]


def asked(path: Path, *queries: Callable[[Connection], object]) -> list[object]:
    """What an archive answers when it is opened as a store."""
    return anyio.run(look, path, *queries)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where an archive is to be; nothing else is left beside it."""
    place = tmp_path / "odd [name]%20?#.db"
    yield place
    assert set(os.listdir(tmp_path)) <= {place.name, "other.db"}


def test_what_belongs_to_an_execution_is_what_deleting_it_deletes(hands: Hands) -> None:
    parts = parts_of(hands.connection)
    own, shared = {part.table for part in parts.own}, {part.table for part in parts.shared}
    tables = set(hands.tables())
    assert own >= {"executions", "payloads", "params", "steps", "attempts", "events", "log_blocks", "log_seals"}
    assert own >= {"artifacts", "approvals", "snapshots", "pins", "removed_logs"}
    assert shared >= {"workflows", "workflow_versions", "users", "agents", "customers"}
    number, other = over(hands), over(hands)
    for one in (number, other):
        furnish(hands, one)
    before = {table: len(hands.rows(f"SELECT 1 FROM {table}")) for table in tables}
    mine = {table: len(found) for table, found in rows(hands.connection, number).items()}
    hands.write(lambda c: retention.remove(c, [number]))
    for table in tables - {"sqlite_sequence", "counters"}:
        assert len(hands.rows(f"SELECT 1 FROM {table}")) == before[table] - (mine[table] if table in own else 0), table


@pytest.mark.requirement("S3-9")
def test_an_archive_holds_everything_with_its_checksums(hands: Hands, place: Path) -> None:
    numbers = [over(hands, log=b"first\nsecond\n"), over(hands, outcome=FAILED)]
    for number in numbers:
        furnish(hands, number)
    before = {number: rows(hands.connection, number) for number in numbers}
    assert all(found["artifacts"] and found["snapshots"] and found["log_blocks"] for found in before.values())
    assert archive(hands, place, *numbers) == numbers
    assert hands.write(lambda c: retention.remove(c, numbers)) == numbers
    assert place.stat().st_mode & 0o777 == 0o600
    with closing(open_read_only(place)) as opened:
        assert {number: rows(opened, number) for number in numbers} == before
        assert examine(opened).problems == ()
        with closing(LogReader(opened, numbers[0], None, ["run"])) as reader:
            assert [line.data for line in reader.last(9) if isinstance(line, Line)] == [b"first", b"second"]


@pytest.mark.requirement("S3-9")
def test_an_archive_is_opened_again_and_only_read(hands: Hands, place: Path) -> None:
    numbers = [over(hands, workflow_id="a"), over(hands, workflow_id="b"), over(hands, workflow_id="b")]
    archive(hands, place, *numbers)
    before = place.read_bytes()

    async def use() -> str:
        async with open_archive(place) as store:
            found = await store.read(lambda c: page(c, Filter(workflow_id="b")))
            assert ([row.number for row in found.executions], found.total) == (numbers[:0:-1], 2)
            execution = await store.read(lambda c: reading.execution(c, numbers[0]))
            details = await store.read(lambda c: reading.details(c, numbers[0]))
            assert (execution.workflow_id, execution.log_lines, details.params[0].value) == ("a", 1, 3)
            with pytest.raises(NotAllowed, match="is an archive"):
                await store.write(lambda c: retention.pin(c, numbers[0], "ada", NOW))
            return store.home.root

    scratch = anyio.run(use)
    assert not os.path.exists(scratch)
    assert place.read_bytes() == before


@pytest.mark.requirement("S3-9")
def test_an_archive_gets_more_and_what_it_has_is_not_doubled(hands: Hands, place: Path) -> None:
    first, second, third = over(hands), over(hands), over(hands)
    archive(hands, place, first, second)
    assert archive(hands, place, second, third) == [second, third]
    with closing(open_read_only(place)) as opened:
        assert [row.number for row in page(opened, Filter()).executions] == [third, second, first]
        assert page(opened, Filter()).total == 3
        assert examine(opened).problems == ()


def test_a_log_that_the_store_has_removed_since_stays_in_the_archive(hands: Hands, place: Path) -> None:
    number = over(hands)
    archive(hands, place, number)
    hands.write(lambda c: retention.remove_logs(c, [number], NOW))
    assert archive(hands, place, number) == [number]
    with closing(open_read_only(place)) as opened:
        assert len(rows(opened, number)["log_blocks"]) == 1
        assert rows(opened, number)["removed_logs"] == []


def test_numbers_that_sqlite_gives_again_are_in_nobody_s_way(hands: Hands, place: Path) -> None:
    """The rowid of a deleted block is that of the next one."""
    before: dict[int, dict[str, list[tuple[object, ...]]]] = {}
    blocks: list[object] = []
    for text in (b"one\n", b"two\n", b"three\n"):
        number = over(hands, log=text)
        furnish(hands, number)
        before[number] = rows(hands.connection, number)
        blocks += hands.rows("SELECT id FROM log_blocks")
        assert archive(hands, place, number) == [number]
        hands.write(lambda c, n=number: retention.remove(c, [n]))
    assert len(set(blocks)) == 1
    with closing(open_read_only(place)) as opened:
        assert {number: rows(opened, number) for number in before} == before
        assert examine(opened).problems == ()


def test_rows_that_refer_to_such_numbers_follow_them(hands: Hands) -> None:
    """As tables of later migrations may."""
    first, second = over(hands), over(hands)
    hands.write(
        lambda c: c.execute(
            "CREATE TABLE a_note(block INTEGER PRIMARY KEY REFERENCES log_blocks(id) ON DELETE CASCADE, text TEXT,"
            " execution INTEGER REFERENCES executions(number) ON DELETE CASCADE)"
        )
    )
    hands.write(lambda c: c.execute("INSERT INTO a_note SELECT id, 'of #' || execution, execution FROM log_blocks"))
    own = parts_of(hands.connection).own
    tables = [part.table for part in own]
    assert tables.index("a_note") > tables.index("log_blocks") > tables.index("executions") == 0
    note = own[tables.index("a_note")]
    assert (note.serial, note.links) == (None, (("block", "log_blocks"),))
    assert note.renumbered((7, "x", 1), {"log_blocks": {7: 9}}) == (9, "x", 1)
    for number in (first, second):
        assert hands.connection.execute(note.select(), (number,)).fetchall()[0][1] == f"of #{number}"


def test_a_table_for_full_text_goes_by_the_number(hands: Hands) -> None:
    first, second = over(hands), over(hands)
    hands.write(lambda c: c.execute("CREATE VIRTUAL TABLE some_texts USING fts5(text)"))
    for number in (first, second):
        hands.write(lambda c, n=number: c.execute("INSERT INTO some_texts(rowid, text) VALUES (?, ?)", (n, f"of {n}")))
    (texts,) = (part for part in parts_of(hands.connection).own if part.table == "some_texts")
    assert hands.connection.execute(texts.select(), (second,)).fetchall() == [(second, f"of {second}")]
    hands.write(lambda c: c.execute(texts.delete(), (first,)))
    hands.write(lambda c: c.execute(texts.insert(), (first, "again")))
    assert hands.rows("SELECT rowid FROM some_texts WHERE some_texts MATCH 'again'") == [(first,)]


def test_what_it_was_retried_from_is_still_told_though_it_is_elsewhere(hands: Hands, place: Path) -> None:
    first = over(hands)
    retry = over(hands, retry_of=first)
    archive(hands, place, retry)
    with closing(open_read_only(place)) as opened:
        assert reading.execution(opened, retry).retry_of == first


def test_what_was_changed_since_it_was_written_is_not_held(hands: Hands, place: Path) -> None:
    number, other = over(hands), over(hands)
    retry = over(hands, retry_of=other)
    with making(place, store_id(hands), NOW) as made:
        for one in (number, retry):
            hands.read(lambda c, n=one: made.add(c, n))
        hands.write(lambda c: retention.remove(c, [other]))
        made.check()
        assert hands.read(lambda c: made.holds(c, number))
        assert not hands.read(lambda c: made.holds(c, retry))


def test_the_archive_of_another_home_is_left_alone(hands: Hands, place: Path, home: Home) -> None:
    number = over(hands)
    archive(hands, place, number)
    before = place.read_bytes()
    with hands_on(home) as others:
        theirs = over(others)
        with pytest.raises(Conflict, match="another home") as caught:
            archive(others, place, theirs)
    assert caught.value.code == "archive_differs"
    assert place.read_bytes() == before


def test_other_executions_under_the_same_numbers_are_refused(hands: Hands, place: Path) -> None:
    number = over(hands)
    archive(hands, place, number)
    hands.change(number, "id = x'00112233445566778899aabbccddeeff'")
    with pytest.raises(Conflict, match=f"another #{number}"):
        archive(hands, place, number)
    other = over(hands, workflow_id="new")
    with closing(sqlite3.connect(place)) as raw, raw:
        raw.execute("INSERT INTO workflows SELECT id, 'different', 0 FROM workflows WHERE FALSE")
        raw.execute("UPDATE users SET name = 'eve'")
    with pytest.raises(Conflict, match="other users"):
        archive(hands, place, other)


def test_a_damaged_execution_is_not_archived_as_if_it_were_sound(hands: Hands, place: Path) -> None:
    number = over(hands)
    hands.write(lambda c: c.execute("UPDATE executions SET priority = 7"))
    with pytest.raises(StoreDamaged):
        archive(hands, place, number)
    assert not place.exists()


@pytest.mark.requirement("S3-9")
def test_without_room_there_is_no_half_of_an_archive(
    hands: Hands, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = over(hands)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreFull, match="No space left"):
            archive(hands, place, number)
    assert not place.exists()
    archive(hands, place, number)
    before = place.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreFull, match="No space left"):
            archive(hands, place, number)
    assert place.read_bytes() == before


def test_a_disk_that_gets_full_while_it_is_written_is_said(hands: Hands, place: Path) -> None:
    number = over(hands, log=random.Random(7).randbytes(600_000))
    with making(place, store_id(hands), NOW) as made:
        made._connection.execute("PRAGMA max_page_count = 100")  # pyright: ignore[reportPrivateUsage]  # a full disk
        with pytest.raises(StoreFull, match="no room for the archive"):
            hands.read(lambda c: made.add(c, number))
    assert not place.exists()


def test_an_archive_that_is_not_what_was_written_gets_no_name(hands: Hands, place: Path) -> None:
    numbers = [over(hands) for _ in range(3)]
    with making(place, store_id(hands), NOW) as made:
        for number in numbers:
            hands.read(lambda c, n=number: made.add(c, n))
        (aside,) = place.parent.glob("*.tmp")
        with aside.open("r+b") as file:
            file.seek(8 * 4096)
            file.write(b"\xff" * 40960)
        with pytest.raises((StoreDamaged, InvalidInput)):
            made.check()
    assert not place.exists()


def test_a_file_system_without_links_will_do(hands: Hands, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    number = over(hands)
    assert archive(hands, place, number) == [number]
    with closing(open_read_only(place)) as opened:
        assert page(opened, Filter()).total == 1


def test_nobody_s_file_is_written_over(hands: Hands, place: Path) -> None:
    number = over(hands)
    with making(place, store_id(hands), NOW) as made:
        hands.read(lambda c: made.add(c, number))
        made.check()
        place.write_text("mine")
        with pytest.raises(InvalidInput, match="just been made"):
            made.finish()
    assert place.read_text() == "mine"
    with pytest.raises(InvalidInput, match="not an archive"):
        archive(hands, place, number)
    assert place.read_text() == "mine"
    with pytest.raises(InvalidInput, match="cannot be written: No such file"):
        archive(hands, place.parent / "nowhere" / "x.db", number)


def test_an_archive_is_no_backup_and_a_backup_no_archive(place: Path, home: Home) -> None:
    with hands_on(home) as hands:
        archive(hands, place, over(hands))

    async def put_back() -> None:
        async with open_store(home) as store:
            await restore(store, place)

    with pytest.raises(InvalidInput, match="is an archive"):
        anyio.run(put_back)
    for path in (Path(home.database), Path(home.root, "missing"), TESTS / "data"):
        with pytest.raises(InvalidInput):
            asked(path)


def test_an_archive_of_a_newer_outlast_is_refused(hands: Hands, place: Path) -> None:
    number = over(hands)
    archive(hands, place, number)
    with closing(sqlite3.connect(place)) as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = place.read_bytes()
    with pytest.raises(StoreTooNew, match="newer Outlast"):
        archive(hands, place, number)
    with pytest.raises(StoreTooNew, match="newer Outlast"):
        asked(place)
    assert place.read_bytes() == before


def older(path: Path) -> int:
    """An archive as it would be of the first schema, with one execution; its number."""
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.executescript((TESTS / "data/schema-0001.sql").read_text(encoding="utf-8"))
        made.execute("PRAGMA foreign_keys = ON")
        made.execute("DELETE FROM executions WHERE number > 1")
        made.execute("INSERT INTO meta VALUES ('archive', '1')")
        assert schema_version(made) == 1 < len(FILES)
    return 1


@pytest.mark.requirement("S3-9")
def test_an_archive_of_an_older_outlast_is_read_on_a_copy_and_appended_to(hands: Hands, place: Path) -> None:
    number = older(place)
    before = place.read_bytes()
    version, lines = asked(place, schema_version, lambda c: reading.execution(c, number).log_lines)
    assert (version, lines) == (SCHEMA_VERSION, 2)
    assert place.read_bytes() == before
    # A store that has come as far since: the same home, later.
    with closing(open_read_only(place)) as old:
        for table in ("users", "agents", "customers", "workflows", "workflow_versions"):
            for row in old.execute(f"SELECT * FROM {table}").fetchall():
                marks = ", ".join("?" * len(row))
                hands.write(lambda c, t=table, m=marks, r=row: c.execute(f"INSERT INTO {t} VALUES ({m})", r))
        theirs = reading.store_id(old)
    hands.write(lambda c: c.execute("UPDATE meta SET value = ? WHERE key = 'store_id'", (theirs,)))
    hands.write(lambda c: c.execute("INSERT INTO sqlite_sequence VALUES ('executions', 7)"))
    newer = over(hands)
    assert archive(hands, place, newer) == [newer]
    with closing(open_read_only(place)) as opened:
        assert [row.number for row in page(opened, Filter()).executions] == [newer, number]
        assert schema_version(opened) == SCHEMA_VERSION


def test_an_archive_made_by_all_migrations_has_the_schema_of_a_store(hands: Hands, place: Path) -> None:
    def schema(connection: Connection) -> list[tuple[str, str]]:
        found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1")
        return [(name, " ".join(sql.split())) for name, sql in found]

    archive(hands, place, over(hands))
    with closing(open_read_only(place)) as opened:
        assert schema(opened) == schema(hands.connection)
        check_execution(opened, 1)
