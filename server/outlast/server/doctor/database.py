"""The database, its backups, and what is not over."""

import time
from collections.abc import Iterator
from pathlib import Path

from outlast.kernel.errors import StoreError
from outlast.kernel.home import Home
from outlast.kernel.migrating import SCHEMA_VERSION, too_new
from outlast.server.cli.wording import counted
from outlast.server.doctor.findings import Finding, ok, problem, size_words, warning
from outlast.storage.examining import Examined, examine

SECONDS = 20.0
"""That SQLite's check may take."""
LARGE_WAL = 64 << 20
"""Bytes to which a write-ahead log is cut when nobody reads an old state."""


def database_findings(home: Home) -> Iterator[Finding]:
    if not Path(home.database).exists():
        yield ok("database", "there is none yet; the first execution makes it")
        return
    try:
        examined = examine(home, seconds=SECONDS, now=time.time_ns() // 1000)
    except StoreError as error:
        yield problem("database", f"{error.code}: {error.message.rstrip('.')}", error.next or "outlast db check")
        yield backups(home)
        return
    yield state(examined)
    if examined.wal > LARGE_WAL:
        yield warning(
            "WAL",
            f"the write-ahead log has grown to {size_words(examined.wal)}: some program reads an old state of it",
            "end programs that have the database open for long, for instance a sqlite3 shell",
        )
    yield backups(home)
    yield executions(examined)


def state(examined: Examined) -> Finding:
    if examined.schema > SCHEMA_VERSION:
        error = too_new()
        return problem("database", f"{error.code}: {error.message.rstrip('.')}", error.next or "install it")
    words = f"{size_words(examined.size)}, schema {examined.schema}"
    if examined.schema < SCHEMA_VERSION:
        return ok("database", f"{words}; the next command brings it to schema {SCHEMA_VERSION}, after a backup")
    if examined.problems:
        return problem(
            "database",
            f"it is damaged: {'; '.join(examined.problems)}",
            "outlast db check tells all of it; outlast db restore PATH brings a backup back",
        )
    words += f", {counted(examined.executions, 'execution')}"
    if not examined.complete:
        return ok("database", f"{words}; not checked to its end within {SECONDS:g} s", "outlast db check")
    return ok("database", f"{words}, sound")


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
    if examined.unsupervised:
        numbers = ", ".join(f"#{number}" for number in examined.unsupervised)
        return warning(
            "executions",
            f"{numbers} should have a supervisor and have none",
            "outlast ps; any command or server takes them up again",
        )
    return ok("executions", f"{counted(examined.live, 'execution')} not over, each as it should be")
