"""Executions of one store that have printed something, made by the kernel's rules without any process."""

import os
from typing import Literal

from outlast.kernel.home import write_durably
from outlast.kernel.marks import CLOSE, MARK, MERGED, Mark, MarkWriter, Spool
from outlast.storage import reading
from outlast.storage.logs.reader import LogReader
from outlast.storage.logs.sealer import seal
from outlast.storage.records import Execution
from stored import COMPLETED, Hands, plan_of

State = Literal["sealed", "over", "live"]
"""Over: its log still lies in its spools. Live: and it goes on."""
SPOOL = Spool(1, 1, MERGED)


def prints(hands: Hands, *texts: str | bytes, state: State = "sealed", **plan_fields: str) -> int:
    """An execution that has printed these lines; its number. Each line arrives a second after the one before."""
    plan = plan_of(at=hands.tick(), **plan_fields)  # type: ignore[arg-type]  # fields of a plan
    number = hands.create(plan).number
    run = hands.home.run(plan.id)
    path = run.attempt("run", 1).spool(MERGED)
    os.makedirs(os.path.dirname(path))
    write_durably(run.plan, plan.encode())
    hands.begin(number)
    writer = MarkWriter(run.marks)
    lines = [text.encode() if isinstance(text, str) else text for text in texts]
    write_durably(path, b"".join(line + b"\n" for line in lines))
    size = 0
    for line in lines:
        size += len(line) + 1
        writer.append(Mark(SPOOL.pack(), size, hands.tick(), MARK))
    if state != "live":
        writer.append(Mark(SPOOL.pack(), size, hands.now, CLOSE))
    writer.close()
    if state != "live":
        hands.settle(number, COMPLETED)
    if state == "sealed":
        assert seal(number, run, plan, hands.write).finished
    return number


def reader_of(hands: Hands, execution: Execution) -> LogReader:
    run = hands.home.run(execution.id)
    return LogReader(hands.connection, execution.number, run, [step.id for step in execution.steps])


def execution_of(hands: Hands, number: int) -> Execution:
    return hands.read(lambda c: reading.execution(c, number))
