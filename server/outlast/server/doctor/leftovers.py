"""Files that processes left behind which died: copies of supervisors' code, files that were being written."""

import time
from collections.abc import Collection, Iterator
from pathlib import Path

from outlast.kernel.home import Home
from outlast.runtime.library import STALE, Library
from outlast.server.cli.wording import counted
from outlast.server.doctor.findings import Finding, Mending, mendable, warning

ASIDE = ".tmp"
"""How files end that get their name when they are whole."""


def leftovers(home: Home, used: Collection[str]) -> Iterator[Finding]:
    """`used`: the copies of code that live executions need."""
    copies = Library(home).others(set(used))
    if copies:
        names = ", ".join(sorted(path.name for path in copies))
        found = warning(
            "old code",
            f"{home.library} has {counted(len(copies), 'copy', 'copies')} of supervisors' code that no live execution "
            f"needs: {names}",
            "outlast doctor --fix; a server does it when it starts",
        )
        yield mendable(found, Mending.LIBRARIES, f"remove {counted(len(copies), 'copy', 'copies')} of code: {names}")
    files = temporary(home)
    if files:
        names = ", ".join(str(path.relative_to(home.root)) for path in files)
        found = warning(
            "temporary files",
            f"{home.root} has {counted(len(files), 'file')} that a process was writing when it died: {names}",
            "outlast doctor --fix",
        )
        yield mendable(found, Mending.TEMPORARY, f"remove {counted(len(files), 'file')}: {names}")


def temporary(home: Home) -> list[Path]:
    """Half-written files that nobody has touched for long; nothing reads them before they have their names."""
    found: list[Path] = []
    for folder in (home.root, home.backups):
        if not Path(folder).is_dir():
            continue
        for path in sorted(Path(folder).iterdir()):
            try:
                old = path.name.endswith(ASIDE) and path.is_file() and time.time() - path.lstat().st_mtime > STALE
            except FileNotFoundError:
                continue  # it has just got its name
            if old and not path.is_symlink():
                found.append(path)
    return found
