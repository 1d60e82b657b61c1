"""Kill loops by hand: `cd tests && python -m chaos --runs 50 --seed 1 [--only supervisor]`."""

import argparse
import shutil
import sys
import tempfile
import time

from chaos import adversity, killing, pointing
from chaos.arena import Arena
from outlast.kernel.home import Home

SCENARIOS = killing.SCENARIOS | pointing.SCENARIOS | adversity.SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="executions per scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    given = parser.parse_args()
    failed = 0
    for name, scenario in SCENARIOS.items():
        if given.only and name not in given.only:
            continue
        home = Home(tempfile.mkdtemp(prefix="ol-chaos-"))
        home.create()
        begun = time.monotonic()
        arena = Arena(home.root, given.seed)
        scenario(arena, given.runs)
        toll = arena.finish()
        failed += len(toll.wrong)
        print(f"{name}: seed {given.seed}, {toll}, {time.monotonic() - begun:.0f} s", flush=True)
        for text in toll.wrong:
            print("  " + text)
        if toll.wrong:
            print(f"  kept: {home.root}")
        else:
            shutil.rmtree(home.root)
    return 1 if failed else 0


sys.exit(main())
