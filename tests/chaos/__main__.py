"""Kills, fault points and adversities by hand: `cd tests && python -m chaos --runs 50 --seed 1 [--only supervisor]`."""

import argparse
import shutil
import sys
import tempfile
import time

from chaos import adversity, killing, pointing
from chaos.arena import Arena
from leftovers import end_leftovers
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
        try:
            scenario(arena, given.runs)
            arena.finish()
        except Exception as error:  # noqa: BLE001 (told with what was found so far; the other scenarios go on)
            arena.wrong(f"{type(error).__name__}: {error}")
        finally:
            toll = arena.toll
            end_leftovers(home.root)
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
