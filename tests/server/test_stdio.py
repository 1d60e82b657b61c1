"""Lines in, lines out: the wire alone."""

import json
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCResponse

from outlast.server.stdio import CHUNK, Refusal, encoded, lines_of, parsed


def read_back(data: bytes, pieces: list[int]) -> list[bytes]:
    """What `lines_of` makes of data that arrives in pieces."""
    incoming, outgoing = os.pipe()

    def write() -> None:
        rest = data
        for size in pieces:
            os.write(outgoing, rest[:size])
            rest = rest[size:]
        os.write(outgoing, rest)
        os.close(outgoing)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return list(lines_of(incoming))
    finally:
        writer.join()
        os.close(incoming)


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([b"\n", b"a", b" ", b"{}"])).map(b"".join),
    st.lists(st.integers(1, 20)),
)
def test_lines_are_the_same_however_they_arrive(data: bytes, pieces: list[int]) -> None:
    assert read_back(data, pieces) == [line for line in data.split(b"\n") if line.strip()]


def test_lines_longer_than_a_read_are_whole() -> None:
    lines = [b"x" * (CHUNK * 2 + 1), b"y" * CHUNK, b"z"]
    assert read_back(b"\n".join(lines), []) == lines


def test_an_answer_that_cannot_be_written_becomes_an_error() -> None:
    """The reader must not wait for ever for an answer that killed the writer."""
    line = encoded(JSONRPCResponse(jsonrpc="2.0", id=7, result={"text": "\ud800"}))
    message = json.loads(line)
    assert (message["id"], message["error"]["code"]) == (7, -32603)


@pytest.mark.parametrize("method", [7, "ping"])
@pytest.mark.parametrize("id", ["\ud800", "a\udfff", True, 1.5, None, [1], {"a": 1}])
def test_an_id_that_no_answer_can_carry_is_answered_without(id: object, method: object) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": id, "method": method}).encode()
    refusal = parsed(line)
    assert isinstance(refusal, Refusal)
    message = json.loads(encoded(refusal.answer))
    assert message["error"]["code"] == -32600
    assert message["id"] is None


def test_a_notification_may_speak_of_ids() -> None:
    line = b'{"jsonrpc":"2.0","method":"notifications/none","params":{"id":1.5}}'
    assert isinstance(parsed(line), JSONRPCNotification)


def test_a_number_of_any_length_keeps_nobody_waiting() -> None:
    refusal = parsed(b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"n":' + b"9" * 5000 + b"}}")
    assert isinstance(refusal, Refusal)
    assert (refusal.answer.id, refusal.answer.error.code) == (7, -32600)


def test_an_answer_to_an_id_that_cannot_be_written_is_still_an_answer() -> None:
    message = JSONRPCResponse.model_construct(jsonrpc="2.0", id="\ud800", result={})
    assert json.loads(encoded(message))["id"] is None


@pytest.mark.parametrize("text", ["\u2028", "\x85", "a\nb", "\U0001f680"])
def test_a_message_is_one_line(text: str) -> None:
    line = encoded(JSONRPCResponse(jsonrpc="2.0", id=7, result={"text": text}))
    assert line.count(b"\n") == 1
    message = parsed(line)
    assert isinstance(message, JSONRPCResponse)
    assert message.result == {"text": text}


def test_a_client_s_own_error_is_passed_on_and_not_sent_back() -> None:
    line = b'{"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"no such method"}}'
    assert isinstance(parsed(line), JSONRPCError)
