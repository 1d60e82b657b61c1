"""The database as a whole: copied, copied back, checked."""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from outlast.kernel import backups, executions, faults, texts, wal
from outlast.kernel.checksums import check_execution, crc
from outlast.kernel.clock import Clock
from outlast.kernel.database import Database, StoreConnection, translated
from outlast.kernel.errors import Conflict, InvalidInput, StoreDamaged
from outlast.kernel.files import read_regular
from outlast.kernel.home import Home, RunDirectory
from outlast.kernel.ids import format_id
from outlast.kernel.locks import run_lock_held
from outlast.kernel.migrating import SCHEMA_VERSION, migrate, schema_version, too_new
from outlast.kernel.plan import decode_plan
from outlast.kernel.queries import load
from outlast.kernel.seals import Block
from outlast.storage import reading
from outlast.storage.logs.blocks import decode
from outlast.storage.store import Store

T = TypeVar("T")

SQL = load("maintenance")
LOST = "its run directory was gone when the database was restored from a backup"


@dataclass(frozen=True, slots=True)
class Restored:
    executions: int
    """In the database now."""
    reinserted: tuple[int, ...]
    """Not in the backup, but found in run directories."""
    lost: tuple[int, ...]
    """Live in the backup, over and gone since: what became of them is not known any more."""
    missing: tuple[int, ...]
    """Newer than the backup and nowhere to be found; their numbers are never given again."""
    previous: Path
    """A backup of what was there before."""


@dataclass(frozen=True, slots=True)
class Report:
    problems: tuple[str, ...]
    sqlite_version: str
    executions: int


async def backup(store: Store, path: Path | None, kept: int = backups.KEPT) -> Path:
    """Copy the database while it is in use: to `path`, which must not exist, or into the home's backups, of which
    the newest `kept` stay. Returns where it is."""

    def work(database: Database, connection: StoreConnection) -> Path:
        with database.lock.held(database.lock_timeout):
            if path is None:
                return Path(backups.take(connection, database.home, "manual", kept=kept))
            return copy_to(connection, path)

    return await store.maintain(work)


def copy_to(connection: sqlite3.Connection, path: Path) -> Path:
    """Copy the database to `path`. InvalidInput where no file can be made there; a full disk is the store's error."""
    try:
        if path.exists():
            raise InvalidInput(f"{path} exists already.", next="choose a path where nothing is")
        if not path.parent.exists():
            raise InvalidInput(f"{path.parent} does not exist.", next=f"mkdir -p {path.parent}, or choose another path")
        backups.copy(connection, str(path))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", next="choose another path") from error
    return path


async def restore(store: Store, path: Path, clock: Clock | None = None) -> Restored:
    """Put a backup in the database's place, and back in whatever run directories know beyond it.

    The copy goes into the live database through SQLite, so that open servers see it. Refused (Conflict
    `execution_is_live`) while any supervisor lives. InvalidInput where `path` is no sound backup.
    """
    now = (clock or Clock()).now()
    return await store.maintain(lambda database, connection: put_back(database, connection, path, now))


def set_aside(home: Home, backup: Path) -> Path:
    """Move a database that cannot be opened out of the way, so that `backup` can be restored; where it is now.

    Nothing is moved for a backup that is none (InvalidInput), or while any supervisor lives (Conflict
    `execution_is_live`). Blocks for the store lock.
    """
    backups.open_copy(str(backup)).close()
    database = Database(home)
    try:
        with database.lock.held(database.lock_timeout):
            refuse_while_supervised(home)
            return Path(backups.set_aside(home))
    finally:
        database.lock.close()


async def check(store: Store) -> Report:
    """Whether the database is what was written: SQLite's own check, then every checksum. Reads everything."""
    return await store.scan(examine)


async def compact(store: Store) -> tuple[int, int]:
    """Write the database anew without its free pages; its bytes before and after. Writers wait meanwhile."""
    return await store.maintain(make_compact)


def make_compact(database: Database, connection: StoreConnection) -> tuple[int, int]:
    path = Path(database.home.database)
    with translated(str(path)), database.lock.held(database.lock_timeout):
        database.check_file(connection)
        if schema_version(connection) > SCHEMA_VERSION:
            raise too_new()
        before = path.stat().st_size
        # The copy that is made on the way may be larger than memory.
        connection.execute("PRAGMA temp_store = FILE")
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("VACUUM")
        finally:
            connection.execute("PRAGMA temp_store = MEMORY")
        wal.empty(connection, wal.PATIENCE_MS)
        return before, path.stat().st_size


def put_back(database: Database, connection: StoreConnection, path: Path, now: int) -> Restored:
    home = database.home
    if path.exists() and path.samefile(home.database):
        raise InvalidInput(f"{path} is the database itself.", next="ls " + home.backups)
    with closing(backups.open_copy(str(path))) as copy:
        if schema_version(copy) > SCHEMA_VERSION:
            raise too_new()
        with database.lock.held(database.lock_timeout):
            database.check_file(connection)
            if schema_version(connection) > SCHEMA_VERSION:
                raise too_new()
            refuse_while_supervised(home)
            refuse_foreign(connection, copy, path)
            previous = backups.take(connection, home, "before-restore")
            highest_before = max(executions.highest_number(connection), executions.kept_number(home))
            executions.keep_number(home, highest_before, durably=True)
            # Made whole beside the database, then copied into it at once: whoever is killed in between has restored
            # all of it or nothing, and no server starts again what the backup calls pending and is long over.
            with backups.workshop(home, copy) as made:
                migrate(made, home)
                lost, reinserted = transaction(made, lambda c: reconcile_directories(c, home, now))
                faults.reach("restore.made")
                made.backup(connection)
    known = {number for (number,) in connection.execute(SQL["all_executions"])}
    newest = max(known - set(reinserted), default=0)
    missing = [number for number in range(newest + 1, highest_before + 1) if number not in known]
    return Restored(len(known), tuple(reinserted), tuple(lost), tuple(missing), Path(previous))


