"""From a workflow file to its definition."""

from pathlib import Path

from outlast.definitions.builtin import COMMAND
from outlast.definitions.document import Unreadable
from outlast.definitions.documents import FORMATS, read_document
from outlast.definitions.explaining import Finding, finding, problems_in
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.trust import Untrusted, read_trusted
from outlast.kernel.errors import InvalidDefinition

RESERVED = frozenset({COMMAND.id})
"""Ids of built-in workflows."""


class Unloadable(InvalidDefinition):
    """A file, or a text, that is no definition."""

    def __init__(self, source: str, findings: list[Finding]) -> None:
        if len(findings) == 1:
            message = f"{source}: {findings[0]}"
        else:
            message = f"{source} has {len(findings)} problems:\n" + "\n".join(f"  {one}" for one in findings)
        super().__init__(message, next=f"outlast workflows validate {source}")
        self.findings = findings


def load_file(path: Path) -> WorkflowDefinition:
    """The definition in a .yaml, .yml, .toml or .json file. Raises Unloadable with every problem in it."""
    if path.suffix not in FORMATS:
        raise Unloadable(str(path), [Finding(f"must end in {', '.join(FORMATS)}")])
    try:
        data = read_trusted(path)
    except Untrusted as error:
        raise Unloadable(str(path), [Finding(str(error))]) from None
    except FileNotFoundError:
        raise Unloadable(str(path), [Finding("does not exist")]) from None
    except OSError as error:
        raise Unloadable(str(path), [Finding(f"cannot be read: {error.strerror}")]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unloadable(str(path), [Finding("is not UTF-8 text", line)]) from None
    definition = load_text(text, path.suffix, str(path))
    if definition.id in RESERVED:
        sentence = f"{definition.id} is the name of a built-in workflow; choose another"
        raise Unloadable(str(path), [Finding(sentence, field="id")])
    return definition


def load_text(text: str, suffix: str = ".json", source: str = "the stored definition") -> WorkflowDefinition:
    """The definition in a text; by default in the canonical form. Raises Unloadable, naming `source`."""
    try:
        document = read_document(text, suffix)
    except Unreadable as error:
        raise Unloadable(source, [Finding(error.sentence, error.line)]) from None
    if problems := problems_in(document):
        raise Unloadable(source, [finding(problem, document) for problem in problems])
    return WorkflowDefinition.model_validate(document.values)
