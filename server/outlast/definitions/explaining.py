"""What is wrong with a definition, in sentences for whoever wrote the file."""

from copy import deepcopy
from difflib import get_close_matches
from typing import cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from outlast.definitions.document import Document
from outlast.definitions.model import KINDS, LATER, TAGS, Concurrency, WorkflowDefinition
from outlast.definitions.parameter import Parameter
from outlast.definitions.values import Path, Problem, kind_of, show_path
from outlast.kernel.plan import Json

ONE_STEP = "belongs to workflows of several steps; this version runs workflows of one step: run, shell or python"

EXPECTED = {
    "string_type": "text",
    "int_type": "an integer",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
}


def problems_in(document: Document) -> list[Problem]:
    """Everything that keeps a document from being a definition, in the order of its lines; [] when it is one.

    Checks across fields need every field. Where some are wrong they are replaced by harmless ones for a second
    look, so that one reading tells all.
    """
    problems = list(document.problems)
    try:
        WorkflowDefinition.model_validate(document.values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += _explain(details, document)
        repaired = _repaired(document.values, [detail["loc"] for detail in details])
        if repaired is not None:
            try:
                WorkflowDefinition.model_validate(repaired)
            except ValidationError as second:
                problems += _explain(second.errors(include_url=False), document)
    first: dict[tuple[Path, str], Problem] = {}
    blamed = {problem.path for problem in document.problems}
    for index, problem in enumerate(problems):
        # A value that YAML read as something else was reported; what follows from it says nothing new.
        if index < len(document.problems) or problem.path not in blamed:
            first.setdefault(problem, problem)
    return sorted(first.values(), key=lambda problem: document.line(problem.path) or 0)


def describe(problem: Problem, document: Document) -> str:
    """`line 4: params.target.default must be one of …`"""
    line = document.line(problem.path)
    place = f"line {line}: " if line else ""
    return f"{place}{show_path(problem.path) or 'the workflow'} {problem.sentence}"


def _explain(details: list[ErrorDetails], document: Document) -> list[Problem]:
    problems: list[Problem] = []
    for detail in details:
        if detail["type"] == "definition":
            for problem in cast("list[Problem]", detail.get("ctx", {})["problems"]):
                written = document.written.get(problem.path)
                quoted = (
                    f'; write "{written}" in quotes' if problem.sentence.startswith("must be text") and written else ""
                )
                problems.append(Problem(problem.path, problem.sentence + quoted))
        else:
            path = tuple(part for part in detail["loc"] if part not in TAGS)
            problems.append(Problem(path, sentence_of(detail, path, document)))
    return problems


def sentence_of(detail: ErrorDetails, path: Path, document: Document) -> str:
    """What is wrong at one place, as the rest of a sentence that begins with the field."""
    kind = detail["type"]
    context = detail.get("ctx", {})
    written = document.written.get(path)
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return "must be one of " + str(context["expected"]).replace("'", "").replace(" or ", ", ")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return "must have a type, one of " + str(context.get("expected_tags", "those that are known")).replace("'", "")
    if path == ("run",) and isinstance(detail["input"], str):
        return "must be a list of a program and its arguments, such as [make, test]; for a line of shell use shell"
    if kind == "string_type" and written is not None and detail["input"] is not None:
        return f'must be text, but YAML reads {written} as {kind_of(detail["input"])}; write "{written}" in quotes'
    if kind in EXPECTED:
        given = "empty" if detail["input"] is None else kind_of(detail["input"])
        return f"must be {EXPECTED[kind]}, not {given}"
    if kind in ("string_too_short", "too_short"):
        return "is empty"
    if kind in ("string_too_long", "too_long"):
        unit = "characters" if kind == "string_too_long" else "items"
        return f"must have at most {context['max_length']} {unit}"
    if kind == "string_pattern_mismatch":
        return (
            "must consist of lower-case letters, digits, dots, underscores and dashes, "
            "begin with a letter or digit and have at most 64 characters"
        )
    return "is not valid here"


def _unknown_key(path: Path) -> str:
    if len(path) == 1 and path[0] in LATER:
        return ONE_STEP
    model: type[BaseModel] = WorkflowDefinition
    if path[0] == "params":
        model = Parameter
    elif path[0] == "concurrency":
        model = Concurrency
    close = get_close_matches(str(path[-1]), model.model_fields, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(model.model_fields)}"
    return f"is not a known key; {hint}"


def _repaired(values: Json, wrong: list[Path]) -> dict[str, Json] | None:
    """The values with everything wrong made harmless; None where that would hide or invent other problems."""
    if not isinstance(values, dict) or () in wrong:
        return None
    repaired = deepcopy(values)
    for path in wrong:
        field = str(path[0])
        inside = repaired.get(field)
        if field == "params":
            if len(path) < 2 or not isinstance(inside, dict):
                return None
            declared = inside.get(str(path[1]))
            secret = isinstance(declared, dict) and declared.get("secret") is True
            inside[str(path[1])] = {"secret": secret}
        elif len(path) > 1 and isinstance(inside, list) and isinstance(path[1], int):
            inside[path[1]] = "x"
        elif len(path) > 1 and isinstance(inside, dict) and field != "concurrency":
            inside.pop(str(path[1]), None)
        elif field in _HARMLESS:
            repaired[field] = _HARMLESS[field]
        else:
            repaired.pop(field, None)
    if LATER & values.keys() and not any(kind in repaired for kind in KINDS):
        repaired["shell"] = "true"
    return repaired


_HARMLESS: dict[str, Json] = {"id": "x", "run": ["true"], "shell": "true", "python": "m:f"}
