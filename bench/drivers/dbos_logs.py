"""Run by an interpreter that has DBOS: a workflow writes lines to a durable stream; prints the seconds that takes."""

import sys
import time
from pathlib import Path

import dbos
from dbos import DBOS

LINES = Path(sys.argv[1]).read_text().splitlines()
DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{sys.argv[2]}", "log_level": "ERROR"})


@DBOS.workflow()
def copy() -> None:
    for line in LINES:
        DBOS.write_stream("log", line)
    DBOS.close_stream("log")


DBOS.launch()
begun = time.perf_counter()
handle = DBOS.start_workflow(copy)
handle.get_result()
print(time.perf_counter() - begun)
assert sum(1 for _ in DBOS.read_stream(handle.get_workflow_id(), "log")) == len(LINES), dbos.__name__
