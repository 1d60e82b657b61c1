"""Parameters as people give them: words, a JSON document, answers at the terminal."""

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import click

from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.parameters import parse_cli_params
from outlast.kernel.errors import InvalidInput
from outlast.kernel.plan import Json
from outlast.tools.readable import visible

NEXT = '--params \'{"name": "value"}\', --params @FILE, or --params - for standard input'
SECRETS = "--params @FILE or --params - (standard input) keep secrets off the command line, where others can read them"
MOST_BYTES = 1024 * 1024
"""Of a document; all values together are 256 KiB at most."""


def given_params(document: str | None) -> dict[str, Json]:
    """The values of --params: a JSON object, `@FILE` that holds one, or `-` for standard input."""
    if document is None:
        return {}
    try:
        values: object = json.loads(read(document) if document == "-" or document.startswith("@") else document)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"--params: is not JSON: {error}.", next=NEXT) from None
    if not isinstance(values, dict):
        raise InvalidInput("--params: must be a JSON object.", next=NEXT)
    return cast("dict[str, Json]", values)


def read(source: str) -> str:
    """The text behind `-` or `@FILE`."""
    try:
        if source == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(source[1:]).expanduser().open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"--params: {source[1:]} cannot be read: {error.strerror}.", next=NEXT) from None
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"--params: has more than {MOST_BYTES // 1024} KiB.", next=NEXT)
    return data.decode("utf-8-sig")


def merged(definition: WorkflowDefinition, words: Sequence[str], given: dict[str, Json]) -> dict[str, Json]:
    """The values of -p, by the types that the workflow declares, beside those of --params."""
    values = parse_cli_params(definition, words)
    if twice := sorted(values.keys() & given.keys()):
        raise InvalidInput(f"{', '.join(twice)}: given in --params and with -p.", next="give each parameter once")
    return given | values


def missing_secrets(definition: WorkflowDefinition, params: Mapping[str, Json]) -> list[str]:
    return [name for name, one in definition.params.items() if one.secret and one.must_be_given and name not in params]


def asked(definition: WorkflowDefinition, params: Mapping[str, Json]) -> dict[str, Json]:
    """The missing secrets as somebody types them at the terminal, without an echo; {} where there is none."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        return {}
    answers: dict[str, Json] = {}
    for name in missing_secrets(definition, params):
        meaning = definition.params[name].description
        question = f"{name} ({visible(meaning)})" if meaning else name
        answers[name] = click.prompt(question, hide_input=True, err=True, type=str)
    return answers


@contextmanager
def next_step(definition: WorkflowDefinition, params: Mapping[str, Json]) -> Generator[None]:
    """Errors lead to the command that shows what the workflow takes, and to how a secret is given."""
    try:
        yield
    except InvalidInput as error:
        if error.next == "list_workflows":
            secrets = f"; {SECRETS}" if missing_secrets(definition, params) else ""
            error.next = f"outlast workflows show {definition.id}{secrets}"
        raise
