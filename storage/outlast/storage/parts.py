"""What belongs to one execution, found in the schema itself: what a later migration adds is not forgotten."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

ROOT = "executions"


Row = tuple[object, ...]
Numbers = dict[str, dict[object, object]]
"""By table: which number stands for which."""


class Reference(NamedTuple):
    """A foreign key."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    cascades: bool
    """What refers goes with what it refers to: it is a part of it."""


class Part(NamedTuple):
    """Rows of one table that belong to an execution, or that its rows refer to."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """The columns of its primary key, in which order its rows are read."""
    where: str
    """Its one parameter is the execution's number, which may stand there several times as `?1`."""
    serial: str | None
    """The column that only counts rows; a deleted row's number may be given again, to another execution's row."""
    links: tuple[tuple[str, str], ...]
    """Columns that refer to such a number, each with the table whose it is."""

    def select(self) -> str:
        return f"SELECT {listed(self.columns)} FROM {self.table} WHERE {self.where} ORDER BY {listed(self.key)}"

    def insert(self) -> str:
        return f"INSERT INTO {self.table}({listed(self.columns)}) VALUES ({', '.join('?' * len(self.columns))})"

    def delete(self) -> str:
        return f"DELETE FROM {self.table} WHERE {self.where}"

    def find(self) -> str:
        """The row with a key."""
        keys = " AND ".join(f"{column} = ?" for column in self.key)
        return f"SELECT {listed(self.columns)} FROM {self.table} WHERE {keys}"

    def key_of(self, row: Row) -> Row:
        return tuple(row[self.columns.index(column)] for column in self.key)

    def renumbered(self, row: Row, numbers: Numbers) -> Row:
        """A row with other numbers in its links, and none of its own."""
        values = list(row)
        for column, table in self.links:
            place = self.columns.index(column)
            values[place] = None if values[place] is None else numbers[table][values[place]]
        if self.serial is not None:
            values[self.columns.index(self.serial)] = None
        return tuple(values)

    def serial_of(self, row: Row) -> object:
        return None if self.serial is None else row[self.columns.index(self.serial)]


class Parts(NamedTuple):
    own: tuple[Part, ...]
    """The execution's row, and what is deleted with it; what refers stands behind what it refers to."""
    shared: tuple[Part, ...]
    """What its rows refer to and others may too: its workflow, its user …; these need no order."""


def parts_of(connection: sqlite3.Connection) -> Parts:
    """The tables that hold something of an execution. Those for full text have no foreign keys: their rows have the
    numbers of executions."""
    tables = tables_of(connection, "table")
    texts = [text_part(connection, table) for table in tables_of(connection, "virtual")]
    references = {table: list(references_of(connection, table)) for table in tables}
    own = {ROOT: "number = ?1"}
    while found := {
        table: narrowed(reference, own[reference.parent])
        for table in tables
        if table not in own
        for reference in references[table]
        if reference.cascades and reference.parent in own
    }:
        own |= found
    own = {table: own[table] for table in parents_first(own, references)}
    shared: dict[str, list[str]] = {}
    queue = list(own.items())
    while queue:
        table, where = queue.pop()
        for reference in references[table]:
            if reference.parent in own:
                continue
            values = f"SELECT {listed(reference.columns)} FROM {table} WHERE {where}"
            further = f"({listed(reference.parent_columns)}) IN ({values})"
            if further not in shared.setdefault(reference.parent, []):
                shared[reference.parent].append(further)
                queue.append((reference.parent, further))
    serials = {table: serial_of(connection, table, references[table]) for table in own}
    links = {
        table: tuple(
            (column, reference.parent)
            for reference in references[table]
            for column, parent in zip(reference.columns, reference.parent_columns, strict=True)
            if serials.get(reference.parent) == parent
        )
        for table in own
    }
    return Parts(
        (
            *(
                part(connection, table, where)._replace(serial=serials[table], links=links[table])
                for table, where in own.items()
            ),
            *texts,
        ),
        tuple(part(connection, table, " OR ".join(several)) for table, several in shared.items()),
    )


def tables_of(connection: sqlite3.Connection, kind: str) -> list[str]:
    found = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = ? AND name NOT LIKE 'sqlite_%'"
        " ORDER BY name",
        (kind,),
    )
    return [name for (name,) in found]


def text_part(connection: sqlite3.Connection, table: str) -> Part:
    columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    return Part(table, ("rowid", *columns), ("rowid",), "rowid = ?1", None, ())


def references_of(connection: sqlite3.Connection, table: str) -> Iterator[Reference]:
    rows = connection.execute(
        'SELECT id, "from", "table", "to", on_delete FROM pragma_foreign_key_list(?) ORDER BY id, seq', (table,)
    ).fetchall()
    for number in sorted({row[0] for row in rows}):
        mine = [row for row in rows if row[0] == number]
        columns, parents = tuple(row[1] for row in mine), tuple(row[3] for row in mine)
        yield Reference(columns, mine[0][2], parents, mine[0][4] == "CASCADE")


def parents_first(tables: Iterable[str], references: Mapping[str, list[Reference]]) -> Iterator[str]:
    """The tables in an order in which each stands behind those that it refers to."""
    left = list(tables)
    while left:
        ready = [
            table
            for table in left
            if not any(reference.parent in left and reference.parent != table for reference in references[table])
        ]
        if not ready:
            raise ValueError(f"{', '.join(left)} refer to each other")
        yield from ready
        left = [table for table in left if table not in ready]


def serial_of(connection: sqlite3.Connection, table: str, references: Iterable[Reference]) -> str | None:
    """The column of a table that SQLite numbers by itself and that means nothing else."""
    keys = connection.execute("SELECT name, type FROM pragma_table_info(?) WHERE pk", (table,)).fetchall()
    if table == ROOT or len(keys) != 1 or keys[0][1] != "INTEGER":
        return None
    name = keys[0][0]
    return None if any(name in reference.columns for reference in references) else name


def narrowed(reference: Reference, where: str) -> str:
    """The rows that refer to those rows of the parent for which `where` holds."""
    if reference.parent == ROOT and len(reference.columns) == 1:
        return f"{reference.columns[0]} = ?1"
    parents = f"SELECT {listed(reference.parent_columns)} FROM {reference.parent} WHERE {where}"
    return f"({listed(reference.columns)}) IN ({parents})"


def part(connection: sqlite3.Connection, table: str, where: str) -> Part:
    rows = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    key = tuple(name for pk, name in sorted((pk, name) for name, pk in rows) if pk)
    return Part(table, tuple(name for name, _ in rows), key, where, None, ())


def listed(columns: tuple[str, ...]) -> str:
    return ", ".join(columns)
