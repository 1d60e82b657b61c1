"""The text of a new workflow file."""

import re

from outlast.definitions.loading import RESERVED
from outlast.definitions.model import ID
from outlast.definitions.values import show
from outlast.kernel.errors import InvalidInput


def new_workflow(workflow_id: str) -> str:
    """A workflow file to start from. Raises InvalidInput where the id is none or is taken by a built-in workflow."""
    if not re.match(ID + r"\Z", workflow_id) or workflow_id in RESERVED:
        raise InvalidInput(
            f"{show(workflow_id)} cannot be the id of a workflow: use lower-case letters, digits, dots, underscores "
            "and dashes, a letter or digit first, at most 64 in all, and no name of a built-in workflow",
            next="outlast workflows new my-workflow",
        )
    # Quotes, because YAML reads ids such as `no` or `2024-01-01` as something else.
    return TEMPLATE.replace("WORKFLOW_ID", f'"{workflow_id}"')


TEMPLATE = """\
id: WORKFLOW_ID
name: WORKFLOW_ID
description: Greets somebody. Say here what the workflow does; agents choose by it.

# `active` lets agents start it, too.
status: draft

params:
  who: {type: string, default: world, max_length: 100, description: Whom to greet}

# One of run (a program and its arguments), shell (a text for /bin/sh) and python ("module:function").
run: [echo, "Hello, ${{ params.who }}"]
# shell: echo "Hello, $PARAM_WHO"

# cwd: .            # relative to this file
# env: {LEVEL: info}
timeout: 10m
"""
