"""How long a page of history takes: python bench/history.py [rows, default 100,000]

The newest 50 by each filter, with the total, in a history of 1,000 executions and in one of many, in the same run:
the ratio tells whether pages stay fast, whatever the machine. Rows are made by SQL, not by the kernel's rules, and
look like theirs. Everything lies in a temporary directory below $TMPDIR.
"""

import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from statistics import median
from typing import Any

from outlast.kernel import migrating, texts
from outlast.kernel.checksums import stamp
from outlast.kernel.executions import insert_param
from outlast.kernel.home import Home
from outlast.kernel.status import ExecutionStatus
from outlast.storage import history
from outlast.storage.history import COUNTED, Filter, conditions, offset_of

FEW = 1000
SIZE = 50
TIMES = 21
START = 1_700_000_000_000_000
"""µs since the epoch; one execution a minute."""
MINUTE = 60_000_000
FILL = """
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :rows)
INSERT INTO executions(number, id, workflow, version, user, agent, customer, mode, visual, trigger, client, labels,
                       request_hash, status, created_at, updated_at, started_at, ended_at, duration_us, exit_code,
                       reason, log_lines)
SELECT n, randomblob(16), n % 20 + 1, n % 20 + 1, 1 + (n % 10 = 0), 1 + n % 5, 1 + n % 20,
       iif(n % 20 = 0, 'cloud-run', 'local-run'), n % 20 = 0, 'mcp',
       '{"name":"desk","version":"1.4.2","session":"0198c1f2","git":{"branch":"main","commit":"4b825dc642cb6eb9a060e5"}}',
       '{"team":"' || iif(n % 3 = 0, 'blue', 'red') || '"}', randomblob(32), iif(n % 12 = 0, 'failed', 'completed'),
       :start + n * :minute, :start + n * :minute + 41, :start + n * :minute + 1, :start + n * :minute + 41, 40,
       iif(n % 20 = 0, NULL, n % 12 = 0), iif(n % 12 = 0, 'exit code 1: KeyError: ''region''', 'exit code 0'), 237
FROM n
"""

HAVING = """
SELECT count(*) FROM executions e JOIN execution_texts t ON t.rowid = e.number
WHERE instr(t.workflow || ' ' || t.params || ' ' || t.labels || ' ' || COALESCE(t.reason, ''), :word)
"""
"""How many have a word, found without the index."""

FILTERS: dict[str, Callable[[int], Filter]] = {
    "nothing": lambda rows: Filter(),
    "workflow": lambda rows: Filter(workflow_id="workflow-7"),
    "status completed": lambda rows: Filter(status=ExecutionStatus.COMPLETED),
    "status failed": lambda rows: Filter(status=ExecutionStatus.FAILED),
    "user (9 of 10 are theirs)": lambda rows: Filter(user="name-1"),
    "agent": lambda rows: Filter(agent="name-3"),
    "customer": lambda rows: Filter(customer="name-9"),
    "mode local-run": lambda rows: Filter(mode="local-run"),
    "mode cloud-run": lambda rows: Filter(mode="cloud-run"),
    "user and status completed": lambda rows: Filter(user="name-1", status=ExecutionStatus.COMPLETED),
    "user and status failed": lambda rows: Filter(user="name-1", status=ExecutionStatus.FAILED),
    "workflow and status failed": lambda rows: Filter(workflow_id="workflow-9", status=ExecutionStatus.FAILED),
    "workflow and status timeout (none)": lambda rows: Filter(workflow_id="workflow-9", status=ExecutionStatus.TIMEOUT),
    "active": lambda rows: Filter(active=True),
    "visual only": lambda rows: Filter(visual_only=True),
    "over": lambda rows: Filter(active=False),
    "since (half of them)": lambda rows: Filter(since=START + rows // 2 * MINUTE),
    "label": lambda rows: Filter(label=("team", "blue")),
    "text that one has": lambda rows: Filter(text=f"/srv/data/part-{rows // 2}.csv"),
    "text that 1 of 12 have": lambda rows: Filter(text="KeyError: 'region'"),
    "text that all have": lambda rows: Filter(text="workflow"),
    "text that all have, and user": lambda rows: Filter(text="workflow", user="name-2"),
}


@contextmanager
def filled(rows: int) -> Iterator[sqlite3.Connection]:
    """A store with so many executions."""
    home = Home(tempfile.mkdtemp(prefix="outlast-bench-"))
    try:
        home.create()
        with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            migrating.migrate(connection, home)
            connection.execute("BEGIN")
            for table in ("users", "agents", "customers"):
                connection.executemany(
                    f"INSERT INTO {table}(id, name) VALUES (?, ?)", ((n, f"name-{n}") for n in range(1, 51))
                )
            for n in range(1, 21):
                connection.execute("INSERT INTO workflows VALUES (?, ?, 1)", (n, f"workflow-{n}"))
                connection.execute(
                    "INSERT INTO workflow_versions VALUES (?, ?, ?, ?, NULL, '{}', NULL, 1)",
                    (n, n, f"{n:064x}", f"Workflow {n}"),
                )
            connection.execute(FILL, {"rows": rows, "start": START, "minute": MINUTE})
            for n in range(1, rows + 1):
                insert_param(connection, n, "path", "string", f"/srv/data/part-{n}.csv", secret=False)
                texts.index(connection, n)
                stamp(connection, n)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            yield connection
    finally:
        shutil.rmtree(home.root)


def milliseconds(function: Callable[[], Any]) -> float:
    """Median of several calls."""

    def timed() -> float:
        begin = time.perf_counter()
        function()
        return (time.perf_counter() - begin) * 1000

    return median(timed() for _ in range(TIMES))


def measured(connection: sqlite3.Connection, rows: int) -> dict[str, float]:
    """What is asked → ms. Every total is compared with counting."""
    found: dict[str, float] = {}
    for what, filter_for in FILTERS.items():
        wanted = filter_for(rows)
        page = history.page(connection, wanted, limit=SIZE)
        names, values = conditions(connection, wanted)
        assert names is not None, what
        if wanted.text is None:
            counting = f"SELECT count(*) FROM executions e WHERE {history.where(names, values)}"
        else:
            counting = HAVING + (" AND e.user = :user" if wanted.user else "")
            values |= {"word": wanted.text.rpartition(" ")[2].strip("'")}
        assert page.total == connection.execute(counting, values).fetchone()[0], what
        assert page.damaged == (), what
        mark = "" if tuple(names) in COUNTED or names == ["over"] else " (total counted)"
        found[what + mark] = milliseconds(lambda wanted=wanted: history.page(connection, wanted, limit=SIZE))
    deep = offset_of(rows // SIZE, SIZE)
    found["the last page, by its number"] = milliseconds(
        lambda: history.page(connection, Filter(), limit=SIZE, offset=deep)
    )
    found["the last page, by cursor"] = milliseconds(
        lambda: history.page(connection, Filter(), limit=SIZE, cursor=f"k{SIZE + 1}")
    )
    return found


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with filled(FEW) as few, filled(rows) as many:
        small, large = measured(few, FEW), measured(many, rows)
    width = max(map(len, small))
    print(f"{'newest 50, by':<{width}}  {FEW:>9,}  {rows:>9,}  ratio   (SQLite {sqlite3.sqlite_version})")
    for what, base in small.items():
        print(f"{what:<{width}}  {base:6.2f} ms  {large[what]:6.2f} ms  {large[what] / base:5.1f}")


if __name__ == "__main__":
    main()
