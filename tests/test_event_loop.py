"""Nothing of ours blocks the event loop, and the tests would notice."""

import time
from importlib import import_module
from typing import Any

import anyio.to_thread
import pytest
from blockbuster import BlockingError


async def test_a_blocking_call_on_the_event_loop_is_noticed_and_on_a_thread_it_is_not(
    nobody_blocks_the_event_loop: tuple[str, ...],
) -> None:
    for package in nobody_blocks_the_event_loop:
        inside = f"{import_module(package).__path__[0]}/example.py"
        names: dict[str, Any] = {"time": time}
        exec(compile("def block(): time.sleep(0)", inside, "exec"), names)
        block = names["block"]
        with pytest.raises(BlockingError):
            block()
        await anyio.to_thread.run_sync(block)
