"""What a block and a transaction should hold: python bench/batches.py [lines, default 200,000]

One log is sealed over and over with blocks of different sizes, and with different numbers of blocks in a transaction,
each as durable as in use. For each: how fast, how long the longest transaction held the store lock, bytes on disk for a
line, and how long a page of the last 100 lines takes. Everything lies in a temporary directory below $TMPDIR.
"""

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from retention import SPOOL, START, Holds, lines, plan_of

from outlast.kernel import executions, faults
from outlast.kernel.database import Database
from outlast.kernel.home import Home
from outlast.kernel.marks import CLOSE, Mark, MarkWriter
from outlast.storage.logs import blocks, sealer
from outlast.storage.logs.reader import LogReader

TIMES = 3


class Sealing:
    """What one way to seal a log costs."""

    def __init__(self, text: bytes, block: int, batch: int) -> None:
        blocks.BLOCK, sealer.MOST_BLOCKS = block, batch
        home = Home(tempfile.mkdtemp(prefix="outlast-bench-"))
        try:
            home.create()
            self.measure(home, text)
        finally:
            shutil.rmtree(home.root)

    def measure(self, home: Home, text: bytes) -> None:
        database = Database(home)
        connection = database.connect()
        plan = plan_of(1)
        number = database.write(connection, lambda c: executions.create(c, home, plan, START)).number
        database.write(connection, lambda c: executions.lose(c, number, "bench", START + 1))
        run = home.run(plan.id)
        spool = Path(run.attempt("run", 1).spool(SPOOL.stream))
        spool.parent.mkdir(parents=True)
        spool.write_bytes(text)
        marks = MarkWriter(run.marks)
        marks.append(Mark(SPOOL.pack(), len(text), START, CLOSE))
        marks.close()
        holds = Holds()
        faults.listen(holds)
        begin = time.perf_counter()
        assert sealer.seal(number, run, plan, lambda rule: database.write(connection, rule)).finished
        self.speed = len(text) / (time.perf_counter() - begin) / 1e6
        faults.listen(None)
        self.hold = holds.longest * 1000
        self.stored = connection.execute("SELECT sum(length(data) + length(segments)) FROM log_blocks").fetchone()[0]
        reader = LogReader(connection, number, None, ["run"])

        def page() -> float:
            begin = time.perf_counter()
            reader.last(100)
            return time.perf_counter() - begin

        self.page = median(page() for _ in range(51)) * 1000
        reader.close()
        database.close(connection)
        database.lock.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    text = lines(random.Random(7), count)
    print(f"{'block':>8} {'blocks per commit':>18} {'sealing':>10} {'longest hold':>13} {'a line':>8} {'last 100':>9}")
    usual = blocks.BLOCK, sealer.MOST_BLOCKS
    ways = [(blocks.BLOCK, batch) for batch in (1, 8, 64, 512)]
    ways += [(size << 10, sealer.MOST_BLOCKS) for size in (4, 16, 256)]
    for block, batch in ways:
        tries = [Sealing(text, block, batch) for _ in range(TIMES)]
        print(
            f"{block >> 10:>4} KiB {batch:>18} {median(t.speed for t in tries):>5.0f} MB/s"
            f" {median(t.hold for t in tries):>10.1f} ms {tries[0].stored / count:>6.1f} B"
            f" {median(t.page for t in tries):>6.2f} ms{'  (in use)' if (block, batch) == usual else ''}"
        )


if __name__ == "__main__":
    main()
