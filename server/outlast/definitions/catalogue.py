"""The workflows that there are, and the files that are none."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.values import show
from outlast.kernel.errors import NotAllowed, NotFound


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
            if one.path.stem == workflow_id:
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
