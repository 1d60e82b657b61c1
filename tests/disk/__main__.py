"""Power cuts by hand: `cd tests && python -m disk --cuts 1000 --seed 1 [--only database]`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from disk.cutting import SCENARIOS
from disk.recording import built, why_not


def main() -> int:
    parser = argparse.ArgumentParser(prog="disk", description=__doc__)
    parser.add_argument("--cuts", type=int, default=200, help="moments per workload; each gives an image per model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    given = parser.parse_args()
    if (reason := why_not()) is not None:
        print(f"not here: {reason}")
        return 2
    failed = 0
    with tempfile.TemporaryDirectory(prefix="ol-disk-") as folder:
        shim = built(Path(folder))
        for name in given.only or SCENARIOS:
            begun = time.monotonic()
            for model, figures in SCENARIOS[name](shim, Path(folder), given.cuts, given.seed).items():
                print(f"{name}, {model}: seed {given.seed}, {figures}", flush=True)
                for text in figures.wrong[:20]:
                    print("  " + text)
                failed += len(figures.wrong)
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    return 1 if failed else 0


sys.exit(main())
