"""How much slower a command prints because Outlast looks after it: `python bench/printing.py [--mb 1300] [--pairs 9]`.

The command writes `--mb` MB of lines in chunks of 64 KiB as fast as it can and notes how long that took, by its own
clock. Each pair runs it once with `> file` and once as an execution, in turn first and second, on the same disk. With
`--sealing` a long-lived process seals the log meanwhile, as a server does; on two processors that takes one of them.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio

from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, open_runtime
from outlast.runtime.starting import StartRequest

PRINTER = """
import os, sys, time
line = b"2026-01-01T00:00:00.%06dZ INFO worker-%02d request 0f8a%08x handled in %4d ms, %7d bytes, cached\\n"
lines = b"".join(line % (n, n % 16, n * 2654435761 % (1 << 32), n * 7 % 2000, n * 31 % 999983) for n in range(700))
chunk = lines[: 1 << 16]
chunk = chunk[: chunk.rfind(b"\\n") + 1]
left = int(sys.argv[1]) * 1_000_000
begun = time.perf_counter()
while left > 0:
    left -= os.write(1, chunk)
open(sys.argv[2], "w").write(str(time.perf_counter() - begun))
"""


def to_file(folder: Path, mb: int) -> float:
    """Seconds with `> file`."""
    result, log = folder / "seconds", folder / "log"
    with log.open("wb") as file:
        subprocess.run([sys.executable, "-c", PRINTER, str(mb), str(result)], stdout=file, check=True)
    log.unlink()
    return float(result.read_text())


async def supervised(runtime: Runtime, folder: Path, mb: int) -> float:
    """Seconds as an execution."""
    result = folder / "seconds"
    argv = [sys.executable, "-c", PRINTER, str(mb), str(result)]
    started = await runtime.execute(StartRequest(workflow_id="command", params={"argv": argv}))
    ended = await runtime.wait(started.execution.number, 600)
    assert ended.status == "completed", ended
    if not runtime.options.background:
        shutil.rmtree(Path(runtime.options.home.run(ended.id).path, "steps"))  # room for the next
    return float(result.read_text())


async def measure(home: Home, mb: int, pairs: int, *, sealing: bool) -> None:
    folder = Path(home.root)
    options = Options(home=home, trigger="cli", allow_command=True, background=sealing)
    ratios: list[float] = []
    async with open_runtime(options) as runtime:
        for pair in range(pairs):
            if pair % 2:
                after = await supervised(runtime, folder, mb)
                before = await anyio.to_thread.run_sync(to_file, folder, mb)
            else:
                before = await anyio.to_thread.run_sync(to_file, folder, mb)
                after = await supervised(runtime, folder, mb)
            ratios.append(after / before)
            print(f"> file {before:6.2f} s   execution {after:6.2f} s   ratio {ratios[-1]:.2f}")
    how = " while sealing" if sealing else ""
    print(f"median ratio of {pairs} pairs of {mb} MB{how}: {statistics.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=1300)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--sealing", action="store_true")
    given = parser.parse_args()
    home = Home(tempfile.mkdtemp(prefix="ol-bench-"))
    home.create()
    try:
        anyio.run(lambda: measure(home, given.mb, given.pairs, sealing=given.sealing))
    finally:
        shutil.rmtree(home.root)


main()
