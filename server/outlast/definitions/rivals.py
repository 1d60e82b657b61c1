"""Files that claim the same id: which of them has it."""

from collections.abc import Sequence
from pathlib import Path

from outlast.definitions.documents import FORMATS


def choose(workflow_id: str, paths: Sequence[Path]) -> tuple[Path | None, dict[Path, str]]:
    """Which of the files, in the order of their directories, has the id, and why each other one has not.

    An id belongs to the file that is named like it, in the first directory that has one, and to a definition before
    an executable beside it (build.yaml may run build.sh). Where that leaves several, or none although several claim
    it, nobody gets it: a copy must not take over in silence.
    """
    if len(paths) == 1:
        return paths[0], {}
    named = [path for path in paths if path.stem == workflow_id]
    beside = [path for path in named if path.parent == named[0].parent]
    best = [path for path in beside if path.suffix in FORMATS] or beside
    if len(best) == 1:
        reason = f"has the id {workflow_id}, which belongs to {best[0]}; give it another id"
        return best[0], {path: reason for path in paths if path != best[0]}
    return None, {path: _unclear(workflow_id, path, best or paths) for path in paths}


def _unclear(workflow_id: str, path: Path, rivals: Sequence[Path]) -> str:
    others = " and ".join(str(other) for other in rivals if other != path)
    named = any(other.stem == workflow_id for other in rivals)
    rename = "" if named else f", or name the one that is meant {workflow_id}{path.suffix}"
    return f"has the id {workflow_id}, as {others} has: give each its own{rename}"
