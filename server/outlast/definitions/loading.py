"""From a workflow file to its definition."""

from pathlib import Path

from outlast.definitions.builtin import COMMAND
from outlast.definitions.document import Unreadable
from outlast.definitions.documents import FORMATS, read_document
from outlast.definitions.explaining import describe, problems_in
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.trust import Untrusted, read_trusted
from outlast.kernel.errors import InvalidDefinition

RESERVED = frozenset({COMMAND.id})
"""Ids of built-in workflows."""


def load_file(path: Path) -> WorkflowDefinition:
    """The definition in a .yaml, .yml, .toml or .json file. Raises InvalidDefinition with every problem in it."""
    if path.suffix not in FORMATS:
        raise _invalid(str(path), [f"must end in {', '.join(FORMATS)}"])
    try:
        data = read_trusted(path)
    except Untrusted as error:
        raise _invalid(str(path), [str(error)]) from None
    except FileNotFoundError:
        raise _invalid(str(path), ["does not exist"]) from None
    except OSError as error:
        raise _invalid(str(path), [f"cannot be read: {error.strerror}"]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _invalid(str(path), [f"line {line}: is not UTF-8 text"]) from None
    definition = load_text(text, path.suffix, str(path))
    if definition.id in RESERVED:
        raise _invalid(str(path), [f"id {definition.id} is the name of a built-in workflow; choose another"])
    return definition


def load_text(text: str, suffix: str = ".json", source: str = "the stored definition") -> WorkflowDefinition:
    """The definition in a text; by default in the canonical form. Raises InvalidDefinition, naming `source`."""
    try:
        document = read_document(text, suffix)
    except Unreadable as error:
        place = f"line {error.line}: " if error.line else ""
        raise _invalid(source, [place + error.sentence]) from None
    if problems := problems_in(document):
        raise _invalid(source, [describe(problem, document) for problem in problems])
    return WorkflowDefinition.model_validate(document.values)


def _invalid(source: str, sentences: list[str]) -> InvalidDefinition:
    if len(sentences) == 1:
        message = f"{source}: {sentences[0]}"
    else:
        message = f"{source} has {len(sentences)} problems:\n" + "\n".join(f"  {one}" for one in sentences)
    return InvalidDefinition(message, next=f"outlast workflows validate {source}")
