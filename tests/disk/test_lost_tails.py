"""A power cut that takes a piece of a log which its marks had counted: the piece is a gap that says how large it is."""

import os
import signal
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

from chaos.arming import arm
from children import wrapper_of
from disk.rebooting import OTHER_BOOT, age
from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.process import await_end
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.options import Options
from outlast.runtime.runtime import open_runtime
from outlast.runtime.starting import StartRequest
from outlast.storage.logs.lines import LogGap
from waiting import BOUND, until

pytestmark = pytest.mark.anyio

SCRIPT = "i=1; while [ $i -le 100 ]; do echo line $i; i=$((i + 1)); done; sleep 600"
PRINTED = b"".join(b"line %d\n" % n for n in range(1, 101))
KEPT = 20 * len(b"line 1\n")


async def test_what_a_power_cut_takes_from_the_end_of_a_log_is_a_gap_with_its_size(home: Home) -> None:
    options, boot = Options(home=home, trigger="cli", allow_command=True), Clock().boot_id()
    async with open_runtime(options) as runtime:
        request = StartRequest(workflow_id="command", params={"argv": ["/bin/sh", "-c", SCRIPT]})
        number = (await runtime.execute(request)).execution.number

        async def counted() -> bool:
            return (await runtime.log_count(await runtime.get(number))).lines == 100

        await until(counted)
        execution = await runtime.get(number)
        wrapper = await wrapper_of(home, execution)
        assert execution.supervisor is not None
        execution.supervisor.signal(boot, signal.SIGKILL)
        os.killpg(wrapper.pid, signal.SIGKILL)
        assert await_end(execution.supervisor, boot, BOUND)
        assert await_end(wrapper, boot, BOUND)
    os.truncate(Path(home.run(execution.id).path, "steps/run/1/out"), KEPT)
    age(home.root)
    await anyio.to_thread.run_sync(partial(arm, home, boot_id=OTHER_BOOT))
    async with open_runtime(options) as runtime:
        settled = await runtime.wait(number, BOUND)
        assert settled.status == "lost"
        page = await runtime.logs(settled, LogQuery(limit=1000))
        *lines, gap = page.entries
        kept = PRINTED[:KEPT].split(b"\n")
        assert [entry.data for entry in lines if not isinstance(entry, LogGap)] == kept, "the last one in part"
        reason = f"{len(PRINTED) - KEPT} bytes were lost: the power went before they were on the disk"
        assert gap == LogGap(len(kept) + 1, len(kept) + 1, reason)
        assert page.count == (len(kept) + 1, True)
        assert await runtime.seal(settled)
        sealed = await runtime.logs(await runtime.get(number), LogQuery(limit=1000))
        assert (sealed.entries, sealed.count) == (page.entries, page.count)
