"""Noticing that the program which started this one is gone, even where its pipe stays open in another process."""

import os
import select
import threading
import time
from collections.abc import Callable

POLL = 0.5
"""Seconds between looks where there are no pidfds."""


def end_with_parent(ended: Callable[[], None]) -> None:
    """Have `ended` called, on a thread of its own, when the parent of this process ends."""
    parent = os.getppid()
    if parent > 1:  # started without one, or it has ended already: then the end of input tells
        threading.Thread(target=await_parent, args=(parent, ended), name="parent", daemon=True).start()


def await_parent(parent: int, ended: Callable[[], None]) -> None:
    try:
        pidfd = os.pidfd_open(parent)
    except (AttributeError, OSError):
        while os.getppid() == parent:
            time.sleep(POLL)
    else:
        if os.getppid() == parent:  # else the pidfd may be somebody else's
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll()
    ended()
