"""Where a working directory's code stands, read from git's files without starting git."""

from pathlib import Path

from outlast.kernel.plan import Json

MAX_PARENTS = 64


def git_state(directory: Path) -> dict[str, Json] | None:
    """Branch and commit of the repository around a directory; None where there is none or it cannot be read."""
    for parent in [directory, *directory.parents][:MAX_PARENTS]:
        try:
            git = git_directory(parent / ".git")
            if git is not None:
                return head_of(git)
        except (OSError, UnicodeDecodeError):
            return None
    return None


def git_directory(path: Path) -> Path | None:
    """The repository behind `.git`: itself, or what its one line names (worktrees and submodules)."""
    if path.is_dir():
        return path
    if not path.is_file():
        return None
    named = path.read_text().removeprefix("gitdir:").strip()
    return (path.parent / named).resolve()


def head_of(git: Path) -> dict[str, Json] | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return {"commit": head, "branch": None}
    ref = head.removeprefix("ref: ")
    commit = resolve(git, ref)
    return None if commit is None else {"commit": commit, "branch": ref.removeprefix("refs/heads/")}


def resolve(git: Path, ref: str) -> str | None:
    """The commit of a ref, loose or packed; refs of a worktree may lie in the main repository."""
    places = [git]
    common = git / "commondir"
    if common.is_file():
        places.append((git / common.read_text().strip()).resolve())
    for place in places:
        loose = place / ref
        if loose.is_file():
            return loose.read_text().strip()
        packed = place / "packed-refs"
        if packed.is_file():
            for line in packed.read_text().splitlines():
                commit, _, name = line.partition(" ")
                if name == ref:
                    return commit
    return None
