"""A server spoken to in bytes. Every byte that it prints has to belong to a message of the protocol."""

import json
import os
import select
import subprocess
import time
from contextlib import suppress
from typing import Any, Self

from chaos.serving import environment, program

BOUND = 30.0
"""Seconds: far more than any answer or end needs on a busy machine."""
HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "abuse", "version": "1"},
}


ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": HANDSHAKE["clientInfo"],
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What each request says of itself in the era without a handshake."""


class Broken(AssertionError):
    """The server printed something that is no message, or did not answer."""


class Wire:
    """`outlast serve` over a home, its two pipes, and the messages that came out of it so far."""

    def __init__(self, home: str, command: list[str] | None = None, *, envelope: dict[str, Any] | None = None) -> None:
        """`envelope`: goes with every call of a tool."""
        self._envelope = envelope
        with open(f"{home}/servers.stderr", "ab") as errors:
            self.process = subprocess.Popen(
                command or program("serve"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(home, None),
                start_new_session=True,
            )
        self._rest = b""
        self._asked = 0
        self.bite = 1 << 16
        """The most bytes to take at once of what the server prints."""
        self.others: list[dict[str, Any]] = []
        """Messages that nobody has waited for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it by force if it has not ended, and close the pipes."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    @property
    def incoming(self) -> int:
        """The descriptor that the server reads from."""
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    @property
    def outgoing(self) -> int:
        """The descriptor that the server's messages come out of."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def shake_hands(self) -> Self:
        self.ask("initialize", HANDSHAKE)
        self.send(frame("notifications/initialized", id=None))
        return self

    def send(self, data: bytes) -> None:
        """Write all of it, reading meanwhile what the server says, so that neither waits for the other."""
        view = memoryview(data)
        deadline = time.monotonic() + BOUND
        while view:
            readable, writable, _ = select.select(
                [self.outgoing], [self.incoming], [], max(0.0, deadline - time.monotonic())
            )
            if readable:
                self._read()
            elif writable:
                view = view[os.write(self.incoming, view[: select.PIPE_BUF]) :]
            else:
                raise Broken(f"{len(view)} bytes are not read by the server")

    def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a request; what comes before it goes to `others`."""
        id = self.next_id()
        self.send(frame(method, params, id=id))
        return self.answer(id)

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool."""
        [result] = self.call_all([(tool, arguments)])
        return result

    def tool_call(self, tool: str, arguments: object, id: object) -> bytes:
        """A call of a tool, in the connection's era."""
        return tool_call(tool, arguments, id, self._envelope)

    def call_all(self, calls: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """The results of tools that are all called before the first answer is waited for."""
        ids = [self.next_id() for _ in calls]
        self.send(
            b"".join(self.tool_call(tool, arguments, id) for id, (tool, arguments) in zip(ids, calls, strict=True))
        )
        return [self.answer(id)["result"] for id in ids]

    def next_id(self) -> str:
        self._asked += 1
        return f"asked {self._asked}"

    def answer(self, id: object) -> dict[str, Any]:
        deadline = time.monotonic() + BOUND
        while True:
            for message in self.others:
                if "method" not in message and message["id"] == id:
                    self.others.remove(message)
                    return message
            if not select.select([self.outgoing], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Broken(f"no answer to {id}")
            if not self._read():
                raise Broken(f"the server ended ({self.process.wait()}) without an answer to {id}")

    def any_answer(self, line: bytes) -> None:
        """Wait until `others` holds an answer, to whatever id. Raises Broken, showing the line that waits for it."""
        deadline = time.monotonic() + BOUND
        while all("method" in message for message in self.others):
            if not select.select([self.outgoing], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Broken(f"no answer to {line[:200]!r}")
            if not self._read():
                raise Broken(f"the server ended ({self.process.wait()}) at {line[:200]!r}")

    def _read(self) -> bool:
        """Take what is there; False at the end."""
        data = os.read(self.outgoing, self.bite)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.others += map(checked, lines)
        return bool(data)

    def rest(self) -> None:
        """Read to the end of what the server prints: all of it has to be whole messages."""
        deadline = time.monotonic() + BOUND
        while select.select([self.outgoing], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if not self._read():
                break
        else:
            raise Broken(f"the server prints on after {BOUND:g} s")
        if self._rest:
            raise Broken(f"half a message at the end: {self._rest[:200]!r}")

    def close_input(self) -> None:
        """It reads to the end, and nothing behind it."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def leave(self) -> int:
        """Close its input and read the rest; the exit code."""
        self.close_input()
        self.rest()
        return self.process.wait(BOUND)


def frame(method: str, params: dict[str, Any] | None = None, *, id: object = None) -> bytes:
    """A request, or without an id a notification, as one line."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if id is not None:
        message["id"] = id
    if params is not None:
        message["params"] = params
    return json.dumps(message).encode() + b"\n"


def tool_call(tool: str, arguments: object, id: object, envelope: dict[str, Any] | None = None) -> bytes:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    return frame("tools/call", params if envelope is None else {**params, "_meta": envelope}, id=id)


def checked(line: bytes) -> dict[str, Any]:
    """The message on a line, as strictly as anybody may read it. Raises Broken."""
    try:
        message = json.loads(line.decode(), parse_constant=_refuse, parse_int=_number, object_pairs_hook=_once)
    except ValueError as error:
        raise Broken(f"not a message ({error}): {line[:200]!r}") from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Broken(f"not JSON-RPC: {line[:200]!r}")
    kinds = message.keys() & {"method", "result", "error"}
    if len(kinds) != 1 or ("method" not in kinds and "id" not in message):
        raise Broken(f"neither a request nor an answer: {line[:200]!r}")
    return message


def _number(text: str) -> int | str:
    """Python reads no whole number of more than 4,300 digits."""
    return int(text) if len(text) < 4300 else text


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found
