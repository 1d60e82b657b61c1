"""Lines that no client should send: odd ones by hand, and mutations of good ones by chance."""

import json
import random
from collections.abc import Iterator
from typing import NamedTuple

from abuse.wire import HANDSHAKE, Wire, frame, tool_call

DIGITS = "9" * 5000
VALUES = (
    *("1e400", "-1e400", "1e-400", "-0", "-0.0", "1.0", "1.5", "-1", "18446744073709551616", DIGITS, "-" + DIGITS),
    *("NaN", "Infinity", "-Infinity", "null", "true", "false", "[]", "[1]", "{}", '{"a":1,"a":2}', '{"a":null}'),
    *('""', '"x"', '"7"', '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\u202e\\u2028"', '{"\\ud800":1}'),
    *(f'"{"x" * 300_000}"', "[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300, "[" * 100_000),
)
"""What stands where something else is expected, as JSON or nearly."""
PLACES = (
    '{"jsonrpc":"2.0","id":%s,"method":"ping"}',
    '{"jsonrpc":%s,"id":7,"method":"ping"}',
    '{"jsonrpc":"2.0","id":7,"method":%s}',
    '{"jsonrpc":"2.0","id":7,"method":"ping","params":%s}',
    '{"jsonrpc":"2.0","id":7,"method":"initialize","params":%s}',
    '{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":%s}}',
    '{"jsonrpc":"2.0","id":7,"method":"resources/list","params":{"cursor":%s}}',
    '{"jsonrpc":"2.0","id":7,"method":"completion/complete","params":{"ref":%s,"argument":{"name":"id","value":""}}}',
    '{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"diagnose","arguments":%s}}',
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%s,"arguments":{}}}',
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_status","arguments":%s}}',
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_logs","arguments":{"handle_id":%s}}}',
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"execute_workflow",'
    '"arguments":{"workflow_id":"nothing","params":{"p":%s}}}}',
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_status","arguments":{"handle_id":1,'
    '"wait_seconds":0},"_meta":{"progressToken":%s}}}',
    '{"jsonrpc":"2.0","id":7,"result":%s}',
    '{"jsonrpc":"2.0","id":7,"error":%s}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1}}',
    '{"jsonrpc":"2.0","method":%s}',
    "[%s]",
    "%s",
)
NOT_ANSWERED = (
    '{"jsonrpc":"2.0","id":7,"result"',
    '{"jsonrpc":"2.0","id":7,"error"',
    '{"jsonrpc":"2.0","method"',
    "%s",
)
"""Beginnings of places where no answer has to come: answers, notifications, and what may be a blank line."""
GOOD = (
    frame("ping", id=8),
    frame("initialize", HANDSHAKE, id=8),
    frame("notifications/initialized"),
    frame("tools/list", id="eight"),
    frame("resources/read", {"uri": "execution://1/logs?after=1&limit=5"}, id=8),
    tool_call("get_status", {"handle_id": 1, "response_format": "detailed"}, id=8),
    tool_call("get_logs", {"handle_id": 1, "pattern": "line [0-9]+", "limit": 3}, id=8),
    tool_call("list_execution_history", {"workflow_id": "command", "limit": 2}, id=8),
    tool_call("list_workflows", {"workflow_id": "ümläut 日本"}, id=8),
    tool_call("cancel_execution", {"handle_id": 1}, id=8),
    json.dumps([{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(3)]).encode() + b"\n",
)
"""Lines to begin with; none of them starts anything."""
INSERTED = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b"{",
    b"]",
    b"\\u0000",
    b"\xf4\x90",
)


class Odd(NamedTuple):
    line: bytes
    answered: bool
    """Whether whoever sent it must get an answer."""


def odd_lines() -> Iterator[Odd]:
    """Every odd value in every place."""
    for place in PLACES:
        answered = not place.startswith(NOT_ANSWERED)
        for value in VALUES:
            yield Odd((place % value).encode() + b"\n", answered)
    many = {f"p{n}": n for n in range(10_000)}
    for workflow_id in ("command", "nothing"):
        yield Odd(tool_call("execute_workflow", {"workflow_id": workflow_id, "params": many}, id=9), True)
    yield Odd(tool_call("get_status", {"handle_id": 1, **many}, id=9), True)
    yield Odd(b"\xef\xbb\xbf" + frame("ping", id=7), True)
    yield Odd(b" \t\r\n\n\r\n", False)
    yield Odd(frame("ping", id=7).replace(b"\n", b"\r\n"), True)
    yield Odd(b"x" * 5_000_000 + b"\n", True)


def mutated(chance: random.Random) -> bytes:
    """A good line, or several, after some accidents; it ends with a newline."""
    data = bytearray(b"".join(chance.choices(GOOD, k=chance.choice([1, 1, 1, 2, 3]))))
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + chance.randrange(1, 20)]
            case 2:
                for _ in range(chance.randrange(1, 4)):
                    if data:
                        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            case 3:
                data[at:at] = chance.choice(INSERTED)
            case 4:
                data[at:at] = data[: chance.randrange(len(data) + 1)]
            case _:
                data[at:at] = chance.choice(VALUES[:-4]).encode()
    return bytes(data) + b"\n"


def pieces(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """The same bytes as one write, byte by byte, or in parts."""
    size = chance.choice([len(data), len(data), 1 if len(data) < 500 else 100, 64])
    for at in range(0, len(data), size):
        yield data[at : at + size]


def works(wire: Wire) -> None:
    """The server is up: it answers a ping and a tool. What else it said were messages, and is forgotten."""
    assert wire.ask("ping")["result"] == {}
    total = wire.call("list_execution_history")["structuredContent"]["total"]
    assert total == 0
    wire.others.clear()


def send_odd_lines(wire: Wire) -> int:
    """Send all of them; each that needs an answer must get one. How many there were."""
    count = 0
    for odd in odd_lines():
        wire.send(odd.line)
        wire.ask("ping")
        if odd.answered:
            wire.any_answer(odd.line)
        wire.others.clear()
        count += 1
    works(wire)
    return count


def send_mutations(wire: Wire, count: int, chance: random.Random, every: int = 20) -> None:
    """Send so many, looking now and then whether the server is still what it was."""
    for done in range(count):
        for piece in pieces(mutated(chance), chance):
            wire.send(piece)
        if done % every == 0:
            works(wire)
    works(wire)
