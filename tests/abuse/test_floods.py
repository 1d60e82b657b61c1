"""Clients that ask and do not read: the server stops reading instead of keeping answers for them."""

import os

import pytest

from abuse.floods import PADDING, ask_without_reading, tool_calls
from abuse.wire import BOUND, Wire, frame, tool_call
from outlast.kernel.home import Home

ASKED = 2000
ENOUGH = 700
"""Requests that may be on the way before a client is slowed down: unanswered ones, and what pipes and buffers hold."""


@pytest.mark.parametrize("tool", [True, False])
def test_a_client_that_does_not_read_is_not_read_and_loses_nothing(home: Home, tool: bool) -> None:
    """Later it reads everything at once, or a little at a time."""
    if tool:
        requests = tool_calls(ASKED)
    else:
        requests = [frame("tools/list", {"_meta": {"padding": PADDING}}, id=n) for n in range(ASKED)]
    with Wire(home.root) as wire:
        wire.shake_hands().call("list_execution_history")
        taken = ask_without_reading(wire, requests)
        assert taken < ENOUGH
        if not tool:
            wire.bite = 64
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
