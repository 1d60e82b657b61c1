"""What is recorded for power cuts of the database: `python -m disk.working WORKLOAD INDEX ROUNDS` is one process of a
workload over `$OUTLAST_HOME`, which says in the file `acknowledged` what it was promised, after each promise.

Each line of that file is a JSON object: `number` with what is durable of that execution (`id`, `params`, `status`,
`reason`, `exit_code`, `lines`), or `backup`, `restoring` or `restored` with the `numbers` in that copy.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from outlast.kernel import backups, events, executions, seals
from outlast.kernel.home import Home
from outlast.kernel.marks import MERGED, Spool
from outlast.kernel.plan import Json
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Ending, Outcome
from outlast.storage import maintenance
from outlast.storage.logs.blocks import SEGMENT, checksum
from stored import START, Hands, plan_of

TOLD = "acknowledged"
CHECKPOINT = 60
"""Pages of WAL after which it is copied into the database: often, so that cuts meet checkpoints."""


class Worker:
    def __init__(self, home: Home, index: int, rounds: int) -> None:
        self.home = home
        self.index = index
        self.rounds = rounds
        self.chance = random.Random(index)
        self.hands = Hands(home)
        self.hands.limit(100_000)
        self.hands.connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
        self._told = os.open(f"{home.root}/{TOLD}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def tell(self, **facts: Json) -> None:
        """Say what was promised."""
        os.write(self._told, json.dumps(facts).encode() + b"\n")

    def live(self, turn: int, *, to_the_end: bool) -> None:
        """One execution from its beginning to its end, or as far as it gets."""
        hands, chance = self.hands, self.chance
        params: dict[str, Json] = {"turn": turn, "text": "x" * chance.randrange(3000)}
        plan = plan_of(at=hands.tick(), params=params, idempotency_key=f"{self.index}-{turn}")
        number = hands.create(plan).number
        self.tell(number=number, id=plan.id, params=params)
        if not to_the_end and chance.random() < 0.1:
            hands.write(lambda c: executions.cancel(c, number, "a test", hands.tick()))
            return
        epoch = hands.begin(number)
        self.tell(number=number, status="running")
        hands.write(lambda c: events.record(c, number, hands.tick(), "note", data={"text": "y" * 200}))
        self.seal(number, chance.randrange(1, 4))
        if not to_the_end and chance.random() < 0.1:
            return
        code = chance.choice((0, 3))
        status = ExecutionStatus.FAILED if code else ExecutionStatus.COMPLETED
        outcome = Outcome(status, f"exit code {code}", exit_code=code)
        assert hands.settle(number, outcome, Ending(output={"turn": turn}), epoch=epoch) is not None
        self.tell(number=number, status=str(status), reason=outcome.reason, exit_code=code)

    def seal(self, number: int, times: int) -> None:
        for _ in range(times):
            seen = self.hands.read(lambda c: seals.look(c, number))
            assert seen is not None
            block = block_of(number, seen.lines + 1, self.chance.randrange(1, 60))
            moved = self.hands.write(lambda c, seen=seen, block=block: seals.append(c, number, seen, [block], "there"))
            assert moved is not None
            self.tell(number=number, lines=moved.lines)

    def back_up(self) -> str:
        with self.hands.database.lock.held(10):
            path = backups.take(self.hands.connection, self.home, "manual", kept=1000)
            numbers = [number for (number,) in self.hands.rows("SELECT number FROM executions")]
        self.tell(backup=os.path.basename(path), numbers=list(numbers))
        return path

    def restore(self, path: str) -> None:
        with self.hands.database.lock.held(10):
            numbers = [number for (number,) in self.hands.rows("SELECT number FROM executions")]
        self.tell(restoring=os.path.basename(path), numbers=list(numbers))
        maintenance.put_back(self.hands.database, self.hands.connection, Path(path), self.hands.tick())
        self.tell(restored=os.path.basename(path))


def block_of(number: int, first: int, lines: int) -> seals.Block:
    """A sealed block of lines whose text follows from their numbers."""
    data = b"".join(line_of(number, n) for n in range(first, first + lines))
    segments = SEGMENT.pack(Spool(1, 1, MERGED).pack(), START, lines, len(data))
    return seals.Block(first, lines, START, START, len(data), "raw", segments, data, checksum(first, segments, data))


def line_of(number: int, n: int) -> bytes:
    return b"line %d of execution %d\n" % (n, number)


def share(worker: Worker) -> None:
    """Several processes at once: executions, logs, now and then a backup."""
    for turn in range(worker.rounds):
        worker.live(turn, to_the_end=False)
        if worker.index == 0 and turn % 8 == 7:
            worker.back_up()


def restore(worker: Worker) -> None:
    """One process that goes back to its own backups; nothing is live meanwhile."""
    for turn in range(worker.rounds):
        worker.live(turn, to_the_end=True)
        if turn % 6 == 2:
            path = worker.back_up()
        elif turn % 6 == 5:
            worker.restore(path)


WORKLOADS: dict[str, tuple[Callable[[Worker], None], int]] = {"database": (share, 5), "restore": (restore, 1)}
"""What each process does, and how many there are."""


def main() -> None:
    name, index, rounds = sys.argv[1:]
    worker = Worker(Home(os.environ["OUTLAST_HOME"]), int(index), int(rounds))
    WORKLOADS[name][0](worker)
    worker.hands.close()


if __name__ == "__main__":
    main()
