"""What can be started, and what was skipped."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from outlast.kernel.home import Home
from outlast.server.cli.wording import counted
from outlast.server.doctor.findings import Finding, ok, warning
from outlast.tools.readable import visible

SECONDS = 5.0
"""That reading the directories may take."""


def workflow_findings(home: Home, others: Sequence[Path]) -> Iterator[Finding]:
    """`others`: directories of the settings."""
    from outlast.definitions.discovery import discover  # only here: it takes 100 ms

    own = Path(home.workflows)
    directories = [*([own] if own.is_dir() else []), *others]
    catalogue = discover(directories, allow_command=False, seconds=SECONDS)
    places = ", ".join(map(str, [own, *others]))
    if catalogue.workflows:
        yield ok("workflows", f"{counted(len(catalogue.workflows), 'workflow')} in {places}")
    else:
        yield ok("workflows", f"there are none yet in {places}", "outlast demo, or outlast workflows new ID")
    for skipped in catalogue.skipped:
        file = skipped.path.is_file()
        what = f"outlast workflows validate {skipped.path}" if file else "correct it, or the setting workflow_dirs"
        yield warning("workflows", f"skipped: {visible(str(skipped.path))} {visible(skipped.reason.strip())}", what)
