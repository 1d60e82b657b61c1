"""The JSON Schema of workflow files, for editors. `python -m outlast.definitions.schema` writes it."""

import json
import sys
from typing import cast

from outlast.definitions.model import KINDS, VARIABLE, WorkflowDefinition
from outlast.definitions.parameter import NAME
from outlast.kernel.plan import Json


def workflow_schema() -> dict[str, Json]:
    """What a schema can say about a workflow file; loading checks more (templates, defaults, secrets)."""
    schema = cast("dict[str, Json]", WorkflowDefinition.model_json_schema())
    properties = cast("dict[str, dict[str, Json]]", schema["properties"])
    properties["params"]["propertyNames"] = {"pattern": _anchored(NAME.pattern)}
    for kind in cast("list[dict[str, Json]]", properties["run"]["anyOf"]):
        if kind["type"] == "array":
            kind["prefixItems"] = [{"type": "string"}]
    properties["env"]["propertyNames"] = {"pattern": _anchored(VARIABLE.pattern)}
    head: dict[str, Json] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Outlast workflow",
        "description": "A workflow file, as YAML, TOML or JSON.",
        "oneOf": [{"required": [kind], "properties": {kind: {"not": {"type": "null"}}}} for kind in KINDS],
    }
    return {**head, **{key: value for key, value in schema.items() if key not in head}}


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(workflow_schema(), indent=2, ensure_ascii=False) + "\n"


def _anchored(pattern: str) -> str:
    return "^" + pattern.replace("\\Z", "$")


if __name__ == "__main__":
    sys.stdout.write(schema_text())
