"""Where the tools meet the protocol: what goes in is checked, what comes out cannot break the connection."""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, TextContent

from outlast.kernel.errors import OutlastError, StoreUnreachable
from outlast.kernel.plan import Json
from outlast.runtime.runtime import Runtime
from outlast.tools.readable import escaped, visible_lines
from outlast.tools.views import View

log = logging.getLogger(__name__)


class Door(Protocol):
    """What a server gives to its tools: the runtime, once it is open."""

    session: str
    """Names this connection in the history."""

    async def runtime(self) -> Runtime: ...


Call: TypeAlias = Context[Door]
"""The call of a tool."""

USUAL_BYTES = 24 * 1024
MOST_BYTES = 64 * 1024
"""Of a whole reply: text and structured content."""
ROOM = 2048
"""Bytes left for what stands around lines and rows."""
PLAIN_JSON = json.JSONEncoder(ensure_ascii=False)
"""Made once: `json.dumps` makes an encoder for each call that asks for more than the defaults."""
MAX_MESSAGE = 4000
"""Characters of an error's message, and of its next call."""


async def runtime_of(call: Call) -> Runtime:
    """The server's runtime. Raises what keeps it from opening, as a StoreError where it is the home."""
    try:
        return await call.request_context.lifespan_context.runtime()
    except OSError as error:
        raise StoreUnreachable(
            f"Outlast's home cannot be used: {error}.", next="outlast doctor, in a terminal"
        ) from error


def reply(text: str, structured: View) -> CallToolResult:
    """A tool's answer."""
    return CallToolResult(
        content=[TextContent(type="text", text=visible_lines(text))],
        structured_content=clean(structured),
    )


def refusal(error: OutlastError) -> CallToolResult:
    """An error as the tool's answer: what is wrong and the next useful call."""
    message, following = shortened(error.message), error.next and shortened(error.next)
    structured: View = {"code": error.code, "message": message, "next": following}
    lines = [f"{error.code}: {message}"]
    if error.handle_id is not None:
        structured["handle_id"] = error.handle_id
        lines.append(f"handle: {error.handle_id}")
    if following:
        lines.append(f"next: {following}")
    result = reply("\n".join(lines), structured)
    return result.model_copy(update={"is_error": True})


def shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}… ({len(text) - MAX_MESSAGE:,} more characters)"


def unexpected(error: Exception, what: str) -> OutlastError:
    """The error that is shown instead of one that nobody foresaw; the real one goes to the server's log."""
    log.error("%s failed", what, exc_info=error)
    return OutlastError(
        f"{what} failed inside Outlast; its log (standard error of the server) says why.",
        code="internal_error",
        next="try once more; if it stays, report it with that log",
    )


@contextmanager
def about(handle_id: str, what: str) -> Generator[None]:
    """Errors raised inside name the execution that they are about."""
    try:
        yield
    except OutlastError as error:
        error.handle_id = error.handle_id or handle_id
        raise
    except Exception as error:
        masked = unexpected(error, what)
        masked.handle_id = handle_id
        raise masked from error


def clean(value: Json) -> Json:
    """The same value without lone surrogates, which no UTF-8 can carry: one of them would end the connection."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value


def clean_text(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(escaped(c) if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)
    return text


def weight(value: Json) -> int:
    """Bytes of a value as JSON."""
    text = PLAIN_JSON.encode(value)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
