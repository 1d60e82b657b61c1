"""The built-in workflow `command`: a command that the caller makes up. There only where the settings allow it."""

from collections.abc import Iterator, Mapping
from typing import cast

from outlast.definitions.model import SET_BY_OUTLAST, VARIABLE, WorkflowDefinition
from outlast.definitions.values import Problem, kind_of
from outlast.kernel.plan import Json

COMMAND = WorkflowDefinition.model_validate(
    {
        "id": "command",
        "name": "Command",
        "description": "Runs one command, without a shell.",
        "params": {
            "argv": {
                "type": "list",
                "min_length": 1,
                "allow_dash": True,
                "description": 'The program and its arguments, each a string: ["make", "test"].',
            },
            "cwd": {
                "type": "string",
                "min_length": 1,
                "default": ".",
                "description": "Working directory; relative to the project, or to the home directory without one.",
            },
            "env": {
                "type": "object",
                "required": False,
                "description": "Environment variables, each a string.",
            },
        },
        "run": ["${{ params.argv }}"],
        "cwd": "${{ params.cwd }}",
    }
)


def command_problems(values: Mapping[str, Json]) -> Iterator[Problem]:
    """What is wrong with the parameters of `command`, beyond their types."""
    for index, item in enumerate(cast("list[Json]", values["argv"])):
        if not isinstance(item, str):
            yield Problem(("params", "argv", index), f"must be a string, not {kind_of(item)}")
        elif index == 0 and not item:
            yield Problem(("params", "argv", index), "is empty: the first item names the program")
        elif index == 0 and item.startswith("-"):
            yield Problem(("params", "argv", index), "names the program; it cannot start with '-'")
    for name, value in command_environment(values).items():
        path = ("params", "env", name)
        if not VARIABLE.match(name):
            yield Problem(path, "is not a variable's name: letters, digits and _, no digit first")
        elif name in SET_BY_OUTLAST:
            yield Problem(path, "is set by Outlast itself; choose another name")
        elif not isinstance(value, str):
            yield Problem(path, f"must be a string, not {kind_of(value)}")


def command_environment(values: Mapping[str, Json]) -> dict[str, Json]:
    """The variables that the caller of `command` asked for."""
    return cast("dict[str, Json]", values.get("env") or {})