def transaction(connection: sqlite3.Connection, rule: Callable[[sqlite3.Connection], T]) -> T:
    """Run a rule on a database that nobody else has open."""
    connection.execute("BEGIN IMMEDIATE")
    result = rule(connection)
    connection.execute("COMMIT")
    return result


def refuse_foreign(connection: sqlite3.Connection, copy: sqlite3.Connection, path: Path) -> None:
    """Another home's executions must not take the place of this one's; into one that has none they may move."""
    ours, theirs = reading.store_id(connection), reading.store_id(copy)
    if ours != theirs and highest(connection):
        raise Conflict(
            f"{path} is a backup of another home's database; its executions would take the place of this home's.",
            code="backup_of_another_home",
            next="restore it into an empty home: OUTLAST_HOME=DIRECTORY outlast db restore PATH",
        )


def refuse_while_supervised(home: Home) -> None:
    for directory in Path(home.runs).iterdir():
        run = home.run(directory.name)
        if directory.is_dir() and run_lock_held(run.run_lock):
            raise Conflict(
                f"{called(run)} is running; a restore would take the ground from under it.",
                code="execution_is_live",
                next="outlast ps; wait for it or cancel it, then restore",
                handle_id=directory.name,
            )


def called(run: RunDirectory) -> str:
    """An execution as people call it, without the database."""
    try:
        return f"#{int(read_regular(run.number))}"
    except (OSError, ValueError):  # its supervisor has not got as far as that
        return f"Execution {Path(run.path).name}"


def highest(connection: sqlite3.Connection) -> int:
    return connection.execute(SQL["highest"]).fetchone()[0]


def reconcile_directories(connection: sqlite3.Connection, home: Home, now: int) -> tuple[list[int], list[int]]:
    """Settle what the backup calls live and nothing is left of, re-insert what only run directories know."""
    lost: list[int] = []
    for number, raw_id in connection.execute(SQL["live_ids"]).fetchall():
        if not Path(home.run(format_id(raw_id)).path).is_dir():
            executions.lose(connection, number, LOST, now)
            lost.append(number)
    reinserted: list[int] = []
    for directory in sorted(Path(home.runs).iterdir()):
        run = home.run(directory.name)
        try:
            plan = decode_plan(read_regular(run.plan))
            number = int(read_regular(run.number))
        except (OSError, ValueError):
            continue  # never got its row, or is being removed: nobody was told of it
        if reading.knows(connection, plan.id):
            continue
        given = executions.reinsert(connection, home, plan, number, now)
        if given != number:
            Path(run.number).write_text(f"{given}\n")
        reinserted.append(given)
    return lost, reinserted


def examine(connection: sqlite3.Connection) -> Report:
    problems: list[str] = []
    for look in (
        structure,
        references,
        damaged_executions,
        damaged_params,
        damaged_payloads,
        damaged_blocks,
        text_index,
    ):
        try:
            problems += look(connection)
        except sqlite3.DatabaseError as error:  # a broken page ends one look, not the others
            problems.append(f"{look.__name__.replace('_', ' ')}: {error}")
    executions_known = connection.execute(SQL["count"]).fetchone()[0]
    return Report(tuple(problems), sqlite3.sqlite_version, executions_known)


def structure(connection: sqlite3.Connection, most: int = 100) -> tuple[str, ...]:
    """What SQLite itself finds wrong; at most about `most` sentences."""
    return tuple(text for (text,) in connection.execute(f"PRAGMA integrity_check({most:d})") if text != "ok")


def references(connection: sqlite3.Connection) -> Iterator[str]:
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(100):
        yield f"row {rowid} of {table} refers to a missing row of {parent}"


def damaged_executions(connection: sqlite3.Connection) -> Iterator[str]:
    """A sentence for every row whose checksum does not match; so do the following."""
    for (number,) in connection.execute(SQL["all_executions"]).fetchall():
        try:
            check_execution(connection, number)
        except StoreDamaged as error:
            yield error.message
    for (number,) in connection.execute(SQL["without_payload"]):
        yield f"#{number}: its payload is missing"


def text_index(connection: sqlite3.Connection) -> Iterator[str]:
    return texts.problems(connection)


def damaged_params(connection: sqlite3.Connection) -> Iterator[str]:
    for number, name, kind, value, secret, checksum in connection.execute(SQL["all_params"]):
        if crc(number, name, kind, value, secret) != checksum:
            yield f"#{number}: parameter {name!r} is damaged (checksum mismatch)"


def damaged_payloads(connection: sqlite3.Connection) -> Iterator[str]:
    for number, plan, output, leftovers, checksum in connection.execute(SQL["all_payloads"]):
        if crc(plan, output, leftovers) != checksum:
            yield f"#{number}: its payload is damaged (checksum mismatch)"


def damaged_blocks(connection: sqlite3.Connection) -> Iterator[str]:
    for number, *block in connection.execute(SQL["all_blocks"]):
        try:
            decode(Block(*block))
        except StoreDamaged as error:
            yield f"#{number}: {error.message}"
