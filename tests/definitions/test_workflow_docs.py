"""What is published about workflow files is what the loader does."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from outlast.definitions.loading import load_text
from outlast.definitions.model import SET_BY_OUTLAST, Concurrency, WorkflowDefinition
from outlast.definitions.parameter import Parameter
from outlast.definitions.schema import schema_text
from outlast.definitions.template import new_workflow
from outlast.kernel.errors import InvalidDefinition
from outlast.kernel.plan import Json

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "workflows.md").read_text(encoding="utf-8")
EXAMPLES: list[tuple[str, str]] = re.findall(r"^```(yaml|toml|json)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
SCHEMA = Draft202012Validator(json.loads(schema_text()))


def accepts(values: Json) -> bool:
    return SCHEMA.is_valid(values)  # pyright: ignore[reportUnknownMemberType] - jsonschema types it only in part


def test_the_published_schema_is_up_to_date() -> None:
    published = (DOCS / "workflow.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "python -m outlast.definitions.schema > docs/workflow.schema.json"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))


def test_the_guide_has_examples_of_every_kind() -> None:
    assert {format_ for format_, _ in EXAMPLES} == {"yaml", "toml", "json"}
    for word in ("run:", "shell:", "python:", "secret:", "concurrency:"):
        assert any(word in text for _, text in EXAMPLES)


@pytest.mark.parametrize(("format_", "text"), EXAMPLES)
def test_every_example_of_the_guide_loads_and_fits_the_schema(format_: str, text: str) -> None:
    definition = load_text(text, f".{format_}", "workflows.md")
    assert accepts(json.loads(definition.canonical()))
    if format_ != "toml":
        assert accepts(yaml.safe_load(text))


def test_the_guide_names_every_key_and_every_variable() -> None:
    for model in (WorkflowDefinition, Parameter, Concurrency):
        for key in model.model_fields:
            assert re.search(rf"`(concurrency\.)?{key}`|^{key}:", GUIDE, re.MULTILINE), key
    for variable in SET_BY_OUTLAST:
        assert f"`{variable}`" in GUIDE


def test_the_template_fits_the_schema() -> None:
    assert accepts(yaml.safe_load(new_workflow("hello")))


@pytest.mark.parametrize(
    "values",
    [
        {"id": "x"},
        {"id": "x", "run": None},
        {"id": "x", "run": []},
        {"id": "x", "run": "a"},
        {"id": "x", "run": ["a"], "shell": "b"},
        {"id": "x", "run": [["a"]]},
        {"id": "x", "run": ["a", []]},
        {"id": "x", "run": ["a", [["b"]]]},
        {"id": "x", "run": ["a"], "events": "yes"},
        {"id": "X", "run": ["a"]},
        {"run": ["a"]},
        {"id": "x", "run": ["a"], "steps": []},
        {"id": "x", "run": ["a"], "env": {"A": 5}},
        {"id": "x", "run": ["a"], "env": {"A-B": "5"}},
        {"id": "x", "run": ["a"], "timeout": "soon"},
        {"id": "x", "run": ["a"], "timeout": -1},
        {"id": "x", "run": ["a"], "streams": "both"},
        {"id": "x", "run": ["a"], "params": {"1": {}}},
        {"id": "x", "run": ["a"], "params": {"a": {"type": "text"}}},
        {"id": "x", "run": ["a"], "params": {"a": {"min_length": -1}}},
        {"id": "x", "run": ["a"], "concurrency": {"on_conflict": "queue"}},
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(values: dict[str, Json]) -> None:
    assert not accepts(values)
    with pytest.raises(InvalidDefinition):
        load_text(json.dumps(values))


@pytest.mark.parametrize(
    "values",
    [
        {"id": "x", "shell": "a", "run": None, "timeout": "1h30m", "kill_grace": 0},
        {"id": "x", "run": ["a", ["--b", "c"], "d"], "events": "markers"},
        {"id": "x", "python": "m:f", "interpreter": "python3", "params": {"a": {"type": "number", "min": 0.5}}},
        {
            "id": "x.y-z_1",
            "run": ["a"],
            "params": {"a-b": {"default": {"x": [1, None]}, "type": "object"}},
            "env": {"_A": ""},
        },
    ],
)
def test_what_the_loader_accepts_the_schema_accepts(values: dict[str, Json]) -> None:
    assert accepts(values)
    assert load_text(json.dumps(values)).id == values["id"]
