"""The supervisors' code under a power cut: a library that has its name is whole."""

import os
import random
import subprocess
import sys
from pathlib import Path

from disk.recording import read, watched
from disk.replay import MODELS, Disk
from outlast.kernel.home import Home

PLACE = """
import os
from outlast.kernel.home import Home
from outlast.runtime.library import Library
home = Home(os.environ["OUTLAST_HOME"])
home.create()
Library(home).launcher()
"""
IMAGES = 40


def test_whenever_the_power_is_cut_a_library_is_whole_or_not_there(shim: Path, tmp_path: Path) -> None:
    # A home that is not there yet: the record begins with its first directory.
    home, record = Home(f"{tmp_path}/home"), tmp_path / "record"
    subprocess.run(
        [sys.executable, "-c", PLACE],
        env=os.environ | watched(shim, home.root, record) | {"OUTLAST_HOME": home.root},
        check=True,
        timeout=60,
    )
    (placed,) = Path(home.library).iterdir()
    whole = contents(placed)
    assert len(whole) > 20
    operations, chance, found = read(record), random.Random(1), 0
    for number in range(IMAGES):
        disk, image = Disk(home.root), tmp_path / str(number)
        # The last operations put it into its place; before them nothing of it can be there.
        cut = len(operations) - number % 8
        disk.feed(operations[:cut])
        image.mkdir()
        disk.image(image, MODELS[number % 3], chance)
        left = image / "lib" / placed.name
        if left.exists():
            assert contents(left) == whole, f"cut at {cut} of {len(operations)}"
            found += 1
    assert found > 0


def contents(library: Path) -> dict[str, bytes]:
    return {str(path.relative_to(library)): path.read_bytes() for path in library.rglob("*") if path.is_file()}
