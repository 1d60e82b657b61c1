"""A server is gone whatever it is stuck in. That it takes less than a second is measured by `python -m abuse`."""

import pytest

from abuse.endings import CIRCUMSTANCES
from outlast.kernel.home import Home


@pytest.mark.parametrize(
    ("circumstance", "way"),
    [
        ("idle", "SIGHUP"),
        ("stuck loop", "SIGTERM"),
        ("stuck loop", "parent gone"),
        ("long query", "SIGINT"),
        ("long query", "end of input"),
        ("locked store", "SIGTERM"),
        ("locked store", "parent gone"),
    ],
)
def test_a_server_is_gone_whatever_it_is_stuck_in(home: Home, circumstance: str, way: str) -> None:
    with CIRCUMSTANCES[circumstance](home) as victim:
        victim.end(way)
