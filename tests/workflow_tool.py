"""An executable that describes itself and says events: it stops in the middle until a test lets it go on."""

import sys
from pathlib import Path

TEXT = """#!{python}
import json, sys

METADATA = {{
    "id": "Research-Flow",
    "name": "Research",
    "description": "Looks things up.",
    "fields": [
        {{"name": "topic", "label": "Topic", "description": "What about", "cli_arg": "--topic", "required": True,
          "default": None, "field_type": {{"type": "text"}}}},
        {{"name": "count", "label": "Count", "description": "How many", "cli_arg": "--count", "required": False,
          "default": None, "field_type": {{"type": "number", "min": 1, "max": 9}}}},
        {{"name": "note", "label": "Note", "description": "", "cli_arg": "--note", "required": False,
          "default": None, "field_type": {{"type": "text"}}}},
    ],
}}
if "--workflow-metadata" in sys.argv:
    print(json.dumps(METADATA))
    raise SystemExit


def event(kind, **data):
    print("__WF_EVENT__:" + json.dumps({{"type": kind, **data}}), file=sys.stderr, flush=True)


print("arguments " + json.dumps(sys.argv[1:]), end="", flush=True)  # half a line of stdout disturbs no event
event("phase_started", phase=0, name="Find", total_phases=2)
event("task_started", phase=0, task_id="t1", description="Search", total_tasks=2)
event("agent_started", task_id="t1", agent_name="scout", description="Looks around")
event("agent_message", task_id="t1", agent_name="scout", message="nothing yet")
event("task_progress", task_id="t1", message="40 files")
open("{gate}").read()
event("agent_completed", task_id="t1", agent_name="scout", result="3 hits")
event("agent_started", task_id="t1", agent_name="critic", description="Doubts")
event("agent_failed", task_id="t1", agent_name="critic", error="no opinion")
event("task_completed", task_id="t1", result="done")
event("state_file_created", phase=0, file_path="/tmp/hits.yaml", description="The hits")
event("phase_completed", phase=0, name="Find")
event("phase_started", phase=1, name="Write", total_phases=2)
event("task_started", phase=1, task_id="t2", description="Write it", total_tasks=None)
event("task_failed", task_id="t2", error="out of ink")
event("raw_output", stream="stdout", line="a plain line")
event("phase_failed", phase=1, name="Write", error="no ink")
event("unheard_of", phase=1)
print("__WF_EVENT__:{{not json", file=sys.stderr)
raise SystemExit(3)
"""
ALL_TYPES = (
    *("phase_started", "phase_completed", "phase_failed"),
    *("task_started", "task_progress", "task_completed", "task_failed"),
    *("agent_started", "agent_message", "agent_completed", "agent_failed"),
    *("state_file_created", "raw_output"),
)


def write_tool(path: Path, gate: Path) -> Path:
    """Write the executable. It goes on once `gate`, a FIFO, has been opened for writing and closed."""
    path.write_text(TEXT.format(python=sys.executable, gate=gate))
    path.chmod(0o755)
    return path
