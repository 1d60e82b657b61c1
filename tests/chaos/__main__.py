"""Kill loops by hand: `cd tests && python -m chaos --runs 50 --seed 1 [--only supervisor]`."""

import argparse
import shutil
import sys
import tempfile
import time

import anyio

from chaos.killing import SCENARIOS
from outlast.kernel.home import Home


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="executions per scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=SCENARIOS)
    given = parser.parse_args()
    failed = 0
    for name, scenario in SCENARIOS.items():
        if given.only not in (None, name):
            continue
        home = Home(tempfile.mkdtemp(prefix="ol-chaos-"))
        home.create()
        begun = time.monotonic()
        toll = anyio.run(scenario, home, given.runs, given.seed)
        failed += len(toll.wrong)
        print(
            f"{name}: {given.runs} runs, seed {given.seed}, {toll.kills} kills, {len(toll.wrong)} wrong, "
            f"{time.monotonic() - begun:.0f} s"
        )
        for text in toll.wrong:
            print("  " + text)
        if toll.wrong:
            print(f"  kept: {home.root}")
        else:
            shutil.rmtree(home.root)
    return 1 if failed else 0


sys.exit(main())
