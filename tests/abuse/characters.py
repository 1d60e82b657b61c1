"""Every character of Unicode through the fields of requests and replies."""

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from abuse.wire import Wire
from outlast.kernel.home import Home
from outlast.tools.readable import shown

SIZE = 190
"""Characters that go together: nearly as many as a key, a label or the reason of an end may have."""
TOGETHER = 50
"""Texts that go together: as arguments of one command they stay below 64 KiB."""
QUOTED = 48
"""Characters of a text that an error shows in full, but for those that are written as escapes."""
NAME = 24
"""Characters of an argument's name, of which one message quotes several."""
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
SCRIPT = 'printf "%s\\n" "$@"; exit 3'
IN_ONE_QUEUE = 'run: [sleep, "1000"]\nconcurrency: {key: queue}\n'


def everything() -> Iterator[str]:
    """All 1,112,064 characters that a text can hold, in order."""
    return pieces("".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF), SIZE)


def telling(every: int) -> Iterator[str]:
    """The beginning, which has most of what does something, the end, each `every`th text of the rest, and what writes
    in the other direction, joins, tags or is no character."""
    texts = list(everything())
    yield from texts[:2]
    for first, last in ((0x2000, 0x2070), (0xE0000, 0xE0090), (0xE0100, 0xE01F0), (0xFDD0, 0xFE10)):
        yield from pieces("".join(map(chr, range(first, last))), SIZE)
    yield "\ufeff\ufffe\uffff"
    yield from texts[every::every]
    yield texts[-1]


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def send_through(home: Home, wire: Wire, texts: Iterable[str]) -> list[str]:
    """Have workflows called, described, started, printed, refused and cancelled with each text; what does not come back
    as it should."""
    wrong: list[str] = []
    Path(home.workflows, "holder.yaml").write_text("id: holder\n" + IN_ONE_QUEUE)
    [holder] = ask(wire, wrong, [("execute_workflow", {"workflow_id": "holder"})])
    rest = iter(texts)
    while some := list(islice(rest, TOGETHER)):
        found: list[str] = []
        send_definitions(home, wire, found, some)
        for send in (send_executions, send_arguments, send_mistakes):
            send(wire, found, some)
        wrong += [f"U+{ord(some[0][0]):04X} …: {one}" for one in found]
    ask(wire, wrong, [("cancel_execution", {"handle_id": holder["number"], "wait_seconds": 45})])
    return wrong


def send_definitions(home: Home, wire: Wire, wrong: list[str], texts: Sequence[str]) -> None:
    """Workflow files `w0`, `w1` …: name, description, and a parameter's description and default."""
    kept = [without_nul(text) for text in texts]
    for n, text in enumerate(kept):
        lines = (f"id: w{n}", f"name: {yaml(own(text))}", f"description: {yaml(text)}")
        parameter = f"params: {{text: {{description: {yaml(text)}, default: {yaml(text)}}}}}"
        Path(home.workflows, f"w{n}.yaml").write_text("\n".join((*lines, parameter, IN_ONE_QUEUE)), encoding="utf-8")
    listed = ask(wire, wrong, [("list_workflows", {"workflow_id": f"w{n}"}) for n in range(len(kept))])
    for text, view in zip(kept, listed, strict=True):
        if (view.get("name"), view.get("description")) != (own(text), text):
            wrong.append("a workflow is not what its file says")
        parameter = view.get("params", {}).get("text", {})
        if (parameter.get("description"), parameter.get("default")) != (text, text):
            wrong.append("a parameter is not what its file says")


