"""TOML configurations. Whole tables are put in, replaced and taken out; what is written another way is refused."""

import json
import re
import tomllib
from itertools import pairwise
from typing import cast

from outlast.server.clients.formats import Document, Entry, NotUnderstood, meant

HEADER = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]+\s*(#.*)?$")


def read(text: str) -> Document:
    """The document. Raises NotUnderstood."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise NotUnderstood(f"is not TOML: {error}") from None


def edited(text: str, key: str, name: str, entry: Entry | None) -> str:
    """The text with a table for the entry, or with none. Raises NotUnderstood."""
    before = read(text)
    wanted = meant(before, key, name, entry) if entry is not None or key in before else before
    lines = text.splitlines(keepends=True)
    found = tables(lines, key, name)
    place = found[0].start if found else len(lines)
    for one in reversed(found):
        del lines[one.start : one.stop]
    if entry is not None:
        newline = "\r\n" if "\r\n" in text else "\n"
        block = table(key, name, entry, newline)
        if place and lines[place - 1].strip():
            block = ("" if lines[place - 1].endswith("\n") else newline) + newline + block
        lines.insert(place, block)
    result = "".join(lines)
    try:
        same = same_servers(read(result), wanted, key)
    except NotUnderstood:
        same = False
    if not same:
        raise NotUnderstood(f"writes {key}.{name} in a way that is not edited")
    return result


def same_servers(document: Document, wanted: Document, key: str) -> bool:
    """Whether two documents say the same; a table of servers that is empty need not be there."""
    return document | {key: document.get(key, {})} == wanted | {key: wanted.get(key, {})}


def snippet(key: str, name: str, entry: Entry) -> str:
    body = ", ".join(f"{each} = {value(one)}" for each, one in entry.items())
    return f"[{key}] {name} = {{ {body} }}"


def tables(lines: list[str], key: str, name: str) -> list[range]:
    """The lines of each table of a server and of those below it, without what leads over to the next one."""
    starts = [index for index, line in enumerate(lines) if HEADER.match(line)]
    found: list[range] = []
    for start, end in pairwise([*starts, len(lines)]):
        if not belongs(lines[start], key, name):
            continue
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
            end -= 1
        found.append(range(start, end))
    return found


def belongs(line: str, key: str, name: str) -> bool:
    header = HEADER.match(line)
    parts = [part.strip().strip("\"'") for part in header[1].split(".")] if header else []
    return parts[:2] == [key, name]


def table(key: str, name: str, entry: Entry, newline: str) -> str:
    lines = [f"[{key}.{name}]", *(f"{each} = {value(one)}" for each, one in entry.items())]
    return "".join(line + newline for line in lines)


def value(of: object) -> str:
    """A value in TOML. Raises NotUnderstood for dates, which no entry of ours has."""
    match of:
        case bool() | int() | float() | str():
            return json.dumps(of, ensure_ascii=False)
        case list():
            return "[" + ", ".join(map(value, cast("list[object]", of))) + "]"
        case dict():
            pairs = cast("dict[str, object]", of).items()
            return "{ " + ", ".join(f"{json.dumps(key)} = {value(one)}" for key, one in pairs) + " }"
        case _:
            raise NotUnderstood(f"has a value that cannot be written again: {of!r}")
