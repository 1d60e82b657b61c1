"""The database, its backups, and what is not over."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from outlast.kernel import wal
from outlast.kernel.errors import StoreError
from outlast.kernel.home import Home
from outlast.kernel.migrating import SCHEMA_VERSION, too_new
from outlast.server.cli.wording import counted
from outlast.server.doctor.findings import (
    Finding,
    Mending,
    mendable,
    numbers_words,
    ok,
    problem,
    size_words,
    warning,
)
from outlast.server.doctor.leftovers import leftovers
from outlast.server.doctor.processes import command_of, marked_processes, orphans
from outlast.storage.examining import Examined, examine
from outlast.storage.mending import may_be_of_an_index
from outlast.storage.snapshots import reading_now
from outlast.tools.readable import visible

SECONDS = 20.0
"""That SQLite's check may take."""
LARGE_WAL = wal.LIMIT
"""Bytes above which every writer tries to empty the write-ahead log."""


def database_findings(home: Home) -> Iterator[Finding]:
    if not Path(home.database).exists():
        yield ok("database", "there is none yet; the first execution makes it")
        return
    marked = marked_processes()
    try:
        examined = examine(home, seconds=SECONDS, now=time.time_ns() // 1000, asked={each.marker for each in marked})
    except StoreError as error:
        yield problem("database", f"{error.code}: {error.message.rstrip('.')}", error.next or "outlast db check")
        yield backups(home)
        return
    yield state(examined)
    if examined.wal > LARGE_WAL:
        yield large_wal(home, examined.wal)
    yield backups(home)
    if examined.libraries is None:
        return  # another schema, or damaged: what is left of executions is not known
    yield executions(examined)
    yield from run_directories(home, examined)
    yield from leftovers(home, examined.libraries)
    yield from orphans(marked, examined.ended)


def state(examined: Examined) -> Finding:
    if examined.schema > SCHEMA_VERSION:
        error = too_new()
        return problem("database", f"{error.code}: {error.message.rstrip('.')}", error.next or "install it")
    words = f"{size_words(examined.size)}, schema {examined.schema}"
    if examined.schema < SCHEMA_VERSION:
        return ok("database", f"{words}; the next command brings it to schema {SCHEMA_VERSION}, after a backup")
    if examined.problems:
        return damaged(examined.problems)
    words += f", {counted(examined.executions, 'execution')}"
    if not examined.complete:
        return ok("database", f"{words}; not checked to its end within {SECONDS:g} s", "outlast db check")
    return ok("database", f"{words}, sound")


def damaged(problems: Sequence[str]) -> Finding:
    said = "; ".join(" ".join(visible(each).split()) for each in problems)
    finding = problem(
        "database",
        f"it is damaged: {said}",
        "outlast db check tells all of it; outlast db restore PATH brings a backup back; the command "
        "`.recover` of a sqlite3 shell saves what a copy of the file still holds",
    )
    if not may_be_of_an_index(problems):
        return finding
    words = "back up the database, then rebuild its indexes, unless the tables are damaged too: then it stays as it is"
    return mendable(
        finding._replace(next="outlast doctor --fix rebuilds indexes; if that does not do: outlast db restore PATH"),
        Mending.INDEXES,
        words,
    )


def large_wal(home: Home, size: int) -> Finding:
    readers = [f"{pid} ({visible(command_of(pid)) or 'unknown'})" for pid in reading_now(home)]
    why = (
        f"{', '.join(readers)} reads an old state of it, so that it cannot be emptied"
        if readers
        else "a program read an old state of it, or ended before it could empty it"
    )
    finding = warning(
        "WAL",
        f"the write-ahead log {home.database}-wal has grown to {size_words(size)}, which takes room and slows reading "
        f"down: {why}",
        "end programs that have the database open for long, for instance a sqlite3 shell",
    )
    return mendable(finding, Mending.WAL, "write what it holds into the database and cut it")


def backups(home: Home) -> Finding:
    try:
        names = sorted(path.name for path in Path(home.backups).iterdir() if path.suffix == ".db")
    except FileNotFoundError:
        names = []
    damaged = [name for name in names if name.startswith("damaged-")]
    if damaged:
        return warning(
            "backups",
            f"a damaged database was set aside as {damaged[-1]}",
            f"remove it from {home.backups} once you do not need it any more",
        )
    if not names:
        return ok("backups", "there is none yet", "outlast db backup")
    newest = max((Path(home.backups, name) for name in names), key=lambda path: path.stat().st_mtime)
    days = max(0.0, time.time() - newest.stat().st_mtime) / 86400
    age = "today" if days < 1 else f"{counted(int(days), 'day')} ago"
    return ok("backups", f"{counted(len(names), 'backup')}, the newest made {age}: {newest.name}")


def executions(examined: Examined) -> Finding:
    if not examined.unsupervised and not examined.overlooked:
        return ok("executions", f"{counted(examined.live, 'execution')} not over, each as it should be")
    said: list[str] = []
    if examined.unsupervised:
        said.append(f"no supervisor looks after {numbers_words(examined.unsupervised)}")
    if examined.overlooked:
        said.append(f"{numbers_words(examined.overlooked)} could start, a slot is free, and nobody has started them")
    return mendable(
        warning("executions", "; ".join(said), "outlast ps; any command or server takes them up again"),
        Mending.EXECUTIONS,
        f"start supervisors for {numbers_words(examined.unsupervised + examined.overlooked)}, which go on with them "
        "or say how they ended",
    )


def run_directories(home: Home, examined: Examined) -> Iterator[Finding]:
    remains = examined.remains
    said: list[str] = []
    fix: list[str] = []
    if examined.unsealed:
        said.append(f"{numbers_words(examined.unsealed)} over, with lines that are not in the database yet")
        fix.append(f"move the log of {numbers_words(examined.unsealed)} into the database, then remove its directory")
    gone = [*remains.finished, *remains.abandoned]
    if gone:
        said.append(f"{counted(len(gone), 'execution')} that need theirs no more ({', '.join(gone[:3])}{more(gone)})")
        fix.append(
            f"remove {counted(len(remains.finished), 'run directory', 'run directories')} whose lines are all in the "
            f"database and {len(remains.abandoned)} that never became an execution"
        )
    if said:
        found = warning(
            "run directories",
            f"{home.runs} has some of executions that are over, which take room: {'; '.join(said)}",
            "outlast doctor --fix; a server does it by itself",
        )
        yield mendable(found, Mending.RUN_DIRECTORIES, "; ".join(fix))
    for execution_id in remains.unknown:
        yield warning(
            "run directories",
            f"{home.run(execution_id).path} is of an execution that the database does not know; nothing else knows of "
            "it, so it stays",
            "outlast db backup, then outlast db restore of that backup, which takes it into the database",
        )


def more(names: Sequence[str]) -> str:
    return f" and {len(names) - 3} more" if len(names) > 3 else ""
