"""Protocol abuse by hand: `cd tests && python -m abuse --frames 20000 --seed 1 [--only frames]`."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

from abuse import characters, endings, floods, frames, leaving, taking_back
from abuse.wire import ENVELOPE, Wire
from outlast.kernel.home import Home

ASKED = 20_000
"""Requests of a flood."""


class Found(NamedTuple):
    figures: str
    wrong: Sequence[object] = ()


def measure_endings(home: Home, given: argparse.Namespace) -> Found:
    """Each way in each circumstance."""
    slowest: dict[str, float] = {}
    for _ in range(given.runs):
        for circumstance, stuck in endings.CIRCUMSTANCES.items():
            for way in endings.WAYS:
                with stuck(home) as victim:
                    seconds = victim.end(way)
                slowest[circumstance] = max(seconds, slowest.get(circumstance, 0.0))
    figures = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest.items())
    late = [name for name, seconds in slowest.items() if seconds > 1]
    return Found(f"{given.runs} ends in each of {len(endings.WAYS)} ways, the slowest: {figures}", late)


def send_frames(home: Home, given: argparse.Namespace) -> Found:
    """Odd lines, then mutations; raises Broken where the server does not stand it."""
    with Wire(home.root) as wire:
        odd = frames.send_odd_lines(wire.shake_hands())
        frames.send_mutations(wire, given.frames, random.Random(given.seed))
        code = wire.leave()
    return Found(
        f"seed {given.seed}, {odd} odd lines and {given.frames} mutations, exit code {code}", [code] * (code != 0)
    )


def take_back(home: Home, given: argparse.Namespace) -> Found:
    """Requests to all tools, taken back at random moments."""
    with Wire(home.root, envelope=ENVELOPE if given.modern else None) as wire:
        if not given.modern:
            wire.shake_hands()
        wrong = taking_back.take_back(home, wire, given.runs, random.Random(given.seed))
    return Found(f"seed {given.seed}, {6 * given.runs} requests taken back", wrong)


def kill_clients(home: Home, given: argparse.Namespace) -> Found:
    """Clients killed after they have started an execution."""
    seconds, wrong = leaving.kill_clients(home, given.runs)
    slowest = f"servers gone after at most {max(seconds):.2f} s"
    return Found(f"{len(seconds)} clients killed, {slowest}", wrong)


def send_characters(home: Home, given: argparse.Namespace) -> Found:
    """All of Unicode."""
    with Wire(home.root) as wire:
        wrong = characters.send_through(home, wire.shake_hands(), characters.everything())
        code = wire.leave()
    count = sum(map(len, characters.everything()))
    return Found(f"{count:,} characters, exit code {code}", wrong)


def flood(home: Home, _: argparse.Namespace) -> Found:
    """Requests whose answers nobody reads."""
    taken, before, after = floods.flood(home, ASKED)
    return Found(
        f"{taken} of {ASKED:,} requests taken, peak {before / 1024:.1f} MiB before and {after / 1024:.1f} MiB after"
    )


PARTS = {
    "floods": flood,
    "frames": send_frames,
    "characters": send_characters,
    "taking back": take_back,
    "clients": kill_clients,
    "endings": measure_endings,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="abuse", description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000, help="mutated frames")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=20, help="ends per way and circumstance, rounds, clients")
    parser.add_argument("--modern", action="store_true", help="take requests back without a handshake")
    parser.add_argument("--only", choices=PARTS, action="append")
    given = parser.parse_args()
    failed = 0
    for name, part in PARTS.items():
        if given.only and name not in given.only:
            continue
        home = Home(tempfile.mkdtemp(prefix="ol-abuse-"))
        home.create()
        begun = time.monotonic()
        found = part(home, given)
        failed += bool(found.wrong)
        took = time.monotonic() - begun
        print(f"{name}: {found.figures}, {len(found.wrong)} wrong, {took:.0f} s", *found.wrong[:20], flush=True)
        shutil.rmtree(home.root)
    return 1 if failed else 0


sys.exit(main())
