"""The parameters of one execution, checked against what the workflow declares."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from outlast.definitions.builtin import COMMAND, command_problems
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.parameter import Parameter
from outlast.definitions.values import TYPE_NAMES, show, show_path, size
from outlast.kernel.errors import InvalidInput, UnknownParameter
from outlast.kernel.plan import Json

MAX_ALL = 256 * 1024
"""Bytes of all values together."""
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
INTEGER = re.compile(r"[+-]?[0-9]{1,30}\Z")
NEXT = "list_workflows"


def check_params(definition: WorkflowDefinition, given: Mapping[str, Json]) -> dict[str, Json]:
    """The values by name, defaults filled in, in the order of the declarations. Nothing is converted.

    Raises UnknownParameter or InvalidInput with every problem in one message. A secret's value is never in it.
    """
    problems = _unknown(definition, given)
    unknown = bool(problems)
    values: dict[str, Json] = {}
    for name, parameter in definition.params.items():
        if name in given:
            wrong = list(parameter.value_problems(given[name], ("params", name)))
            problems += [f"{show_path(path)} {sentence}" for path, sentence in wrong]
            values[name] = given[name]
        elif parameter.default is not None:
            values[name] = parameter.default
        elif parameter.must_be_given:
            problems.append(f"params.{name} is missing: {_wanted(parameter)}")
    if not problems and (total := sum(size(value) for value in values.values())) > MAX_ALL:
        problems.append(f"params have {total:,} bytes in all; the limit is {MAX_ALL:,} (256 KiB)")
    if not problems and definition.id == COMMAND.id:
        problems += [f"{show_path(path)} {sentence}" for path, sentence in command_problems(values)]
    if problems:
        raise (UnknownParameter if unknown else InvalidInput)(_message(definition, problems), next=NEXT)
    return values


def parse_cli_params(definition: WorkflowDefinition, words: Sequence[str]) -> dict[str, Json]:
    """Values from `name=value` words, converted by declared type; check_params still has to see them.

    A list is JSON (`[…]`) or one word per item; an object is JSON. Raises UnknownParameter or InvalidInput.
    """
    values: dict[str, Json] = {}
    problems: list[str] = []
    for word in words:
        name, equals, text = word.partition("=")
        parameter = definition.params.get(name)
        if not equals:
            problems.append(f"{show(name)} is no parameter: write name=value")
        elif parameter is None:
            continue
        else:
            value, sentence = _convert(parameter, text)
            before = values.get(name)
            if sentence:
                problems.append(f"params.{name} {sentence}")
            elif isinstance(before, list) and isinstance(value, list):
                before.extend(value)
            elif name in values:
                problems.append(f"params.{name} is given twice")
            else:
                values[name] = value
    names = [word.partition("=")[0] for word in words if "=" in word]
    unknown = _unknown(definition, dict.fromkeys(names))
    if problems or unknown:
        raise (UnknownParameter if unknown else InvalidInput)(_message(definition, unknown + problems), next=NEXT)
    return values


def _unknown(definition: WorkflowDefinition, given: Mapping[str, object]) -> list[str]:
    names = list(definition.params)
    known = f"it has {', '.join(names)}" if names else "it has none"
    problems: list[str] = []
    for name in given:
        if name not in definition.params:
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            problems.append(f"{show(name)} is not a parameter of {definition.id}: {hint}{known}")
    return problems


def _wanted(parameter: Parameter) -> str:
    return f"{parameter.accepts} ({parameter.description})" if parameter.description else parameter.accepts


def _message(definition: WorkflowDefinition, problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{definition.id} was not started, {len(problems)} problems:\n" + "\n".join(problems)


def _convert(parameter: Parameter, text: str) -> tuple[Json, str]:
    """A word as the declared type, and what is wrong with it ("" where nothing is)."""
    wrong = "" if parameter.secret else f", not {show(text)}"
    if parameter.type == "string":
        return text, ""
    if parameter.type == "integer":
        return (int(text), "") if INTEGER.match(text) else (None, f"must be an integer{wrong}")
    if parameter.type == "boolean":
        value = WORDS.get(text.lower())
        return value, "" if value is not None else f"must be true or false{wrong}"
    if parameter.type == "list" and not text.lstrip().startswith("["):
        return [text], ""
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None, f"must be {TYPE_NAMES[parameter.type]}{'' if parameter.type == 'number' else ' as JSON'}{wrong}"
    return value, ""
