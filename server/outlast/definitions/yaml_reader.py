"""YAML, read as YAML 1.1 but never silently.

What people write as text and YAML takes for something else (dates, numbers in base 60, leading zeros) is a problem; for
`no`, `on` and the like the written form is kept for the message. No objects, no anchors, a limited depth.
"""

import re
from collections.abc import Callable
from typing import Protocol, cast

import yaml

from outlast.definitions.document import Document, Unreadable
from outlast.definitions.values import MAX_DEPTH, Path, Problem
from outlast.kernel.plan import Json

BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z")
LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+\Z")


class Mark(Protocol):
    line: int


class Event(Protocol):
    """What is used of PyYAML's events, which its type stubs leave out."""

    start_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]


class Loader(Protocol):
    """What is used of PyYAML's loaders, with and without the C library."""

    def check_event(self, *choices: type) -> bool: ...
    def get_event(self) -> Event: ...
    def peek_event(self) -> Event: ...
    def resolve(self, kind: type, value: str, implicit: tuple[bool, bool]) -> str: ...
    def construct_yaml_int(self, node: yaml.ScalarNode) -> int: ...
    def construct_yaml_float(self, node: yaml.ScalarNode) -> float: ...
    def construct_yaml_bool(self, node: yaml.ScalarNode) -> bool: ...
    def dispose(self) -> None: ...


LOADER = cast("Callable[[str], Loader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
"""The safe loader, in C where PyYAML has it."""


def read_yaml(text: str) -> Document:
    """Read one YAML document. Raises Unreadable."""
    try:
        return _YamlReader(text).document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(
            f"is not valid YAML: {error.problem or error.context}", mark.line + 1 if mark else None
        ) from None
    except yaml.YAMLError as error:
        raise Unreadable(f"is not valid YAML: {str(error).splitlines()[0]}") from None


class _YamlReader:
    """Builds values from YAML's events: no objects, no anchors, a limited depth."""

    def __init__(self, text: str) -> None:
        self.document = Document()
        self.loader = LOADER(text)
        try:
            while not self.loader.check_event(yaml.DocumentStartEvent, yaml.StreamEndEvent):
                self.loader.get_event()
            if self.loader.check_event(yaml.StreamEndEvent):
                return
            self.loader.get_event()
            self.document.values = self._value(())
            self.loader.get_event()
            if not self.loader.check_event(yaml.StreamEndEvent):
                line = self.loader.peek_event().start_mark.line + 1
                raise Unreadable("holds more than one YAML document", line)
        finally:
            self.loader.dispose()

    def _value(self, path: Path) -> Json:
        event = self.loader.get_event()
        line = event.start_mark.line + 1
        self.document.lines.setdefault(path, line)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise Unreadable("uses an anchor or alias (& or *); write the value out", line)
        if len(path) > MAX_DEPTH:
            raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels", line)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._problem(path, f"has the tag {event.tag}; tags are not supported")
        return self._list(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _list(self, path: Path) -> Json:
        items: list[Json] = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            items.append(self._value((*path, len(items))))
        self.loader.get_event()
        return items

    def _mapping(self, path: Path) -> Json:
        made: dict[str, Json] = {}
        while not self.loader.check_event(yaml.MappingEndEvent):
            event = self.loader.get_event()
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None:
                raise Unreadable("has a key that is not plain text", line)
            here = (*path, event.value)
            first = self.document.lines.setdefault(here, line)
            if event.value in made:
                self._problem(here, f"appears twice (first on line {first})")
                self.document.lines[here] = line
            tag = self._tag(event)
            if tag == "merge":
                self._problem(here, "is not supported; write the values out")
            elif tag != "str":
                self._problem(here, f"is a key that YAML reads as {_READ_AS.get(tag, tag)}; put it in quotes")
            made[event.value] = self._value(here)
        self.loader.get_event()
        return made

    def _tag(self, event: Event) -> str:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        return tag.removeprefix("tag:yaml.org,2002:")

    def _scalar(self, event: Event, path: Path) -> Json:
        text = event.value
        tag = self._tag(event)
        if tag == "str":
            return text
        self.document.written[path] = text
        quote = f'write "{text}" in quotes if it is text'
        if tag in ("int", "float") and BASE_60.match(text):
            self._problem(path, f"is read by YAML as a number in base 60; {quote}")
        elif tag == "int" and LEADING_ZERO.match(text):
            self._problem(path, f"is read by YAML as an octal number; {quote}, or leave out the leading zero")
        elif tag == "timestamp":
            self._problem(path, f"is read by YAML as a date; {quote}")
        elif tag in ("int", "float", "bool", "null"):
            return self._plain(tag, text, path)
        else:
            self._problem(path, f"has the tag {tag}, which is not supported; {quote}")
        return text

    def _plain(self, tag: str, text: str, path: Path) -> Json:
        node = yaml.ScalarNode(tag, text)
        try:
            if tag == "int":
                return self.loader.construct_yaml_int(node)
            if tag == "float":
                return self.loader.construct_yaml_float(node)
            return self.loader.construct_yaml_bool(node) if tag == "bool" else None
        except (ValueError, KeyError):
            self._problem(path, f"cannot be read as {_READ_AS[tag]}")
            return text

    def _problem(self, path: Path, sentence: str) -> None:
        self.document.problems.append(Problem(path, sentence))


_READ_AS = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "null": "empty",
    "timestamp": "a date",
    "value": "a special key",
}
