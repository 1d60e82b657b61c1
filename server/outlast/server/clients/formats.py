"""The languages in which clients keep their configurations, and how a text in one is changed.

A text is edited in place, so that all the rest of it stays byte for byte what somebody wrote. What comes out is read
again and compared with what was meant, so that an edit that went wrong is never written.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias, cast

Document: TypeAlias = dict[str, object]
Entry: TypeAlias = dict[str, object]


class NotUnderstood(Exception):
    """A text that is not edited; the exception says why, as a clause that follows the file's name."""


class Format(NamedTuple):
    name: str
    read: Callable[[str], Document]
    """Raises NotUnderstood."""
    edited: Callable[[str, str, str, Entry | None], str]
    """(text, key, name, entry): the text with the entry under key and name, or with none there."""
    snippet: Callable[[str, str, Entry], str]
    """(key, name, entry): what somebody puts there by hand; one line."""


def meant(document: Document, key: str, name: str, entry: Entry | None) -> Document:
    """The document with the entry, or without one."""
    servers = servers_of(document, key)
    if entry is None:
        rest = {each: value for each, value in servers.items() if each != name}
    else:
        rest = servers | {name: entry}
    return document | {key: rest}


def servers_of(document: Document, key: str) -> dict[str, object]:
    """The servers of a configuration by name. Raises NotUnderstood where something else stands in their place."""
    servers = document.get(key, {})
    if not isinstance(servers, dict):
        raise NotUnderstood(f"has something else than servers by name under {key}")
    return cast("dict[str, object]", servers)
