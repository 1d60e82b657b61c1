"""One declared parameter of a workflow: its type, its limits, and what they say about a value."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainValidator, WithJsonSchema

from outlast.definitions.patterns import compile_pattern
from outlast.definitions.values import TYPE_NAMES, Path, Problem, json_problems, kind_of, same_value, show, size
from outlast.kernel.plan import Json

ParameterType = Literal["string", "integer", "number", "boolean", "list", "object"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
MAX_VALUE = 64 * 1024
"""Bytes of one value, as UTF-8; what is not text, as JSON."""


MOST_NAMED = 20
"""Values of an enum that messages name."""
MOST_SHOWN = 60
"""Characters of a pattern in few words."""
PLAIN = re.compile(r"(?!(?:true|false|null)\Z)[A-Za-z_][A-Za-z0-9_.-]*\Z")
"""Texts that need no quotes to be told from other values."""


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a number")
    return value


def _length(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be an integer of 0 or more")
    return value


Number = Annotated[int | float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
Length = Annotated[int, PlainValidator(_length), WithJsonSchema({"type": "integer", "minimum": 0})]


class Parameter(BaseModel):
    """A parameter: values are never converted, only checked."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: ParameterType = Field("string", description="What a value must be.")
    description: str | None = Field(None, max_length=2000, description="What it means, for people and agents.")
    required: bool | None = Field(
        None, description="Whether it must be given. By default: yes, unless there is a default."
    )
    default: JsonValue = Field(None, description="The value when none is given.")
    enum: Annotated[list[JsonValue], Field(min_length=1)] | None = Field(
        None, description="The only values it may have."
    )
    secret: bool = Field(False, description="Never stored, masked in logs; allowed in env only. Secrets are strings.")
    min: Number | None = Field(None, description="Smallest integer or number.")
    max: Number | None = Field(None, description="Largest integer or number.")
    min_length: Length | None = Field(None, description="Fewest characters of a string or items of a list.")
    max_length: Length | None = Field(None, description="Most characters of a string or items of a list.")
    pattern: str | None = Field(None, max_length=1000, description="RE2 expression that the whole string must match.")
    allow_dash: bool = Field(False, description="Whether a value may become an argument that starts with '-'.")

    @property
    def must_be_given(self) -> bool:
        return self.default is None if self.required is None else self.required

    @property
    def always_there(self) -> bool:
        """Whether every execution has a value: given or by default."""
        return self.must_be_given or self.default is not None

    @property
    def accepts(self) -> str:
        """What a value must be, in few words: `integer 1..9`, `staging|production`, `string matching v[0-9]+`."""
        if self.enum:
            return "|".join(map(_bare, self.enum[:MOST_NAMED])) + ("|…" if len(self.enum) > MOST_NAMED else "")
        words = "secret string" if self.secret else self.type
        if self.min is not None or self.max is not None:
            words += " " + _range(self.min, self.max)
        if self.min_length is not None or self.max_length is not None:
            unit = "items" if self.type == "list" else "characters"
            words += f" of {_range(self.min_length, self.max_length)} {unit}"
        if self.pattern is not None:
            cut = "" if len(self.pattern) <= MOST_SHOWN else "…"
            words += f" matching {self.pattern[:MOST_SHOWN]}{cut}"
        return words

    def value_problems(self, value: Json, path: Path = ()) -> Iterator[Problem]:
        """What is wrong with a value. A secret's value is never quoted."""
        wrong = list(json_problems(value, path))
        if wrong:
            # The paths inside a value are the caller's own words.
            yield from [Problem(path, one.sentence) for one in wrong] if self.secret else wrong
            return
        shown = "the value" if self.secret else show(value)
        if not _is_of(self.type, value):
            given = kind_of(value) if self.secret or value is None else f"{kind_of(value)} ({shown})"
            yield Problem(path, f"must be {TYPE_NAMES[self.type]}, not {given}")
            return
        if (bytes_ := size(value)) > MAX_VALUE:
            yield Problem(path, f"has {bytes_:,} bytes; the limit for one value is {MAX_VALUE:,} (64 KiB)")
            return
        if self.enum is not None and not any(same_value(value, one) for one in self.enum):
            allowed = ", ".join(map(show, self.enum[:MOST_NAMED])) + (" …" if len(self.enum) > MOST_NAMED else "")
            yield Problem(path, f"must be one of {allowed}, not {shown}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if self.min is not None and value < self.min:
                yield Problem(path, f"must be {self.min} or more, not {shown}")
            if self.max is not None and value > self.max:
                yield Problem(path, f"must be {self.max} or less, not {shown}")
        if isinstance(value, (str, list)):
            unit = "characters" if isinstance(value, str) else "items"
            if self.min_length is not None and len(value) < self.min_length:
                yield Problem(path, f"must have at least {self.min_length} {unit}, not {len(value)}")
            if self.max_length is not None and len(value) > self.max_length:
                yield Problem(path, f"must have at most {self.max_length} {unit}, not {len(value)}")
        pattern = compile_pattern(self.pattern) if self.pattern is not None else None
        if isinstance(value, str) and pattern is not None and not pattern.fullmatch(value):
            yield Problem(path, f"must match {self.pattern} as a whole; {shown} does not")

    def problems(self, path: Path) -> Iterator[Problem]:
        """What is wrong with the declaration itself."""
        yield from self._misplaced(path)
        if self.pattern is not None:
            try:
                compile_pattern(self.pattern)
            except ValueError as error:
                yield Problem((*path, "pattern"), f"is not a regular expression that RE2 knows: {error}")
                return
        if self.min is not None and self.max is not None and self.min > self.max:
            yield Problem((*path, "min"), "is larger than max")
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            yield Problem((*path, "min_length"), "is larger than max_length")
        if self.secret:
            if self.type != "string":
                yield Problem((*path, "secret"), "is for strings only; make the type string")
            for field in ("default", "enum"):
                if getattr(self, field) is not None:
                    yield Problem((*path, field), "would keep the secret in the definition; take it out")
            return
        for index, value in enumerate(self.enum or ()):
            if not _is_of(self.type, value):
                yield Problem((*path, "enum", index), f"must be {TYPE_NAMES[self.type]}, not {kind_of(value)}")
        if self.default is not None:
            if self.required:
                yield Problem((*path, "required"), "cannot be true beside a default: leave one of them out")
            yield from self.value_problems(self.default, (*path, "default"))
        elif "default" in self.model_fields_set:
            yield Problem((*path, "default"), "is empty: leave it out, and say required: false if it is optional")

    def _misplaced(self, path: Path) -> Iterator[Problem]:
        for fields, types, names in (
            (("min", "max"), ("integer", "number"), "integers and numbers"),
            (("min_length", "max_length"), ("string", "list"), "strings and lists"),
            (("pattern",), ("string",), "strings"),
        ):
            for field in fields:
                if getattr(self, field) is not None and self.type not in types:
                    yield Problem((*path, field), f"is for {names}; this parameter is of type {self.type}")
        if self.allow_dash and self.type not in ("string", "list"):
            yield Problem((*path, "allow_dash"), f"is for strings and lists, not for type {self.type}")


def _bare(value: Json) -> str:
    return value if isinstance(value, str) and PLAIN.match(value) else show(value)


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"up to {high}"
    return f"{low} or more" if high is None else f"{low}..{high}"


def _is_of(type_: str, value: Json) -> bool:
    if isinstance(value, bool):
        return type_ == "boolean"
    kinds = {"string": str, "integer": int, "number": (int, float), "list": list, "object": dict}
    return isinstance(value, kinds.get(type_, ()))
