"""Run by an interpreter that has Prefect: a flow logs each line of a file; prints the seconds until its API has all."""

import asyncio
import sys
import time
from pathlib import Path

from prefect import flow, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

LINES = Path(sys.argv[1]).read_text().splitlines()
runs = []


@flow
def copy() -> None:
    runs.append(flow_run.id)
    logger = get_run_logger()
    for line in LINES:
        logger.info(line)


async def have_all(run: str) -> bool:
    async with get_client() as client:
        wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
        return bool(await client.read_logs(wanted, limit=1, offset=len(LINES) - 1))


@flow
def nothing() -> None:
    """So that the server is up before the time begins."""


nothing()
begun = time.perf_counter()
copy()
while not asyncio.run(have_all(runs[0])):
    time.sleep(0.05)
print(time.perf_counter() - begun)
