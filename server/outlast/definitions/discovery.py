"""Which workflows there are: the definition files and executables of the workflow directories."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from outlast.definitions.builtin import COMMAND
from outlast.definitions.documents import FORMATS
from outlast.definitions.loading import RESERVED, load_file, load_text
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.rivals import choose
from outlast.definitions.trust import Untrusted, check_directory, check_status
from outlast.definitions.values import show
from outlast.kernel.errors import InvalidDefinition, NotAllowed, NotFound

SETTLED_NS = 100_000_000
"""A file that changed less than 0.1 s ago is read again: a second change could leave the same times."""


@dataclass(frozen=True, slots=True)
class Found:
    definition: WorkflowDefinition
    path: Path | None
    """The definition file or the executable; None for built-in workflows."""

    def check_start(self, *, started_by_agent: bool) -> None:
        """Raise NotAllowed where this caller may not start the workflow."""
        if started_by_agent and self.definition.status == "draft":
            raise NotAllowed(
                f"workflow {self.definition.id} is a draft; a person writes `status: active` into {self.path} first",
                code="workflow_is_draft",
                next="list_workflows",
            )


@dataclass(frozen=True, slots=True)
class Skipped:
    path: Path
    reason: str
    """A clause or several lines that follow the path."""
    workflow_id: str | None = None
    """Of a sound workflow whose id another file has, too."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    directories: tuple[Path, ...]
    workflows: dict[str, Found] = field(default_factory=dict[str, Found])
    """By id, in alphabetical order."""
    skipped: list[Skipped] = field(default_factory=list[Skipped])

    def find(self, workflow_id: str) -> Found:
        """The workflow of an id. Raises NotFound, saying what there is instead."""
        if found := self.workflows.get(workflow_id):
            return found
        code = "workflow_not_found"
        for one in self.skipped:
            if workflow_id in (one.path.stem, one.workflow_id):
                message = f"workflow {show(workflow_id)} was not loaded: {one.path} {one.reason}"
                raise NotFound(message, code=code, next=f"outlast workflows validate {one.path}")
        if not self.workflows:
            places = ", ".join(map(str, self.directories)) or "no directory"
            message = (
                f"there are no workflows yet in {places}: `outlast demo` puts a few there, "
                "`outlast workflows new ID` writes a first one"
            )
            raise NotFound(message, code=code, next="outlast demo")
        close = get_close_matches(workflow_id, self.workflows, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise NotFound(f"no workflow {show(workflow_id)}{hint}", code=code, next="list_workflows")


class Discovery:
    """Finds workflows again and again; a file that did not change is not read again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cache: dict[Path, tuple[tuple[int, ...], Found | Skipped]] = {}

    def discover(self, directories: Sequence[Path], *, allow_command: bool, seconds: float) -> Catalogue:
        """Read the directories in their order, for at most `seconds`. Starts nothing; raises nothing for a bad file."""
        deadline = self._clock() + seconds
        catalogue = Catalogue(tuple(directories))
        found: defaultdict[str, dict[Path, Found]] = defaultdict(dict)
        cache: dict[Path, tuple[tuple[int, ...], Found | Skipped]] = {}
        for directory in dict.fromkeys(path.absolute() for path in directories):
            try:
                check_directory(directory)
                entries = sorted(_candidates(directory))
            except FileNotFoundError:
                catalogue.skipped.append(Skipped(directory, "does not exist"))
                continue
            except Untrusted as error:
                catalogue.skipped.append(Skipped(directory, str(error)))
                continue
            except OSError as error:
                catalogue.skipped.append(Skipped(directory, f"cannot be read: {error.strerror}"))
                continue
            for index, path in enumerate(entries):
                if self._clock() >= deadline:
                    left = len(entries) - index
                    reason = f"was not read to its end within {seconds:g} s: {left} files are left, from {path.name} on"
                    catalogue.skipped.append(Skipped(directory, reason))
                    break
                one = self._read(path, cache)
                if isinstance(one, Skipped):
                    catalogue.skipped.append(one)
                elif one is not None:
                    found[one.definition.id][path] = one
        workflows = {COMMAND.id: Found(COMMAND, None)} if allow_command else {}
        for workflow_id, rivals in found.items():
            winner, reasons = choose(workflow_id, list(rivals))
            if winner is not None:
                workflows[workflow_id] = rivals[winner]
            catalogue.skipped.extend(Skipped(path, reason, workflow_id) for path, reason in reasons.items())
        catalogue.workflows.update(sorted(workflows.items()))
        self._cache = cache
        return catalogue

    def _read(self, path: Path, cache: dict[Path, tuple[tuple[int, ...], Found | Skipped]]) -> Found | Skipped | None:
        """One file's workflow, or why it has none; None for what is no candidate."""
        try:
            path.name.encode()
            status = path.stat()
        except UnicodeEncodeError:
            return Skipped(path, "has a name that is not UTF-8")
        except OSError as error:
            return Skipped(path, f"cannot be read: {error.strerror}")
        key = (
            status.st_mtime_ns,
            status.st_size,
            status.st_ino,
            status.st_dev,
            status.st_ctime_ns,
            status.st_mode,
            status.st_uid,
        )
        before = self._cache.get(path)
        if before and before[0] == key and not path.is_symlink():
            cache[path] = before
            return before[1]
        if path.suffix in FORMATS:
            one = _load(path)
        elif os.access(path, os.X_OK) and not path.is_dir():
            one = _executable(path, status)
        else:
            return None
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS:
            cache[path] = (key, one)
        return one


def discover(directories: Sequence[Path], *, allow_command: bool, seconds: float) -> Catalogue:
    """Read the workflow directories once; see Discovery."""
    return Discovery().discover(directories, allow_command=allow_command, seconds=seconds)


def _candidates(directory: Path) -> Iterator[Path]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                yield directory / entry.name


def _load(path: Path) -> Found | Skipped:
    try:
        return Found(load_file(path), path)
    except InvalidDefinition as error:
        return Skipped(path, error.message.removeprefix(f"{path}: ").removeprefix(f"{path} "))


def _executable(path: Path, status: os.stat_result) -> Found | Skipped:
    """An executable file as a workflow of one step. It is not started to find out more."""
    try:
        check_status(status, os.geteuid())
        check_directory(path.resolve().parent)
        text = json.dumps({"id": path.stem, "description": f"Runs {path}.", "run": [str(path)]})
        definition = load_text(text, source=str(path))
    except Untrusted as error:
        return Skipped(path, str(error))
    except InvalidDefinition as error:
        return Skipped(path, "is executable, but " + error.message.removeprefix(f"{path}: line 1: "))
    if definition.id in RESERVED:
        return Skipped(path, f"has the id {definition.id}, which is the name of a built-in workflow")
    return Found(definition, path)
