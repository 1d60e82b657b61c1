"""JSON values as parameters and definitions carry them: what is refused, how they are written and shown."""

import json
import math
import re
from collections.abc import Iterator
from typing import NamedTuple, cast

from outlast.kernel.plan import Json

MAX_DEPTH = 32
MAX_INTEGER = 2**63
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

Path = tuple[str | int, ...]
"""Where in a document a value stands: keys and indexes from the top."""


class Problem(NamedTuple):
    """One thing that is wrong, as one sentence that follows the field's name."""

    path: Path
    sentence: str


def show_path(path: Path) -> str:
    """`("params", "target", "enum", 1)` as `params.target.enum[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif PLAIN_KEY.match(part):
            text += f".{part}" if text else part
        else:
            text += f"[{show(part)}]"
    return text


def text_problem(text: str) -> str | None:
    """Why a text cannot be an argument, a variable or a row; None where it can."""
    if "\0" in text:
        return "holds a NUL character, which no argument or environment variable can hold"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is not valid Unicode"
    return None


def json_problems(value: object, path: Path = ()) -> Iterator[Problem]:
    """Everything in `value` that JSON, UTF-8, a process's arguments or 64 bits cannot hold."""
    if len(path) > MAX_DEPTH:
        yield Problem(path[:1], f"is nested deeper than {MAX_DEPTH} levels")
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, str):
        if sentence := text_problem(value):
            yield Problem(path, sentence)
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            yield Problem(path, "is an integer that does not fit into 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Problem(path, "is NaN or Infinity, which JSON does not know")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(cast("list[object]", value)):
            yield from json_problems(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            if not isinstance(key, str):
                yield Problem(path, "has a key that is not a string")
            elif sentence := text_problem(key):
                yield Problem(path, f"has a key that {sentence}")
            else:
                yield from json_problems(item, (*path, key))
    else:
        yield Problem(path, f"is of a kind that JSON does not know ({type(value).__name__}); write it as text")


def canonical_json(value: Json) -> str:
    """The same value always gives the same text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def same_value(one: Json, other: Json) -> bool:
    """Equality as JSON has it: 1 is 1.0, but true is not 1."""
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return isinstance(one, bool) == isinstance(other, bool) and one == other
    return canonical_json(one) == canonical_json(other)


def as_text(value: Json) -> str:
    """A value as an argument or a variable: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else canonical_json(value)


def size(value: Json) -> int:
    """Bytes that the value takes as an argument or a variable."""
    return len(as_text(value).encode())


def show(value: Json, limit: int = 60) -> str:
    """A value for an error message: as JSON, shortened, control characters escaped."""
    text = json.dumps(value, ensure_ascii=False)
    text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "…"


TYPE_NAMES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "object": "an object",
}
"""How messages call the types of parameters."""


def kind_of(value: object) -> str:
    """How messages call what was given."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds = {str: "a string", int: "an integer", float: "a number", list: "a list", dict: "an object"}
    for kind, name in kinds.items():
        if isinstance(value, kind):
            return name
    return type(value).__name__
