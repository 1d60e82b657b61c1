"""docs/cli.md tells every command, option and exit code that there is, and its examples are commands that there are."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from outlast.server.cli.ending import ExitCode
from outlast.server.cli.root import outlast
from outlast.server.clients.table import CLIENTS

GUIDE = (Path(__file__).parents[2] / "docs/cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([\w -]+)\n(.*?)(?=^## |\Z)", GUIDE, re.DOTALL | re.MULTILINE))
EXAMPLES = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its path, hidden ones too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


COMMANDS = dict(commands(outlast))


def options_of(command: click.Command) -> set[str]:
    """As they are written, --help apart."""
    options = (parameter for parameter in command.params if isinstance(parameter, click.Option))
    return {name for option in options for name in (*option.opts, *option.secondary_opts)}


def told(section: str) -> set[str]:
    """The options in the first column of the section's tables."""
    cells = re.findall(r"^\| (`-[^|]+) \|", section, re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"`(-[\w-]+)`", cell)}


@pytest.mark.requirement("S4-16")
def test_every_command_has_a_section_and_no_other_has() -> None:
    assert sorted(SECTIONS) == sorted(["Global options", *COMMANDS])


@pytest.mark.requirement("S4-16")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command_are_all_told(name: str) -> None:
    section = SECTIONS.get(name, "")
    assert told(section) == options_of(COMMANDS[name]), f"docs/cli.md, ## {name}"
    examples = re.findall(r"^outlast (?:--[\w-]+ )*.*$", section, re.MULTILINE)
    assert any(f" {name} " in f"{example} " for example in examples), f"an example in docs/cli.md, ## {name}"


@pytest.mark.requirement("S4-16")
def test_the_global_options_are_all_told() -> None:
    assert told(SECTIONS["Global options"]) == options_of(outlast)


@pytest.mark.requirement("S4-16")
def test_every_exit_code_is_told() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", GUIDE, re.MULTILINE)} == set(ExitCode)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_command_that_there_is(example: str) -> None:
    program, *words = shlex.split(example)
    assert program == "outlast"
    command: click.Command = outlast
    while isinstance(command, click.Group):
        context = command.make_context("outlast", words)
        # Click keeps the rest of the line in two places.
        rest = [*context._protected_args, *context.args]  # pyright: ignore[reportPrivateUsage]  # nothing public
        _, found, words = command.resolve_command(context, rest)
        assert found is not None
        command = found
    command.make_context("outlast", words)  # raises for what the command does not take


def test_every_client_is_told() -> None:
    clients = (Path(__file__).parents[2] / "docs/clients.md").read_text(encoding="utf-8")
    for name, client in CLIENTS.items():
        [row] = re.findall(rf"^\| `{name}` \|.*$", clients, re.MULTILINE)
        assert f"| `{client.key}` |" in row, name
        assert (f"| `{client.project_file}` |" in row) is (client.project_file is not None), name
        assert f"`{name}`" in SECTIONS["install"]
