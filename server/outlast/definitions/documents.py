"""The three formats of workflow files, read so that every value knows its line."""

import json
import re
import tomllib
from typing import cast

from outlast.definitions.document import Document, Unreadable
from outlast.definitions.values import MAX_DEPTH, Path, Problem, json_problems
from outlast.definitions.yaml_reader import read_yaml
from outlast.kernel.plan import Json

FORMATS = {".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".json": "JSON"}
JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|\n|[^\s{}\[\],:"]+')
TOML_TABLE = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?\Z")
TOML_KEY = re.compile(r"""\s*([A-Za-z0-9_.-]+|"[^"]*"|'[^']*')(?:\s*\.\s*([A-Za-z0-9_-]+))?\s*=""")


def read_document(text: str, suffix: str) -> Document:
    """Read a document in the format of a file suffix. Raises Unreadable."""
    format_ = FORMATS[suffix]
    try:
        document = {"YAML": read_yaml, "TOML": _read_toml, "JSON": _read_json}[format_](text)
    except RecursionError:
        raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels") from None
    if not isinstance(document.values, dict):
        raise Unreadable("is empty" if document.values is None else "must be a mapping of keys to values at its top", 1)
    reported = {problem.path for problem in document.problems}
    document.problems += [p for p in json_problems(document.values) if p.path not in reported]
    return document


def _read_json(text: str) -> Document:
    document = Document()
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        made: dict[str, Json] = {}
        for key, value in items:
            if key in made:
                repeated.append(key)
            made[key] = value
        return made

    if not text.strip():
        return document
    try:
        document.values = cast("Json", json.loads(text, object_pairs_hook=pairs))
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not valid JSON: {error.msg}", error.lineno) from None
    except ValueError:
        raise Unreadable("holds a number with too many digits") from None
    document.problems += [Problem((key,), "appears twice in the same object") for key in repeated]
    document.lines = _json_lines(text)
    return document


def _json_lines(text: str) -> dict[Path, int]:
    """The line of every value of a valid JSON text."""
    lines: dict[Path, int] = {(): 1}
    line = 1
    path: list[str | int] = []
    expects_key = False
    for token in JSON_TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token in "{[":
            lines.setdefault(tuple(path), line)
            path.append(0 if token == "[" else "")
            expects_key = token == "{"
        elif token in "}]":
            path.pop()
        elif token == ",":
            last = path[-1]
            expects_key = isinstance(last, str)
            path[-1] = last + 1 if isinstance(last, int) else last
        elif token == ":":
            expects_key = False
        else:
            if expects_key:
                path[-1] = json.loads(token)
            lines.setdefault(tuple(path), line)
    return lines


def _read_toml(text: str) -> Document:
    try:
        values = cast("Json", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
        reason = str(error)[: place.start()] if place else str(error)
        raise Unreadable(f"is not valid TOML: {reason}", line) from None
    except ValueError:
        raise Unreadable("holds a number with too many digits") from None
    lines: dict[Path, int] = {(): 1}
    table: list[str | int] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := TOML_TABLE.match(line):
            table = [part.strip().strip("\"'") for part in match[1].split(".")]
            lines.setdefault(tuple(table), number)
        elif match := TOML_KEY.match(line):
            quoted = match[1][0] in "\"'"
            keys = [match[1].strip("\"'")] if quoted else match[1].split(".")
            keys += [match[2]] if match[2] else []
            for end in range(1, len(keys) + 1):
                lines.setdefault((*table, *keys[:end]), number)
    return Document(values or None, lines)
