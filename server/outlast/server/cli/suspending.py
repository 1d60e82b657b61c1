"""Ctrl-Z while executions are being written: a suspended process must not hold the store lock."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import Any

STOPPING = (signal.SIGTSTP, signal.SIGTTOU)
"""What a terminal stops a process with: Ctrl-Z, and output from the background where the terminal minds that."""
SHOW_CURSOR = b"\x1b[?25h"


class Suspender:
    """Stops this process when it is asked to, but not while it holds or awaits the store lock."""

    def __init__(self) -> None:
        self._lock_idle: Callable[[], AbstractContextManager[None]] | None = None
        self._asked = False

    def opened(self, lock_idle: Callable[[], AbstractContextManager[None]]) -> None:
        """From now on `lock_idle` keeps the lock from being taken. What was asked for before is done now."""
        self._lock_idle = lock_idle
        self.stop_if_asked()

    def stop_if_asked(self) -> None:
        if self._asked:
            self._asked = False
            self._stop(nullcontext if self._lock_idle is None else self._lock_idle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if number == signal.SIGTSTP and os.isatty(2):
            os.write(2, SHOW_CURSOR)  # a status line may have hidden it, and the shell comes next
        # While the store is being opened the lock comes and goes on another thread: the stop waits until it is open.
        if self._lock_idle is not None:
            self.stop_if_asked()

    def _stop(self, lock_idle: Callable[[], AbstractContextManager[None]]) -> None:
        with lock_idle():
            # To this thread: it does not come back from the call before the process was continued.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


@contextmanager
def suspendable() -> Generator[Suspender]:
    """Defer suspension to moments when the store lock is free. Signals can be handled on the main thread only."""
    suspender = Suspender()
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        # Shells without job control start programs with these ignored: that stays.
        before = {number: signal.getsignal(number) for number in STOPPING}
        for number, handler in before.items():
            if handler is signal.SIG_DFL:
                signal.signal(number, suspender.handle)
    try:
        yield suspender
    finally:
        for number, handler in before.items():
            if handler is signal.SIG_DFL:
                signal.signal(number, handler)
        suspender.stop_if_asked()
