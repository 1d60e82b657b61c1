"""A workflow file as values that know their lines."""

from dataclasses import dataclass, field

from outlast.definitions.values import Path, Problem
from outlast.kernel.plan import Json


class Unreadable(ValueError):
    """The text is no document at all."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.line = line


@dataclass(slots=True)
class Document:
    values: Json = None
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    """The line where a value or its key stands, counted from 1."""
    written: dict[Path, str] = field(default_factory=dict[Path, str])
    """How values stand in a YAML file that are not text there, though they carry no quotes."""
    problems: list[Problem] = field(default_factory=list[Problem])

    def line(self, path: Path) -> int | None:
        """The line of a field, or of the nearest thing around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return self.lines.get(())
