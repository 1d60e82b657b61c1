"""Signals that end a server, acted on by a thread of its own: a stuck event loop would never hear of them."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def end_on_signal(ended: Callable[[], None], ask: Callable[[], None]) -> None:
    """Have `ended` called, on a thread, at the first SIGTERM, SIGINT or SIGHUP, and `ask` on the running event loop.

    Under nohup SIGHUP stays ignored; SIGINT does not, which shells have everything in their background ignore.
    To be called on the main thread, once.
    """
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    # Python writes each signal's number here as it comes, whatever code is running and for however long.
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, heard)
    loop = asyncio.get_running_loop()
    threading.Thread(target=await_signal, args=(told, ended, loop, ask), name="signals", daemon=True).start()


def heard(_: int, __: FrameType | None) -> None:
    """The thread acts. A signal without a handler in Python would not be written down."""


def await_signal(
    told: int, ended: Callable[[], None], loop: asyncio.AbstractEventLoop, ask: Callable[[], None]
) -> None:
    while os.read(told, 1)[0] not in ENDING:
        pass  # somebody else's
    ended()
    loop.call_soon_threadsafe(ask)
