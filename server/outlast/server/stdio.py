"""The protocol over standard input and output, one JSON message a line.

Descriptors 0 and 1 are taken away from everybody else, so that nothing but messages can get onto the wire. Reading
blocks a daemon thread instead of making the descriptors non-blocking: those flags belong to whoever shares the pipe
or terminal. It works with pipes, sockets, terminals and files alike, and nothing has to be waited for at the end.
"""

import asyncio
import fcntl
import json
import logging
import os
import select
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from outlast.server.pacing import Pace

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes. Arguments are limited to 256 KiB; a longer line is somebody's mistake."""
WAITING_MESSAGES = 64
"""Read ahead, so that the end of input is noticed although messages wait."""
CHUNK = 1 << 16
TIME_TO_READ = 0.5
"""Seconds for what a client has written before it left."""


class Wire(NamedTuple):
    """The descriptors of the connection, which no other code knows."""

    incoming: int
    outgoing: int


class Refusal(NamedTuple):
    """A line that is no message."""

    answer: JSONRPCError


class Streams(NamedTuple):
    received: MemoryObjectReceiveStream[SessionMessage | Exception]
    to_send: MemoryObjectSendStream[SessionMessage]


def claim() -> Wire:
    """Take standard input and output for the protocol: from now on 0 is empty and 1 is standard error."""
    wire = Wire(fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3), fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # started without a standard error
        os.dup2(nothing, 1)
    os.close(nothing)
    return wire


@asynccontextmanager
async def open_streams(
    wire: Wire, ended: Callable[[], None], at_the_door: Callable[[JSONRPCMessage], JSONRPCMessage | None]
) -> AsyncGenerator[Streams]:
    """The messages of a connection. `ended` is called, on any thread, when the other side is gone. A message that
    `at_the_door` has an answer for is not passed on."""
    received_in, received = anyio.create_memory_object_stream[SessionMessage | Exception](WAITING_MESSAGES)
    to_send, to_send_out = anyio.create_memory_object_stream[SessionMessage](0)
    loop = asyncio.get_running_loop()
    pace = Pace()

    async def take(line: bytes) -> None:
        message = parsed(line)
        answer = message.answer if isinstance(message, Refusal) else at_the_door(message)
        if answer is not None:
            await to_send.send(SessionMessage(answer))
        elif isinstance(message, JSONRPCRequest):
            await pace.admit(message, len(line))
            await received_in.send(SessionMessage(message, settling(message.id)))
        elif not isinstance(message, Refusal):
            await received_in.send(SessionMessage(message))

    def settling(id: RequestId) -> ServerMessageMetadata:
        async def unanswered() -> None:
            pace.settle(id)

        return ServerMessageMetadata(on_request_unanswered=unanswered)

    async def end() -> None:
        ended()
        await received_in.aclose()

    def on_loop(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result()

    def read() -> None:
        try:
            for line in lines_of(wire.incoming):
                on_loop(take(line))
            on_loop(end())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, asyncio.CancelledError, RuntimeError):
            log.debug("the server ended while something was read", exc_info=True)

    async def write() -> None:
        async with to_send_out:
            async for item in to_send_out:
                data = encoded(item.message)
                try:
                    await anyio.to_thread.run_sync(write_all, wire.outgoing, data, abandon_on_cancel=True)
                except OSError:
                    log.info("the client reads no more", exc_info=True)
                    return ended()
                if isinstance(item.message, JSONRPCResponse | JSONRPCError) and item.message.id is not None:
                    pace.settle(item.message.id)

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        threading.Thread(target=read, name="stdin", daemon=True).start()
        threading.Thread(target=await_hangup, args=(wire.incoming, ended), name="hangup", daemon=True).start()
        try:
            yield Streams(received, to_send)
        finally:
            for stream in (received_in, received, to_send):
                stream.close()


def await_hangup(fd: int, ended: Callable[[], None]) -> None:
    """Call `ended` some moments after the other side has closed the pipe, however much of it is still unread: a client
    that reads no more keeps the reader from getting to the end."""
    poll = select.poll()
    poll.register(fd, 0)
    if any(event & select.POLLHUP for _, event in poll.poll()):
        time.sleep(TIME_TO_READ)
        ended()


def lines_of(fd: int) -> Iterator[bytes]:
    """The lines that are not empty; an over-long one is cut, so that it is answered as an error."""
    parts: list[bytes] = []
    size = 0
    while chunk := os.read(fd, CHUNK):
        first, *others = chunk.split(b"\n")
        for piece in (first, *others[:-1]) if others else ():
            line = b"".join((*parts, piece))
            parts, size = [], 0
            if line.strip():
                yield line
        rest = others[-1] if others else first
        if size <= LONGEST_MESSAGE:
            parts.append(rest)
            size += len(rest)
    if (line := b"".join(parts)).strip():
        yield line


def parsed(line: bytes) -> JSONRPCMessage | Refusal:
    """The message on a line; for a line that is none, the error that answers it."""
    if len(line) > LONGEST_MESSAGE:
        return Refusal(refused(PARSE_ERROR, f"a message may have at most {LONGEST_MESSAGE:,} bytes"))
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        if not isinstance(message, JSONRPCNotification) or b'"id"' not in line:
            return message
    except ValidationError:
        message = None  # looked at below
    try:
        content: object = json.loads(line, parse_int=number)
    except (ValueError, RecursionError):
        return Refusal(refused(PARSE_ERROR, "not JSON"))
    fields = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    if message is not None and "id" not in fields:
        return message  # the word stands somewhere else in it
    given = usable_id(fields.get("id"))
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Refusal(refused(INVALID_REQUEST, "a text in it holds half a character (a lone surrogate)", given))
    if message is not None:  # a request: its sender waits for an answer
        return Refusal(refused(INVALID_REQUEST, "an id is a text or a whole number"))
    return Refusal(refused(INVALID_REQUEST, "not a JSON-RPC 2.0 message", given))


def number(digits: str) -> int | float:
    """A whole number; one that Python does not take for its length only counts as some number."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def usable_id(value: object) -> RequestId | None:
    """What names a request in its answer: a whole number, or a text that UTF-8 can carry; None for anything else."""
    if isinstance(value, str):
        return None if any(0xD800 <= ord(c) <= 0xDFFF for c in value) else value
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def refused(code: int, message: str, id: RequestId | None = None) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=id, error=ErrorData(code=code, message=message))


def encoded(message: JSONRPCMessage) -> bytes:
    """One line. A message that cannot be written becomes an error, so that nobody waits for it for ever."""
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
        return text.encode() + b"\n"
    except (PydanticSerializationError, UnicodeEncodeError):
        log.exception("a message could not be written")
        id = usable_id(getattr(message, "id", None))
        return encoded(refused(INTERNAL_ERROR, "the answer could not be written", id))


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
