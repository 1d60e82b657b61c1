"""JSON configurations. Comments and trailing commas are not JSON: such a file is refused rather than rewritten."""

import json
import re
from typing import NamedTuple, cast

from outlast.server.clients.formats import Document, Entry, NotUnderstood, meant

BLANK = re.compile(r"[ \t\r\n]*")
MARK = "\ufeff"
"""In front of files that some Windows programs have written."""
INDENT = "  "
DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """One `"key": value` of an object, by places in the text."""

    key: str
    start: int
    value: int
    end: int


class Object(NamedTuple):
    start: int
    """Of its brace; so is `end`, the place behind the other one."""
    end: int
    members: list[Member]

    def last(self, key: str) -> Member | None:
        """The member that counts: with a key that is given twice, readers take the last."""
        return next((member for member in reversed(self.members) if member.key == key), None)


def read(text: str) -> Document:
    """The document; an empty text counts as {}. Raises NotUnderstood."""
    try:
        document: object = json.loads(text.removeprefix(MARK).strip() or "{}")
    except json.JSONDecodeError as error:
        hint = " (it may have comments, which would get lost)" if re.search(r"//|/\*", text) else ""
        raise NotUnderstood(f"is not plain JSON{hint}: {error}") from None
    except RecursionError:
        raise NotUnderstood("is nested too deeply") from None
    if not isinstance(document, dict):
        raise NotUnderstood("is not a JSON object")
    return cast("Document", document)


def edited(text: str, key: str, name: str, entry: Entry | None) -> str:
    """The text with the entry under `key` and `name`, or with none there. Raises NotUnderstood."""
    document = read(text)
    if entry is None and key not in document:
        return text
    wanted = meant(document, key, name, entry)
    if not text.removeprefix(MARK).strip():
        text += "{}\n"
    root = scanned(text, len(MARK) if text.startswith(MARK) else 0)
    style = style_of(text, root)
    section = root.last(key)
    if section is None:
        result = inserted(text, root, "", key, {name: entry}, style)
    else:
        servers = scanned(text, section.value)
        one = servers.last(name)
        if entry is None:
            result = text if one is None else without(text, servers, one)
        elif one is None:
            result = inserted(text, servers, margin(text, section) or "", name, entry, style)
        else:
            result = text[: one.value] + style.shown(entry, margin(text, one)) + text[one.end :]
    if read(result) != wanted:
        raise NotUnderstood(f"has {name} twice under {key}")
    return result


def snippet(key: str, name: str, entry: Entry) -> str:
    return f'under "{key}": "{name}": {json.dumps(entry, ensure_ascii=False)}'


def scanned(text: str, start: int) -> Object:
    """The object that begins there, behind blanks. The text is known to be JSON."""
    start = skip(text, start)
    at, members = skip(text, start + 1), list[Member]()
    while text[at] != "}":
        key, end = decoded(text, at)
        value = skip(text, skip(text, end) + 1)
        members.append(Member(str(key), at, value, decoded(text, value)[1]))
        at = skip(text, members[-1].end)
        if text[at] == ",":
            at = skip(text, at + 1)
    return Object(start, at + 1, members)


def skip(text: str, start: int) -> int:
    blank = BLANK.match(text, start)
    return blank.end() if blank else start


def decoded(text: str, start: int) -> tuple[object, int]:
    return DECODER.raw_decode(text, start)


def margin(text: str, member: Member) -> str | None:
    """What stands in front of a member in its line; None where that is more than blanks."""
    before = text[text.rfind("\n", 0, member.start) + 1 : member.start]
    return None if before.strip(" \t") else before


def style_of(text: str, root: Object) -> "Style":
    inner = margin(text, root.members[0]) if root.members else None
    return Style("\r\n" if "\r\n" in text else "\n", inner or INDENT)


class Style(NamedTuple):
    """How the text is laid out."""

    newline: str
    unit: str
    """One level of indentation."""

    def shown(self, value: object, inner: str | None) -> str:
        """A value whose further lines stand at a margin; in one line without a margin."""
        if inner is None:
            return json.dumps(value, ensure_ascii=False)
        lines = json.dumps(value, ensure_ascii=False, indent=self.unit).split("\n")
        return (self.newline + inner).join(lines)

    def pair(self, key: str, value: object, inner: str | None) -> str:
        return f"{json.dumps(key, ensure_ascii=False)}: {self.shown(value, inner)}"


def inserted(text: str, into: Object, outer: str, key: str, value: object, style: Style) -> str:
    """The text with one more member behind an object's others. `outer`: the margin of the object itself."""
    if into.members:
        last = into.members[-1]
        inner = margin(text, last)
        between = ", " if inner is None else "," + style.newline + inner
        return text[: last.end] + between + style.pair(key, value, inner) + text[last.end :]
    inner = outer + style.unit
    body = style.newline + inner + style.pair(key, value, inner) + style.newline + outer
    return text[: into.start + 1] + body + text[into.end - 1 :]


def without(text: str, servers: Object, gone: Member) -> str:
    index = servers.members.index(gone)
    if len(servers.members) == 1:
        return text[: servers.start] + "{}" + text[servers.end :]
    if index == len(servers.members) - 1:
        return text[: servers.members[index - 1].end] + text[gone.end :]
    return text[: gone.start] + text[servers.members[index + 1].start :]
