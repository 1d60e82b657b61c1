"""Which programs and which system Outlast runs on."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from outlast.server.doctor.findings import Finding, ok, problem, warning
from outlast.storage.examining import SQLITE_VERSION, full_text

OLDEST_SQLITE = (3, 40)
SAFE_SQLITE = (3, 51, 3)
"""The first one that loses nothing when two connections write and checkpoint at once."""


def versions() -> Iterator[Finding]:
    yield ok(
        "versions",
        f"Outlast {version('outlast')}, Python {platform.python_version()} ({sys.executable}), mcp {version('mcp')}",
    )
    yield sqlite(SQLITE_VERSION, full_text=full_text())
    yield system(platform.system(), platform.release(), platform.machine())


def sqlite(found: str, *, full_text: bool = True) -> Finding:
    """Whether a version of SQLite will do. `full_text`: whether it has FTS5."""
    parts = tuple(int(part) for part in found.split("."))
    if parts < OLDEST_SQLITE:
        return problem(
            "SQLite", f"SQLite {found} is older than 3.40, which Outlast needs", "use a Python with a newer SQLite"
        )
    if not full_text:
        return problem(
            "SQLite",
            f"SQLite {found} of this Python was built without FTS5, which Outlast needs",
            "use a Python whose SQLite has it, such as those of python.org, uv and large distributions",
        )
    if parts < SAFE_SQLITE:
        return ok("SQLite", f"SQLite {found}; store.lock orders the writes, as versions before 3.51.3 need")
    return ok("SQLite", f"SQLite {found}")


def system(name: str, release: str, machine: str) -> Finding:
    """Whether an operating system will do."""
    words = f"{name} {release} on {machine}"
    match name:
        case "Linux" if "microsoft" in release.lower():
            return ok(
                "system",
                f"{words} (WSL); a client on the Windows side starts Outlast through wsl.exe",
                "docs/clients.md, Windows and WSL",
            )
        case "Linux":
            if Path("/proc/self/stat").exists():
                return ok("system", words)
            return problem("system", f"{words} without /proc, which Outlast looks processes up in", "mount /proc")
        case "Darwin":
            return warning(
                "system",
                f"{words}: a cancelled daemon that left its process group may stay alive",
                "look for leftovers after cancelling daemons",
            )
        case _:
            return problem("system", f"{words} is not supported", "use Linux, on Windows WSL")
