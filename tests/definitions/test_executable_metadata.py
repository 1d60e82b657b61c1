"""What an executable says about itself becomes a workflow, or everything that is wrong with it is told."""

import pytest

from outlast.definitions.metadata import definition_from
from outlast.definitions.parameters import check_params
from outlast.definitions.substitution import fill_argv
from outlast.kernel.plan import Json

FIELDS: list[Json] = [
    {"name": "topic", "label": "Topic", "description": "What about", "cli_arg": "--topic", "required": True,
     "default": None, "field_type": {"type": "text"}},
    {"name": "count", "label": "count", "description": "How many.", "cli_arg": "-n", "required": False,
     "default": "5", "field_type": {"type": "number", "min": 1.0, "max": 10}},
    {"name": "source", "label": "", "description": "", "cli_arg": "--source", "required": False, "default": None,
     "field_type": {"type": "file_path", "pattern": "*.txt"}},
    {"name": "mode", "label": "Mode", "description": "", "cli_arg": "--mode", "required": True, "default": "fast",
     "field_type": {"type": "select", "options": ["fast", "slow"]}},
    {"name": "phases", "label": "Phases", "description": "", "cli_arg": "--phases", "required": False, "default": "0,1",
     "field_type": {"type": "phase_selector", "total_phases": 2}},
    {"name": "state", "label": "", "description": "", "cli_arg": "--state", "required": False, "default": None,
     "required_for_phases": [1], "field_type": {"type": "state_file", "pattern": "*.yaml", "phase": 0}},
]  # fmt: skip
METADATA: dict[str, Json] = {"id": "Research", "name": "Research", "description": "Looks it up.", "fields": FIELDS}


@pytest.mark.requirement("S3-10")
def test_an_executable_that_says_what_it_is_becomes_a_workflow_with_parameters() -> None:
    definition = definition_from(METADATA, "/opt/research")
    assert (definition.id, definition.title, definition.description) == ("research", "Research", "Looks it up.")
    assert (definition.events, definition.streams) == ("markers", "separate")
    described = {
        name: (parameter.type, parameter.must_be_given, parameter.default, parameter.description)
        for name, parameter in definition.params.items()
    }
    assert described == {
        "topic": ("string", True, None, "Topic. What about"),
        "count": ("number", False, 5, "How many"),
        "source": ("string", False, None, "A file, by its absolute path, such as *.txt"),
        "mode": ("string", False, "fast", "Mode"),
        "phases": ("string", False, "0,1", "Phases. Which of the 2 phases, separated by commas"),
        "state": (
            "string",
            False,
            None,
            "A state file of phase 0, by its absolute path, such as *.yaml. Required for phases: 1",
        ),
    }
    assert (definition.params["count"].min, definition.params["count"].max) == (1, 10)
    assert definition.params["mode"].enum == ["fast", "slow"]


@pytest.mark.requirement("S3-10")
@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({"topic": "x y"}, ["--topic", "x y", "-n", "5", "--mode", "fast", "--phases", "0,1"]),
        (
            {"topic": "-v", "count": 2.5, "source": "", "phases": "", "mode": "slow", "state": "/s.yaml"},
            ["--topic", "-v", "-n", "2.5", "--mode", "slow", "--state", "/s.yaml"],
        ),
    ],
)
def test_values_become_pairs_and_empty_ones_are_left_out(given: dict[str, Json], arguments: list[str]) -> None:
    definition = definition_from(METADATA, "/opt/research")
    values = check_params(definition, given)
    assert fill_argv(definition.run or [], values, definition.params) == ["/opt/research", *arguments]


@pytest.mark.requirement("S3-10")
@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"id": "no good"}, ["id must consist of lower-case letters"]),
        ({"id": None}, ["id must be text, not empty"]),
        ({"fields": {}}, ["fields must be a list, not an object"]),
        ({"fields": [5]}, ["fields[0] must be a mapping of names to values, not an integer"]),
        (
            {"fields": [{"name": 7, "field_type": {"type": "slider"}}, {"name": "a", "cli_arg": "", "field_type": 1}]},
            [
                "fields[0].name must be text, not an integer",
                "fields[0].cli_arg is missing",
                "fields[0].field_type must have a type, one of text, number, file_path, select, phase_selector",
                "fields[1].cli_arg is empty",
                "fields[1].field_type must be a mapping of names to values",
            ],
        ),
        (
            {"fields": [{"name": "n", "cli_arg": "-n", "field_type": {"type": "number", "min": "1"}}]},
            ["fields[0].field_type.min must be a number"],
        ),
        (
            {"fields": [{"name": "n", "cli_arg": "-n", "default": "x", "field_type": {"type": "number"}}] * 2},
            ["fields[0].name is the name of several fields", "fields[0].default must be a number"],
        ),
        (
            {"fields": [{"name": "s", "cli_arg": "${{ x }}", "field_type": {"type": "select", "options": []}}]},
            ["fields[0].field_type.options is empty"],
        ),
        (
            {"fields": [{"name": "s", "cli_arg": "${{ x }}", "field_type": {"type": "text"}}]},
            ["fields[0].cli_arg holds ${{"],
        ),
        (
            {
                "fields": [
                    {"name": "s", "cli_arg": "-s", "default": "c", "field_type": {"type": "select", "options": ["a"]}}
                ]
            },
            ['params.s.default must be one of "a", not "c"'],
        ),
        ({"description": "a\0b"}, ["description holds a NUL character"]),
    ],
)
def test_metadata_that_cannot_be_used_is_told_with_everything_that_is_wrong(
    changes: dict[str, Json], sentences: list[str]
) -> None:
    with pytest.raises(ValueError, match=r"(?s).+") as caught:
        definition_from(METADATA | changes, "/opt/research")
    message = str(caught.value)
    assert [sentence for sentence in sentences if sentence not in message] == []
    assert "pydantic" not in message


def test_keys_of_newer_executables_are_no_problem() -> None:
    field: dict[str, Json] = {"name": "a", "cli_arg": "-a", "field_type": {"type": "text", "lines": 3}, "group": "x"}
    definition = definition_from({"id": "a", "fields": [field], "version": 2}, "/a")
    assert list(definition.params) == ["a"]
    assert definition.params["a"].must_be_given is False
