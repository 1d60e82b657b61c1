"""Does an installed Outlast do its job? Run with the Python of the environment to look at; needs nothing else.

A real workflow is started through the stdio server by a real client, read back, and read again by the command.
Prints one line for each thing that works; ends with an error at the first that does not.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

PACKAGES = ("kernel", "storage", "supervisor", "workflow", "definitions", "runtime", "server", "tools")
COMMAND = str(Path(sys.executable).with_name("outlast"))

WORKFLOW = """\
id: smoke
name: Smoke
description: Says three lines and ends with 3.
run: {run}
"""
CHILD = "import sys; print('one', 'two', 'three', sep=chr(10)); sys.exit(3)"


def check(true: object, what: str) -> None:
    if not true:
        raise SystemExit(f"does not hold: {what}")
    sys.stdout.write(f"holds: {what}\n")


def outlast(*arguments: str) -> str:
    """Run the installed command; returns what it prints."""
    done = subprocess.run([COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise SystemExit(f"outlast {arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


async def through_mcp() -> dict[str, Any]:
    """Start the workflow through the server and wait for its end; returns the answer of get_status."""
    server = StdioServerParameters(command=COMMAND, args=["serve"], env={"OUTLAST_HOME": os.environ["OUTLAST_HOME"]})
    with anyio.fail_after(60):
        async with Client(server) as client:

            async def call(tool: str, **arguments: object) -> dict[str, Any]:
                result = await client.call_tool(tool, arguments)
                if result.is_error or result.structured_content is None:
                    raise SystemExit(f"{tool}: {result}")
                return result.structured_content

            started = await call("execute_workflow", workflow_id="smoke")
            check(started["handle_id"], "a client starts a workflow through the server")
            status = await call("get_status", handle_id=started["handle_id"], wait_seconds=30)
            logs = await call("get_logs", handle_id=started["handle_id"])
            check([line["text"] for line in logs["lines"]] == ["one", "two", "three"], "its lines are read back")
            return status


def main() -> None:
    places = [import_module("outlast." + name).__file__ or "" for name in PACKAGES]
    check(all(Path(place).is_relative_to(sys.prefix) for place in places), "all is imported from this environment")
    # What Outlast tidies up in the background may still be at work when we are through.
    with tempfile.TemporaryDirectory(prefix="ol-", ignore_cleanup_errors=True) as home:
        os.environ["OUTLAST_HOME"] = home
        workflows = Path(home, "workflows")
        workflows.mkdir(mode=0o700)
        (workflows / "smoke.yaml").write_text(WORKFLOW.format(run=json.dumps([sys.executable, "-c", CHILD])))
        status = anyio.run(through_mcp)
        check((status["status"], status["exit_code"]) == ("failed", 3), "its status and exit code are true")
        shown = json.loads(outlast("show", str(status["number"]), "--json"))
        check(shown["handle_id"] == status["handle_id"], "the command finds it when the server is gone")
        lines = [json.loads(line)["text"] for line in outlast("logs", str(status["number"]), "--jsonl").splitlines()]
        check(lines == ["one", "two", "three"], "and prints the same lines")


if __name__ == "__main__":
    main()
