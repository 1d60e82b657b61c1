"""Whatever comes in, the server stays up, answers, and prints messages alone. `python -m abuse` sends more of it."""

import os
import random

from abuse.frames import send_mutations, send_odd_lines, works
from abuse.taking_back import requests
from abuse.wire import HANDSHAKE, Wire, frame
from outlast.kernel.home import Home

FRAMES = int(os.environ.get("OUTLAST_FRAMES", "400"))


def test_every_odd_value_in_every_place_is_answered(home: Home) -> None:
    with Wire(home.root) as wire:
        assert send_odd_lines(wire.shake_hands()) > 500
        assert wire.leave() == 0


def test_no_accident_on_the_way_ends_the_connection(home: Home) -> None:
    with Wire(home.root) as wire:
        send_mutations(wire.shake_hands(), FRAMES, random.Random(20261126))
        assert wire.leave() == 0


def test_a_client_may_shake_hands_as_it_likes(home: Home) -> None:
    """Late, after accidents, and twice."""
    with Wire(home.root) as wire:
        assert wire.ask("ping")["result"] == {}
        wire.send(frame("tools/list", id="early"))
        assert wire.answer("early")
        wire.send(b'\0\n[]\n{"jsonrpc":"2.0","id":1,"result":{}}\n')
        for id, (tool, arguments) in enumerate(requests(1, "early").items()):
            wire.send(wire.tool_call(tool, arguments, id) + frame("notifications/cancelled", {"requestId": id}))
        wire.send(frame("initialize", HANDSHAKE, id="taken back"))
        wire.send(frame("notifications/cancelled", {"requestId": "taken back"}))
        works(wire.shake_hands())
        assert wire.ask("initialize", HANDSHAKE)
        works(wire)
        assert wire.leave() == 0
