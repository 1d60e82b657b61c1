"""Whatever characters come in, they come back as they were, or written out where a reader would not see them."""

import pytest

from abuse.characters import send_through, telling
from abuse.wire import Wire
from outlast.kernel.home import Home


@pytest.mark.requirement("S4-15")
def test_characters_come_back_and_none_hides(home: Home) -> None:
    with Wire(home.root) as wire:
        assert send_through(home, wire.shake_hands(), telling(every=1500)) == []
        assert wire.leave() == 0
