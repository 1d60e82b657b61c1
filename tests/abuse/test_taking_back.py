"""A request that nobody waits for any more did everything or nothing, and history names what it started."""

import random
from typing import Any

import pytest

from abuse.taking_back import leave_at_once, take_back
from abuse.wire import ENVELOPE, Wire
from outlast.kernel.home import Home

ROUNDS = 3


@pytest.mark.parametrize("envelope", [None, ENVELOPE], ids=["legacy", "modern"])
def test_a_request_taken_back_leaves_nothing_or_an_execution(home: Home, envelope: dict[str, Any] | None) -> None:
    with Wire(home.root, envelope=envelope) as wire:
        if envelope is None:
            wire.shake_hands()
        assert take_back(home, wire, ROUNDS, random.Random(20261126)) == []
        assert wire.leave() == 0


def test_a_client_that_leaves_at_once_leaves_only_what_history_names(home: Home) -> None:
    with Wire(home.root) as wire:
        assert leave_at_once(home, wire.shake_hands(), ROUNDS) == []
