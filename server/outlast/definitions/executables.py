"""Executables as workflows: those that say what they are, and plain ones without parameters."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from outlast.definitions.answers import Answers
from outlast.definitions.asking import PATIENCE, Unanswered, ask, is_marked
from outlast.definitions.catalogue import Found, Skipped
from outlast.definitions.document import Document
from outlast.definitions.environment import base_environment
from outlast.definitions.explaining import finding, problems_in
from outlast.definitions.loading import RESERVED
from outlast.definitions.metadata import definition_from
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.trust import Untrusted, check_directory, check_link, check_status, key_of, unsettled
from outlast.kernel.errors import InvalidDefinition, InvalidInput
from outlast.kernel.plan import Json

AT_ONCE = 4
"""Executables that are asked at the same time."""
SHORTEST = 0.05
"""Seconds: with less, nobody is asked."""


@dataclass(frozen=True, slots=True)
class Question:
    """An executable that is marked as a workflow and has still to be asked."""

    path: Path
    status: os.stat_result


class Executables:
    """Turns executables into workflows. None is ever started that is not marked as one."""

    def __init__(
        self,
        answers: Answers | None = None,
        environment: Mapping[str, str] | None = None,
        path: str | None = None,
    ) -> None:
        """`environment`: the server's variables, of which executables get what every child gets; `path`: the
        setting."""
        self._answers = answers or Answers()
        self._environment = os.environ if environment is None else environment
        self._path = path

    def read(self, path: Path, status: os.stat_result) -> Found | Skipped | Question:
        """An executable file's workflow, as far as it is known without starting anything."""
        try:
            check_status(status, os.geteuid())
            check_link(path)
            check_directory(path.resolve().parent)
            answer = self._answers.get(path, key_of(status))
            if answer is None and is_marked(path):
                return Question(path, status)
        except Untrusted as error:
            return Skipped(path, str(error))
        except OSError as error:
            return Skipped(path, f"cannot be read: {error.strerror}")
        if answer is None and not unsettled(status):
            self._answers.put(path, key_of(status))
        if answer is not None and answer.failure is not None:
            return Skipped(path, answer.failure)
        return _workflow(path, answer.metadata if answer is not None else None)

    def ask(self, questions: Sequence[Question], seconds: float) -> dict[Path, Found | Skipped]:
        """Ask all of them, several at once, within `seconds` together."""
        deadline = monotonic() + seconds

        def ask_one(question: Question) -> tuple[Path, Found | Skipped]:
            return question.path, self._ask(question, deadline)

        with ThreadPoolExecutor(AT_ONCE, "asking") as threads:
            return dict(threads.map(ask_one, questions))

    def save(self) -> None:
        """Keep what was found out for other processes."""
        self._answers.save()

    def examine(self, path: Path) -> WorkflowDefinition:
        """The workflow of one executable, asked now if it is marked. Raises InvalidDefinition."""
        path = path.absolute()
        one = self.read(path, path.stat())
        if isinstance(one, Question):
            one = self._ask(one, monotonic() + PATIENCE)
        if isinstance(one, Skipped):
            raise InvalidDefinition(f"{path} {one.reason}", next=f"outlast workflows validate {path}")
        return one.definition

    def _ask(self, question: Question, deadline: float) -> Found | Skipped:
        path, key = question.path, key_of(question.status)
        left = deadline - monotonic()
        if left < SHORTEST:
            return Skipped(path, "was not asked for its metadata: there was no time left; the next look goes on")
        try:
            environment = base_environment(self._environment, self._path)
            home = environment["HOME"]
            metadata = ask(path, environment, home if os.path.isdir(home) else "/", min(PATIENCE, left))  # noqa: PTH112 - one look
        except InvalidInput as error:
            return Skipped(path, f"cannot be asked for its metadata: {error.message}")
        except Unanswered as error:
            # With its full time it would perhaps not have failed.
            if left >= PATIENCE and not unsettled(question.status):
                self._answers.put(path, key, failure=str(error))
            return Skipped(path, str(error))
        if not unsettled(question.status):
            self._answers.put(path, key, metadata=metadata)
        return _workflow(path, metadata)


def _workflow(path: Path, metadata: dict[str, Json] | None) -> Found | Skipped:
    """What an executable said as a workflow; one that says nothing takes no parameters."""
    try:
        definition = _plain(path) if metadata is None else definition_from(metadata, str(path))
    except ValueError as error:
        sentences = str(error).split("\n")
        what = "is executable, but" if metadata is None else "says in its metadata what cannot be used:"
        return Skipped(path, what + (" " if len(sentences) == 1 else "\n  ") + "\n  ".join(sentences))
    if definition.id in RESERVED:
        return Skipped(path, f"has the id {definition.id}, which is the name of a built-in workflow")
    return Found(definition, path)


def _plain(path: Path) -> WorkflowDefinition:
    document = Document({"id": path.stem, "description": f"Runs {path}.", "run": [str(path)]})
    if problems := problems_in(document):
        raise ValueError("\n".join(str(finding(problem, document)) for problem in problems))
    return WorkflowDefinition.model_validate(document.values)