def send_executions(wire: Wire, wrong: list[str], texts: Sequence[str]) -> None:
    """Executions of `w0`, `w1` … that wait in a queue: key, labels, agent, customer, a parameter, and why they are
    cancelled."""
    named: list[dict[str, Any]] = [
        {"labels": {own(text).replace("=", ""): own(text)}, "agent": own(text), "customer": own(text)} for text in texts
    ]
    starts = [
        {"workflow_id": f"w{n}", "params": {"text": without_nul(text)}, "idempotency_key": own(text), **names}
        for n, (text, names) in enumerate(zip(texts, named, strict=True))
    ]
    numbers = [one.get("number") for one in ask(wire, wrong, [("execute_workflow", start) for start in starts])]
    filters = [
        {"agent": names["agent"], "customer": names["customer"], "label": "=".join(*names["labels"].items())}
        for names in named
    ]
    for found in ask(wire, wrong, [("list_execution_history", one) for one in filters]):
        wrong += [] if found.get("total") == 1 else [f"{found.get('total')} executions have those names"]
    ends = [{"handle_id": number, "reason": text} for number, text in zip(numbers, texts, strict=True)]
    ask(wire, wrong, [("cancel_execution", end) for end in ends])
    asked = [("get_status", {"handle_id": number, "response_format": "detailed"}) for number in numbers]
    for text, names, ended in zip(texts, named, ask(wire, wrong, asked), strict=True):
        given = {**names, "workflow_name": own(text), "params": {"text": without_nul(text)}}
        wrong += [f"{field} is not what was given" for field, value in given.items() if ended.get(field) != value]
        if not str(ended.get("cancel_requested_by")).endswith(f": {text}"):
            wrong.append("the reason is not what was given")


def send_arguments(wire: Wire, wrong: list[str], texts: Sequence[str]) -> None:
    """Arguments of a command that prints them: its log."""
    arguments = [without_nul(text) for text in texts]
    argv = ["sh", "-c", SCRIPT, "sh", *arguments]
    [started] = ask(wire, wrong, [("execute_workflow", {"workflow_id": "command", "params": {"argv": argv}})])
    number = started.get("number")
    [ended] = ask(wire, wrong, [("get_status", {"handle_id": number, "wait_seconds": 45})])
    if ended.get("exit_code") != 3:
        wrong.append(f"a command ended with {ended.get('exit_code')}")
    expected = [shown(line).text for line in "\n".join(arguments).encode().split(b"\n")]
    asked = [("get_logs", {"handle_id": number, "after": n, "limit": 1}) for n in range(len(expected))]
    lines = [line["text"] for page in ask(wire, wrong, asked) for line in page.get("lines", [])]
    if lines != expected:
        wrong.append("the lines are not what was printed")


def send_mistakes(wire: Wire, wrong: list[str], texts: Sequence[str]) -> None:
    """What is refused, and quoted in the refusal."""
    for text in texts:
        names = {name: name for name in pieces(text, NAME)}
        calls: list[tuple[str, dict[str, Any]]] = [
            ("execute_workflow", {"workflow_id": "command", "params": names}),
            (
                "execute_workflow",
                {"workflow_id": "command", "params": {"argv": ["true"]}, "labels": {text.ljust(201): text}},
            ),
            ("get_logs", {"handle_id": "1", **names}),
        ]
        for quoted in pieces(text, QUOTED):
            calls += [("get_status", {"handle_id": quoted}), (quoted, {})]
        for (tool, _), answer in zip(calls, ask(wire, wrong, calls), strict=True):
            if "code" not in answer:
                wrong.append(f"{tool!a} refuses nothing")


def own(text: str) -> str:
    """What is printable of a text, made another one than that of all others."""
    return f"{ord(text[-1]):x} {''.join(filter(str.isprintable, text))}"


def without_nul(text: str) -> str:
    """What a file and a program can be given of a text; the rest is refused."""
    return text.replace("\0", "")


def yaml(text: str) -> str:
    """A text in quotes; what cannot stand there as it is, as an escape."""
    plain = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{plain}"'


def ask(wire: Wire, wrong: list[str], calls: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The structured contents of what tools answer; a text part that hides something goes to `wrong`."""
    results = wire.call_all(calls)
    for (tool, _), result in zip(calls, results, strict=True):
        for part in result["content"]:
            hidden = {one for one in part["text"] if unicodedata.category(one) in HIDDEN} - {"\t", "\n"}
            if hidden:
                wrong.append(f"{tool!a} shows {sorted(map(ascii, hidden))}")
    return [result["structuredContent"] for result in results]
