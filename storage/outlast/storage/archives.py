"""Reading archives: each is opened like a store that nobody writes to."""

import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio

from outlast.kernel import backups
from outlast.kernel.database import Database, StoreConnection, lenient
from outlast.kernel.errors import InvalidInput, NotAllowed, StoreTooNew
from outlast.kernel.home import Home
from outlast.kernel.migrating import SCHEMA_VERSION, schema_version, upgrade
from outlast.storage.store import Rule, Store, T


class ArchiveDatabase(Database):
    """An archive as the database of a home that holds nothing else."""

    def __init__(self, scratch: Home, archive: Path) -> None:
        """`archive`: of the present schema."""
        super().__init__(scratch)
        self._archive = archive

    def connect(self, *, cache_kib: int = 2048) -> StoreConnection:
        connection = open_read_only(self._archive)
        connection.text_factory = lenient
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        return connection

    def write(self, connection: StoreConnection, rule: Rule[T]) -> T:
        raise NotAllowed(f"{self._archive} is an archive: it is only read.", next="outlast history --archive PATH")


def open_read_only(path: Path) -> StoreConnection:
    """An archive for reading. InvalidInput where it is none, StoreTooNew where a newer Outlast wrote it."""
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file.", next="outlast prune --archive PATH makes one")
    # Immutable: it is only ever replaced as a whole, and needs no right to write beside it.
    connection = sqlite3.connect(
        f"file:{backups.quoted(str(path))}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        factory=StoreConnection,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        if schema_version(connection) > SCHEMA_VERSION:
            raise StoreTooNew(f"{path} was written by a newer Outlast.", next="install the newer Outlast")
        if not backups.is_archive(connection):
            raise no_archive(path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise InvalidInput(f"{path} is not an archive of Outlast: {error}.") from error
    except BaseException:
        connection.close()
        raise
    return connection


def no_archive(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} is not an archive of Outlast.", next="outlast prune --archive PATH makes one")


@asynccontextmanager
async def open_archive(path: Path) -> AsyncGenerator[Store]:
    """The store that an archive is. Its home is a directory that goes away afterwards, so that nothing is looked for in
    anybody's home; an archive of an older schema is migrated on a copy there."""
    scratch = Home(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="outlast-archive-")))
    try:
        database = await anyio.to_thread.run_sync(prepared, scratch, path)
        store = Store(database)
        try:
            yield store
        finally:
            await store.close()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(scratch.root))


def prepared(scratch: Home, path: Path) -> ArchiveDatabase:
    scratch.create()
    with closing(open_read_only(path)) as archive:
        if schema_version(archive) == SCHEMA_VERSION:
            return ArchiveDatabase(scratch, path)
        copy = Path(scratch.root, "archive.db")
        with closing(sqlite3.connect(copy, isolation_level=None)) as made:
            archive.backup(made)
            upgrade(made)
        return ArchiveDatabase(scratch, copy)
