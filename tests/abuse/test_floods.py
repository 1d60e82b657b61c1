"""Clients that ask and do not read: the server stops reading instead of keeping answers for them."""

import os
import select

import pytest

from abuse.wire import BOUND, Wire, frame, tool_call
from outlast.kernel.home import Home

ASKED = 2000
PADDING = "x" * 2000
"""Makes requests so large that pipes hold few of them."""
ENOUGH = 700
"""Requests that may be on the way before a client is slowed down: unanswered ones, and what pipes and buffers hold."""


def ask_without_reading(wire: Wire, requests: list[bytes]) -> int:
    """Write as long as the server takes it; how many whole requests that were."""
    os.set_blocking(wire.incoming, False)
    data = memoryview(b"".join(requests))
    written = 0
    while written < len(data) and select.select([], [wire.incoming], [], 2)[1]:
        written += os.write(wire.incoming, data[written : written + select.PIPE_BUF])
    os.set_blocking(wire.incoming, True)
    whole = sum(written >= end for end in ends_of(requests))
    if whole < len(requests):  # the rest of one that is cut in the middle
        wire.send(bytes(data[written : ends_of(requests)[whole]]))
        whole += 1
    return whole


def ends_of(requests: list[bytes]) -> list[int]:
    ends, end = [], 0
    for request in requests:
        end += len(request)
        ends.append(end)
    return ends


@pytest.mark.parametrize("tool", [True, False])
def test_a_client_that_does_not_read_is_not_read_and_loses_nothing(home: Home, tool: bool) -> None:
    if tool:
        requests = [tool_call("list_execution_history", {"customer": PADDING}, id=n) for n in range(ASKED)]
    else:
        requests = [frame("tools/list", {"_meta": {"padding": PADDING}}, id=n) for n in range(ASKED)]
    with Wire(home.root) as wire:
        wire.shake_hands().call("list_execution_history")
        taken = ask_without_reading(wire, requests)
        assert taken < ENOUGH
        for id in range(taken):
            wire.answer(id)
        assert wire.ask("ping")["result"] == {}
        assert [message for message in wire.others if "method" not in message] == []
        assert wire.leave() == 0


def test_a_client_that_closes_its_end_ends_the_server(home: Home) -> None:
    with Wire(home.root) as wire:
        wire.shake_hands()
        assert wire.process.stdout is not None
        wire.process.stdout.close()
        os.write(wire.incoming, frame("ping", id=1))
        assert wire.process.wait(BOUND) == 0


def test_requests_that_were_cancelled_hold_up_nobody(home: Home) -> None:
    """They are never answered: whoever counts answers alone would stop reading after some hundred of them."""
    with Wire(home.root) as wire:
        wire.shake_hands()
        run = wire.call("execute_workflow", workflow_id="command", params={"argv": ["sleep", "300"]})
        number = run["structuredContent"]["number"]
        for id in range(600):
            wire.send(tool_call("get_status", {"handle_id": number, "wait_seconds": 45}, id=id))
            wire.send(frame("notifications/cancelled", {"requestId": id}))
        assert wire.ask("ping")["result"] == {}
        wire.call("cancel_execution", handle_id=number, wait_seconds=30)
        assert wire.leave() == 0
