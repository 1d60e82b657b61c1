"""One thread's events: file descriptors, signals and timers."""

import heapq
import os
import select
import signal
from collections import deque
from collections.abc import Callable

from outlast.kernel.clock import Clock

Callback = Callable[[], None]

LONGEST_PATIENCE = 3_600_000
"""ms of one wait."""


class Timer:
    """A callback at a time; cancelled ones are skipped when their time comes."""

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """Calls back when a descriptor is readable, a signal arrived or a time has come; never two at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._poll = select.poll()
        self._readable: dict[int, Callback] = {}
        self._timers: list[tuple[int, int, Timer]] = []
        self._count = 0
        self._signals: dict[int, Callback] = {}
        self._calls: deque[Callback] = deque()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        self.watch(self._wake_reader, self._woken)

    def watch(self, fd: int, callback: Callback) -> None:
        """Call back while `fd` is readable (for a pidfd: once its process is dead)."""
        self._readable[fd] = callback
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        if self._readable.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def on_signal(self, number: int, callback: Callback) -> None:
        self._signals[number] = callback
        signal.signal(number, lambda _number, _frame: None)

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Call back in `seconds`, time asleep included."""
        timer = Timer(callback)
        self._count += 1
        heapq.heappush(self._timers, (self._clock.boottime() + int(seconds * 1e6), self._count, timer))
        return timer

    def call_from_thread(self, callback: Callback) -> None:
        """Have the loop's thread call back soon. The only method that other threads may use."""
        self._calls.append(callback)
        try:
            os.write(self._wake_writer, b"\0")
        except BlockingIOError:
            return  # the pipe is full: the loop is about to wake anyway

    def run_once(self) -> None:
        """Wait for the next thing to happen and handle it."""
        for fd, _ in self._poll.poll(self._patience()):
            callback = self._readable.get(fd)
            if callback is not None:
                callback()
        now = self._clock.boottime()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                timer.callback()

    def _patience(self) -> int | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        # Not longer than poll can wait, which is less than a timeout may be.
        return min(LONGEST_PATIENCE, max(0, (self._timers[0][0] - self._clock.boottime()) // 1000 + 1))

    def _woken(self) -> None:
        try:
            woken = os.read(self._wake_reader, 4096)
        except BlockingIOError:
            return
        for number in set(woken):
            if number in self._signals:
                self._signals[number]()
        while self._calls:
            self._calls.popleft()()
