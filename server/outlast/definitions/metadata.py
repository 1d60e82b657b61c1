"""What an executable says about itself (`--workflow-metadata`), as a workflow definition."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from outlast.definitions.document import Document
from outlast.definitions.explaining import describe, problems_in, sentence_of
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.parameter import Number
from outlast.definitions.values import Path, Problem, json_problems
from outlast.kernel.plan import Json

LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 2000
"""Characters kept of a name and of a field's description: longer words must not keep a workflow from running."""


def _words(value: object) -> object:
    return "" if value is None else value


Words = Annotated[str, BeforeValidator(_words)]
"""Text that may be missing or null."""


class Said(BaseModel):
    """A part of the metadata. Keys that are not known here belong to newer executables."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class TextType(Said):
    type: Literal["text"]


class NumberType(Said):
    type: Literal["number"]
    min: Number | None = None
    max: Number | None = None


class FileType(Said):
    type: Literal["file_path"]
    pattern: str | None = None


class SelectType(Said):
    type: Literal["select"]
    options: Annotated[list[str], Field(min_length=1)]


class PhaseType(Said):
    type: Literal["phase_selector"]
    total_phases: int


class StateType(Said):
    type: Literal["state_file"]
    pattern: str | None = None
    phase: int | None = None


FieldType: TypeAlias = Annotated[
    TextType | NumberType | FileType | SelectType | PhaseType | StateType, Field(discriminator="type")
]


class SaidField(Said):
    name: str
    label: Words = ""
    description: Words = ""
    cli_arg: Annotated[str, Field(min_length=1)]
    required: bool = False
    default: Words = ""
    """Empty is the same as none."""
    required_for_phases: list[int] | None = None
    field_type: FieldType


class Metadata(Said):
    id: str
    name: Words = ""
    description: Words = ""
    fields: list[SaidField] = []


def definition_from(metadata: Json, executable: str) -> WorkflowDefinition:
    """The workflow that an executable (its absolute path) says it is. Raises ValueError with a sentence per line.

    Values are passed as `cli_arg value`, empty ones are left out. Upper case in the id becomes lower case.
    """
    document = Document(metadata)
    problems = list(json_problems(metadata))
    said: Metadata | None = None
    if not problems:
        try:
            said = Metadata.model_validate(metadata)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                path = _place(detail["loc"])
                problems.append(Problem(path, sentence_of(detail, path, document)))
        else:
            problems += _field_problems(said)
    if said is None or problems:
        raise ValueError("\n".join(describe(problem, document) for problem in problems))
    values = _definition(said, executable)
    document = Document(values)
    if problems := problems_in(document):
        raise ValueError("\n".join(describe(problem, document) for problem in problems))
    return WorkflowDefinition.model_validate(values)


def _place(location: Path) -> Path:
    """Where an error stands, without the type that pydantic puts behind `field_type`."""
    if "field_type" in location[:-1]:
        tag = location.index("field_type") + 1
        return location[:tag] + location[tag + 1 :]
    return location


def _field_problems(said: Metadata) -> Iterator[Problem]:
    names = Counter(field.name for field in said.fields)
    for index, field in enumerate(said.fields):
        if names[field.name] > 1:
            yield Problem(("fields", index, "name"), "is the name of several fields")
        if "${{" in field.cli_arg:
            yield Problem(("fields", index, "cli_arg"), "holds ${{, which stands for a parameter in workflows")
        if isinstance(field.field_type, NumberType) and field.default and _number(field.default) is None:
            yield Problem(("fields", index, "default"), "must be a number, as the field is")


def _definition(said: Metadata, executable: str) -> dict[str, Json]:
    title = "".join(c if c.isprintable() else " " for c in said.name).strip()
    return {
        "id": said.id.lower(),
        "name": shortened(title, LONGEST_TITLE) or None,
        "description": shortened(said.description or f"Runs {executable}.", 10_000),
        "params": {field.name: _parameter(field) for field in said.fields},
        "run": [executable, *([field.cli_arg, f"${{{{ params.{field.name} }}}}"] for field in said.fields)],
        # Events are on stderr: there no half a line of stdout comes in front of them.
        "streams": "separate",
        "events": "markers",
    }


def _parameter(field: SaidField) -> dict[str, Json]:
    kind = field.field_type
    declared: dict[str, Json] = {"description": shortened(". ".join(_meaning(field)), LONGEST_DESCRIPTION)}
    if isinstance(kind, NumberType):
        # Never an integer: that a limit is whole does not mean that the values are.
        declared |= {"type": "number", "min": _whole(kind.min), "max": _whole(kind.max)}
    else:
        # A value stands behind its own cli_arg, so it cannot be taken for an option.
        declared |= {"type": "string", "allow_dash": True}
    if isinstance(kind, SelectType):
        declared["enum"] = [*kind.options]
    if field.default:
        declared["default"] = _number(field.default) if isinstance(kind, NumberType) else field.default
    else:
        declared["required"] = field.required
        if field.required and declared["type"] == "string":
            declared["min_length"] = 1
    return declared


def _meaning(field: SaidField) -> Iterator[str]:
    """What a reader should know of a field, in parts."""
    kind = field.field_type
    if field.label and field.label != field.name:
        yield field.label.rstrip(". ")
    if field.description and field.description != field.label:
        yield field.description.rstrip(". ")
    if isinstance(kind, FileType | StateType):
        phase = f" of phase {kind.phase}" if isinstance(kind, StateType) and kind.phase is not None else ""
        what = "A state file" if isinstance(kind, StateType) else "A file"
        yield f"{what}{phase}, by its absolute path" + (f", such as {kind.pattern}" if kind.pattern else "")
    if isinstance(kind, PhaseType):
        yield f"Which of the {kind.total_phases} phases, separated by commas"
    if field.required_for_phases:
        yield f"Required for phases: {', '.join(map(str, field.required_for_phases))}"


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _whole(value: int | float | None) -> int | float | None:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
