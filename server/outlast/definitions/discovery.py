"""Which workflows there are: the definition files and executables of the workflow directories."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from outlast.definitions.builtin import COMMAND
from outlast.definitions.catalogue import Catalogue, Found, Skipped
from outlast.definitions.documents import FORMATS
from outlast.definitions.executables import Executables, Question
from outlast.definitions.loading import load_file
from outlast.definitions.rivals import choose
from outlast.definitions.trust import FileKey, Untrusted, check_directory, key_of, unsettled
from outlast.kernel.errors import InvalidDefinition

Cache = dict[Path, tuple[FileKey, Found | Skipped]]


class Discovery:
    """Finds workflows again and again; a file that did not change is not read again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, executables: Executables | None = None) -> None:
        self._clock = clock
        self._executables = executables or Executables()
        self._cache: Cache = {}

    def discover(self, directories: Sequence[Path], *, allow_command: bool, seconds: float) -> Catalogue:
        """Read the directories in their order, for at most `seconds`. Raises nothing for a bad file.

        Of the files only executables that are marked as workflows are started, to ask them what they are.
        """
        deadline = self._clock() + seconds
        catalogue = Catalogue(tuple(directories))
        found: defaultdict[str, dict[Path, Found]] = defaultdict(dict)
        cache: Cache = {}
        ones: list[Found | Skipped | Question] = []
        for directory in dict.fromkeys(path.absolute() for path in directories):
            try:
                check_directory(directory)
                entries = sorted(_candidates(directory))
            except FileNotFoundError:
                ones.append(Skipped(directory, "does not exist"))
                continue
            except Untrusted as error:
                ones.append(Skipped(directory, str(error)))
                continue
            except OSError as error:
                ones.append(Skipped(directory, f"cannot be read: {error.strerror}"))
                continue
            for index, path in enumerate(entries):
                if self._clock() >= deadline:
                    left = len(entries) - index
                    reason = f"was not read to its end within {seconds:g} s: {left} files are left, from {path.name} on"
                    ones.append(Skipped(directory, reason))
                    break
                one = self._read(path, cache)
                if one is not None:
                    ones.append(one)
        for one in self._answered(ones, deadline, cache):
            if isinstance(one, Skipped):
                catalogue.skipped.append(one)
            else:
                assert one.path is not None, "read from a directory"
                found[one.definition.id][one.path] = one
        workflows = {COMMAND.id: Found(COMMAND, None)} if allow_command else {}
        for workflow_id, rivals in found.items():
            winner, reasons = choose(workflow_id, list(rivals))
            if winner is not None:
                workflows[workflow_id] = rivals[winner]
            catalogue.skipped.extend(Skipped(path, reason, workflow_id) for path, reason in reasons.items())
        catalogue.workflows.update(sorted(workflows.items()))
        self._cache = cache
        self._executables.save()
        return catalogue

    def named(self, directories: Sequence[Path], workflow_id: str) -> Found | None:
        """The workflow whose id belongs to the definition file that is named like it (see rivals.py), found without
        looking into any other file; None where only the whole catalogue can tell."""
        for directory in dict.fromkeys(path.absolute() for path in directories):
            try:
                rivals = [path for path in _candidates(directory) if path.stem == workflow_id]
                if not rivals:
                    continue
                check_directory(directory)
            except (OSError, Untrusted):
                return None
            definitions = [path for path in rivals if path.suffix in FORMATS]
            one = self._read(definitions[0], self._cache) if len(definitions) == 1 else None
            return one if isinstance(one, Found) and one.definition.id == workflow_id else None
        return None

    def _read(self, path: Path, cache: Cache) -> Found | Skipped | Question | None:
        """One file's workflow, or why it has none, or that it has to be asked; None for what is no candidate."""
        try:
            path.name.encode()
            status = path.stat()
        except UnicodeEncodeError:
            return Skipped(path, "has a name that is not UTF-8")
        except OSError as error:
            return Skipped(path, f"cannot be read: {error.strerror}")
        before = self._cache.get(path)
        if before and before[0] == key_of(status) and not path.is_symlink():
            cache[path] = before
            return before[1]
        if path.suffix in FORMATS:
            one = _load(path)
        elif os.access(path, os.X_OK) and not path.is_dir():
            one = self._executables.read(path, status)
        else:
            return None
        # What an executable failed to answer is kept elsewhere, and not for ever.
        if isinstance(one, Question) or (isinstance(one, Skipped) and path.suffix not in FORMATS):
            return one
        if not unsettled(status):
            cache[path] = (key_of(status), one)
        return one

    def _answered(
        self, ones: list[Found | Skipped | Question], deadline: float, cache: Cache
    ) -> Iterator[Found | Skipped]:
        """The same in the same order, with answers in the place of questions."""
        questions = [one for one in ones if isinstance(one, Question)]
        answers = self._executables.ask(questions, deadline - self._clock()) if questions else {}
        for one in ones:
            if isinstance(one, Question):
                answer = answers[one.path]
                # Whatever went wrong may go well the next time.
                if isinstance(answer, Found) and not unsettled(one.status):
                    cache[one.path] = (key_of(one.status), answer)
                yield answer
            else:
                yield one


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
