"""Tools that check what they are given and answer every failure with a sentence."""

import json
from collections.abc import Awaitable, Callable, Iterator
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from outlast.definitions.values import TYPE_NAMES, kind_of, show, show_path
from outlast.kernel.errors import InvalidInput, OutlastError
from outlast.tools.results import refusal, unexpected

L = TypeVar("L")
R = TypeVar("R")

READ_ONLY = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


class GuardedTool(Tool):
    """A tool that refuses unknown arguments, and answers errors as results instead of raising them."""

    @classmethod
    def of(
        cls,
        function: Callable[..., Awaitable[CallToolResult]],
        *,
        title: str,
        description: str,
        annotations: ToolAnnotations,
    ) -> "GuardedTool":
        """The tool named like `function`, whose annotated parameters are its arguments."""
        tool = cls.from_function(function, title=title, description=description, annotations=annotations)
        arguments = tool.fn_metadata.arg_model
        arguments.model_config["extra"] = "forbid"
        arguments.model_rebuild(force=True)
        tool.parameters = _compact(arguments.model_json_schema(by_alias=True))
        return cast("GuardedTool", tool)

    async def run(
        self, arguments: dict[str, object], context: Context[L, R], convert_result: bool = False
    ) -> CallToolResult:
        try:
            checked = self._checked(arguments)
            return await self.fn(context, **checked)
        except OutlastError as error:
            error.next = error.next or self._usage()  # every error names the next useful call
            return refusal(error)
        except Exception as error:  # noqa: BLE001 - logged there; the caller gets a sentence and no internals
            return refusal(unexpected(error, self.name))

    def _checked(self, arguments: dict[str, object]) -> dict[str, Any]:
        try:
            return self.fn_metadata.arg_model.model_validate(self._unpacked(arguments)).model_dump_one_level()
        except ValidationError as error:
            sentences = list(dict.fromkeys(self._sentences(error.errors(include_url=False))))
        raise InvalidInput("\n".join(sentences), next=self._usage())

    def _unpacked(self, arguments: dict[str, object]) -> dict[str, object]:
        """Objects that a client sends as JSON texts. Texts that are meant as texts stay what they are, also "null"."""
        unpacked: dict[str, object] = {}
        for name, value in arguments.items():
            schema = self.parameters["properties"].get(name, {})
            if isinstance(value, str) and schema.get("type") == "object":
                unpacked[name] = object_in(value)
            else:
                unpacked[name] = value
        return unpacked

    def _sentences(self, details: list[ErrorDetails]) -> Iterator[str]:
        """One sentence for each argument that is wrong."""
        names = list(self.parameters["properties"])
        told: set[str] = set()
        for detail in details:
            name = str(detail["loc"][0])
            if name in told:
                continue  # a value that may be of several types fails once for each
            told.add(name)
            if detail["type"] == "extra_forbidden":
                close = [known for known in names if name and known.startswith(name)]
                close = close or get_close_matches(name, names, n=1)
                hint = f" Did you mean {close[0]}?" if close else ""
                yield f"{show(name)} is not an argument of {self.name} ({', '.join(names)}).{hint}"
            else:
                yield f"{name} {_sentence(detail, self.parameters['properties'][name])}."

    def _usage(self) -> str:
        """The tool's signature: what is optional has a question mark."""
        required = self.parameters.get("required", [])
        names = [name if name in required else f"{name}?" for name in self.parameters["properties"]]
        return f"{self.name}({', '.join(names)})"


def object_in(text: str) -> object:
    """The JSON object that a text is; the text itself where it is none."""
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else text


def _sentence(detail: ErrorDetails, schema: dict[str, Any]) -> str:
    """What is wrong with one argument, as the rest of a sentence that begins with its name."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if "enum" in schema:
        return f"must be one of {', '.join(schema['enum'])}, not {show(detail['input'])}"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        word = "at least" if kind.startswith("greater") else "at most"
        limit = context.get("ge", context.get("gt", context.get("le", context.get("lt"))))
        return f"must be {word} {limit:g}"
    if kind in ("string_too_short", "string_too_long"):
        low = kind == "string_too_short"
        return f"must have at {'least' if low else 'most'} {context['min_length' if low else 'max_length']} characters"
    if kind == "value_error":
        return str(context["error"])
    # Only a label's value lies deeper than the argument itself; the places in a union are names of types.
    if len(detail["loc"]) > 1 and "anyOf" not in schema:
        return f"must have strings as values; {show_path(detail['loc'][1:])} is {kind_of(detail['input'])}"
    wanted = " or ".join(TYPE_NAMES[one["type"]] for one in schema.get("anyOf", [schema]))
    return f"must be {wanted}, not {kind_of(detail['input'])}"


def _compact(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without what only costs: titles, and null as the value of what is left out."""
    small = {key: item for key, item in schema.items() if key != "title"}
    if "properties" in small:
        properties = cast("dict[str, dict[str, Any]]", small["properties"])
        small["properties"] = {name: _compact(item) for name, item in properties.items()}
    kinds: list[dict[str, Any]] = small.get("anyOf", [])
    some = [kind for kind in kinds if kind != {"type": "null"}]
    if len(some) < len(kinds):
        del small["anyOf"]
        small |= some[0] if len(some) == 1 else {"anyOf": some}
        small.pop("default", None)
    return small
