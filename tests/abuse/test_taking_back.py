"""A request that nobody waits for any more did everything or nothing, and history names what it started."""

import random

from abuse.taking_back import leave_at_once, take_back
from abuse.wire import Wire
from outlast.kernel.home import Home

ROUNDS = 4


def test_a_request_taken_back_leaves_nothing_or_an_execution(home: Home) -> None:
    with Wire(home.root) as wire:
        assert take_back(home, wire.shake_hands(), ROUNDS, random.Random(20261126)) == []
        assert wire.ask("ping")["result"] == {}
        assert wire.leave() == 0


def test_a_client_that_leaves_at_once_leaves_only_what_history_names(home: Home) -> None:
    with Wire(home.root) as wire:
        assert leave_at_once(home, wire.shake_hands(), ROUNDS) == []
