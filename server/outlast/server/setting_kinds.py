"""The types of settings: what is allowed, and how it is read from flags, variables and config.toml."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}

SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([kmgt]?b|[kmgt]ib|)", re.IGNORECASE)
UNITS = {"": 1, "b": 1} | {
    letter + unit: base ** (power + 1)
    for power, letter in enumerate("kmgt")
    for unit, base in (("b", 1000), ("ib", 1024))
}


class Kind(NamedTuple):
    """How values of one type are read. Both readers raise ValueError for what is not allowed."""

    name: str
    allowed: str
    """What may stand there: follows "must be"."""
    from_text: Callable[[str], object]
    """From a flag or a variable."""
    from_toml: Callable[[object], object]


def whole(low: int, high: int) -> Kind:
    def from_text(text: str) -> object:
        return from_toml(int(text) if re.fullmatch(r"[0-9]{1,9}", text.strip()) else None)

    def from_toml(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError

    return Kind("integer", f"a whole number from {low} to {high:,}", from_text, from_toml)


def choice(*words: str) -> Kind:
    def read(value: object) -> object:
        if value in words:
            return value
        raise ValueError

    return Kind("word", "one of " + ", ".join(words), read, read)


def switch() -> Kind:
    def from_toml(value: object) -> object:
        if isinstance(value, bool):
            return value
        raise ValueError

    def from_text(text: str) -> object:
        return from_toml(WORDS.get(text.strip().lower()))

    return Kind("boolean", "true or false", from_text, from_toml)


def text_of(value: object) -> str:
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise ValueError


def items(value: object) -> list[object]:
    if isinstance(value, list):
        return cast("list[object]", value)
    raise ValueError


def split(text: str, separator: str) -> list[object]:
    return [item.strip() for item in text.split(separator) if item.strip()]


def size_of(text: str) -> int:
    """Bytes of `2GB`, `500 MB`, `1.5GiB`, `4096`. Raises ValueError."""
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("no size")
    number, unit = found.groups()
    return round(float(number) * UNITS[unit.lower()])


def size_in_toml(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return size_of(text_of(value))


def names(value: object) -> tuple[str, ...]:
    found = tuple(map(text_of, items(value)))
    if not all(map(VARIABLE_NAME.match, found)):
        raise ValueError
    return found


def names_in(text: str) -> tuple[str, ...]:
    return names(split(text, ","))


def directory(value: object) -> Path:
    path = Path(text_of(value)).expanduser()
    if not path.is_absolute():
        raise ValueError
    return path


def directories(value: object) -> tuple[Path, ...]:
    return tuple(map(directory, items(value)))


def directories_in(text: str) -> tuple[Path, ...]:
    return directories(split(text, os.pathsep))


HOME = Kind("directory", "the path of a directory", text_of, text_of)
PATH = Kind("text", f"directories, separated by {os.pathsep!r}", text_of, text_of)
NAMES = Kind(
    "list of names", "names of variables: a list in config.toml, separated by commas elsewhere", names_in, names
)
DIRECTORIES = Kind(
    "list of directories",
    f"absolute paths (or ~/…): a list in config.toml, separated by {os.pathsep!r} elsewhere",
    directories_in,
    directories,
)
DIRECTORY = Kind("directory", "the absolute path of a directory (or ~/…)", directory, directory)
SIZE_KIND = Kind("size", "a number of bytes, with a unit or none: 2GB, 500MB, 1.5GiB", size_of, size_in_toml)
