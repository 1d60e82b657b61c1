"""Every character of Unicode through the fields of requests and replies."""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from abuse.wire import Wire
from outlast.kernel.home import Home
from outlast.tools.readable import shown

SIZE = 1000
"""Characters that go together."""
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
SCRIPT = 'cat "$0"; exit 3'


def everything() -> Iterator[str]:
    """All 1,112,064 characters that a text can hold, in order."""
    scalars = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    for at in range(0, len(scalars), SIZE):
        yield "".join(scalars[at : at + SIZE])


def telling(every: int) -> Iterator[str]:
    """The beginning, which has most of what does something, the end, each `every`th part of the rest, and what writes
    in the other direction, joins, tags or is no character."""
    parts = list(everything())
    yield from parts[:1]
    yield "".join(
        map(chr, (*range(0x2000, 0x2070), *range(0xE0000, 0xE0200), *range(0xFDD0, 0xFE10), 0xFEFF, 0xFFFE, 0xFFFF))
    )
    yield from parts[every::every]
    yield parts[-1]


def send_through(home: Home, wire: Wire, text: str) -> list[str]:
    """Have a workflow take, print and be named with a text, and get it wrong; what does not come back as it should."""
    printed = Path(home.root, "printed")
    printed.write_bytes(text.encode())
    words = "".join(filter(str.isprintable, text)).ljust(SIZE, "x")
    own = f"{ord(text[0]):x} {words[600:790]}"
    named: dict[str, Any] = {"labels": {words[:200]: words[200:400]}, "agent": words[400:600], "customer": own}
    argv = ["sh", "-c", SCRIPT, str(printed), text.replace("\0", "")]
    wrong: list[str] = []
    started = ask(
        wire,
        wrong,
        "execute_workflow",
        workflow_id="command",
        params={"argv": argv},
        idempotency_key=own,
        **named,
    )
    number = started.get("number")
    ended = ask(wire, wrong, "get_status", handle_id=number, wait_seconds=45, response_format="detailed")
    wrong += [f"{field} is not what was given" for field, value in named.items() if ended.get(field) != value]
    if ended.get("params", {}).get("argv") != argv:
        wrong.append("the parameters are not what was given")
    lines = ask(wire, wrong, "get_logs", handle_id=number, after=0).get("lines", [])
    expected = [shown(line).text for line in printed.read_bytes().split(b"\n")]
    if [line["text"] for line in lines] != expected:
        wrong.append("the lines are not what was printed")
    found = ask(wire, wrong, "list_execution_history", customer=own)
    if found.get("total") != 1:
        wrong.append(f"{found.get('total')} executions have the customer")
    for tool, arguments in (
        ("get_status", {"handle_id": text}),
        ("execute_workflow", {"workflow_id": text}),
        ("execute_workflow", {"workflow_id": "command", "params": {text: text}}),
        ("execute_workflow", {"workflow_id": "command", "params": {"argv": ["true"]}, "labels": {text: text}}),
        ("list_workflows", {"workflow_id": text}),
        ("cancel_execution", {"handle_id": number, "reason": text[:200]}),
        ("get_logs", {"handle_id": number, text: text}),
        (text, {}),
    ):
        ask(wire, wrong, tool, **arguments)
    return [f"U+{ord(text[0]):04X} …: {one}" for one in wrong]


def ask(wire: Wire, wrong: list[str], tool: str, **arguments: Any) -> dict[str, Any]:
    """A tool's structured content; a text part that a reader would not see as it is goes to `wrong`."""
    result = wire.call(tool, **arguments)
    for part in result["content"]:
        hidden = {character for character in part["text"] if unicodedata.category(character) in HIDDEN} - {"\t", "\n"}
        if hidden:
            wrong.append(f"{tool} shows {sorted(map(ascii, hidden))}")
    return result["structuredContent"]
