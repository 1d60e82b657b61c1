"""Calls a workflow's function: parameters come from $OUTLAST_PARAMS, its result goes to $OUTLAST_OUTPUT.

Exceptions of the function leave as they are: traceback on stderr, exit code 1. What keeps it from being called, or
its result from being kept, is said in one line; then the exit code is 2.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
from collections.abc import Callable
from typing import cast

HIDDEN = "***"
"""Stands in the parameters for a secret, whose value is in the environment."""

Function = Callable[..., object]


class CannotCall(Exception):
    """The function cannot be called, or its result cannot be kept; the text says why."""


def main(arguments: list[str]) -> int:
    """Call the function that the only argument names. Returns the exit code."""
    reconfigure = cast("Callable[..., None] | None", getattr(sys.stdout, "reconfigure", None))
    if reconfigure is not None:
        reconfigure(line_buffering=True)
    try:
        if len(arguments) != 1:
            raise CannotCall("give one function as package.module:function")
        name = arguments[0]
        params = read_params()
        function = find_function(name)
        check_arguments(name, function, params)
        result = function(**params)
        if inspect.iscoroutine(result):
            import asyncio  # Only here: it would delay every other workflow.

            result = asyncio.run(result)
        write_output(name, result)
    except CannotCall as error:
        sys.stdout.flush()
        sys.stderr.write(f"outlast: {error}\n")
        return 2
    return 0


def read_params() -> dict[str, object]:
    """The parameters by name, secrets from their variables; none without $OUTLAST_PARAMS."""
    path = os.environ.get("OUTLAST_PARAMS")
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib would delay every workflow
            params = cast("object", json.load(file))
    except (OSError, ValueError) as error:
        raise CannotCall(f"the parameters in {path} cannot be read: {error}") from None
    if not isinstance(params, dict):
        raise CannotCall(f"the parameters in {path} are not a JSON object")
    values = cast("dict[str, object]", params)
    for name, value in values.items():
        if value == HIDDEN:
            # A parameter that really is "***" arrives as the same text.
            values[name] = os.environ.get("PARAM_" + re.sub(r"[^A-Z0-9]", "_", name.upper()), HIDDEN)
    return values


def find_function(name: str) -> Function:
    """The function `package.module:function`, found from the working directory first. Import errors pass through."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise CannotCall(f"{name} is not package.module:function")
    here = os.getcwd()  # noqa: PTH109 - as above
    if here not in sys.path:
        sys.path.insert(0, here)
    found: object = importlib.import_module(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise CannotCall(f"{module_name} ({getattr(found, '__file__', None) or 'no file'}) has no {attribute}")
        found = cast("object", getattr(found, part))
    if not callable(found):
        raise CannotCall(f"{name} is not a function")
    return found


def check_arguments(name: str, function: Function, params: dict[str, object]) -> None:
    """Say plainly where the workflow's parameters and the function's do not fit."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # Some built-in functions have none; calling them tells.
        return
    try:
        signature.bind(**params)
    except TypeError as error:
        given = ", ".join(params) or "none"
        raise CannotCall(
            f"{name}{signature} does not fit the workflow's parameters: {error} (parameters: {given})"
        ) from None


def write_output(name: str, result: object) -> None:
    """Keep a returned dict as the step's output: all of it or nothing."""
    if result is None:
        return
    if not isinstance(result, dict):
        kind = type(result).__name__
        raise CannotCall(f"{name} returned {kind}; return a dict, which becomes the output, or None")
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise CannotCall(f"what {name} returned cannot be written as JSON: {error}") from None
    path = os.environ.get("OUTLAST_OUTPUT")
    if path:
        aside = f"{path}.{os.getpid()}.tmp"
        with open(aside, "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
            file.write(text)
        os.replace(aside, path)  # noqa: PTH105 - as above
