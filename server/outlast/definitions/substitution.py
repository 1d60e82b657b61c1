"""`${{ params.name }}`: where it may stand and what takes its place.

Each template is read once; what a parameter brings in is never read again. One element of `run` stays one argument,
whatever the value holds. Three exceptions: an element that is nothing but a list parameter becomes one argument per
item, an element that names an optional parameter without a value is left out, and so is a group of arguments (a list
among the elements) as a whole, there also when the value is empty.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from outlast.definitions.parameter import Parameter
from outlast.definitions.values import as_text, show
from outlast.kernel.errors import InvalidInput
from outlast.kernel.plan import Json

REFERENCE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
INSIDE = re.compile(r"\s*params\.([A-Za-z_][A-Za-z0-9_-]*)\s*\Z")
IN_SHELL = re.compile(r"\$\{\{\s*params\.([A-Za-z_][A-Za-z0-9_-]*)")
NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


def references(template: str) -> list[str]:
    """The names of the parameters in a template. Raises ValueError with a sentence for any other `${{`."""
    names: list[str] = []
    for match in REFERENCE.finditer(template):
        if not (inside := INSIDE.match(match[1])):
            raise ValueError(f"holds {show(match[0])}, but only ${{{{ params.NAME }}}} is known")
        names.append(inside[1])
    if "${{" in REFERENCE.sub("", template):
        raise ValueError("holds a ${{ that is not closed by }}")
    return names


def whole_reference(template: str) -> str | None:
    """The parameter that a template consists of, if it is nothing but one reference."""
    match = REFERENCE.fullmatch(template)
    inside = INSIDE.match(match[1]) if match else None
    return inside[1] if inside else None


def variable_name(parameter: str) -> str:
    """The environment variable of a parameter: `PARAM_` and the name, upper-cased, other characters as `_`."""
    return "PARAM_" + re.sub(r"[^A-Z0-9]", "_", parameter.upper())


def fill_text(template: str, values: Mapping[str, Json]) -> str | None:
    """The template with its parameters; None where one of them has no value."""
    if any(name not in values for name in references(template)):
        return None
    return REFERENCE.sub(lambda match: as_text(values[references(match[0])[0]]), template)


def fill_argv(
    template: Sequence[str | list[str]], values: Mapping[str, Json], declared: Mapping[str, Parameter]
) -> list[str]:
    """The arguments. Raises InvalidInput where a parameter would become an option of its own."""
    argv: list[str] = []
    problems: list[str] = []
    for element in _arguments(template, values):
        name = whole_reference(element)
        value = values.get(name) if name else None
        if isinstance(value, list):
            filled = [as_text(item) for item in value]
        else:
            text = fill_text(element, values)
            filled = [] if text is None else [text]
        culprits = [(text, _option(element, text, values, declared)) for text in filled]
        problems += [
            f"params.{culprit}: {show(text)} would become an option of the command; "
            "values that start with '-' need allow_dash: true in the workflow"
            for text, culprit in culprits
            if culprit
        ]
        argv += filled
    if problems:
        raise InvalidInput("\n".join(problems))
    return argv


def _arguments(template: Sequence[str | list[str]], values: Mapping[str, Json]) -> Iterator[str]:
    """The elements, and those of the groups in which every parameter says something."""
    for element in template:
        if isinstance(element, str):
            yield element
        elif all(values.get(name) not in (None, "", []) for argument in element for name in references(argument)):
            yield from element


def _option(element: str, text: str, values: Mapping[str, Json], declared: Mapping[str, Parameter]) -> str | None:
    """The parameter that makes an argument start with '-', where the definition does not allow it."""
    if not text.startswith("-") or NEGATIVE.match(text):
        return None
    for name in _leading(element):
        if values[name] != "":
            parameter = declared[name]
            return name if parameter.type in ("string", "list") and not parameter.allow_dash else None
    return None


def _leading(element: str) -> Iterator[str]:
    """The references at the very start of an element, up to its first own character."""
    position = 0
    while match := REFERENCE.match(element, position):
        yield references(match[0])[0]
        position = match.end()
