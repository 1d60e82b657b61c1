"""Noting when output arrives: one mark per spool and tick while it grows."""

import os

from outlast.kernel.clock import Clock
from outlast.kernel.marks import CLOSE, EMPTIED, MARK, Mark, MarkWriter, Spool
from outlast.supervisor.files import NO_ROOM, disarranged, put_back
from outlast.supervisor.growing import GrowingSpool
from outlast.supervisor.libc import new_inotify
from outlast.supervisor.log import log
from outlast.supervisor.loop import Loop, Timer

TICK = 0.05
"""Seconds between two marks: how exact the time of a line is, and the order between two streams."""
SLOWEST_TICK = 1.0
CALM_AFTER = 600.0
"""Seconds of steady growth of one single spool after which ticks double, up to SLOWEST_TICK."""
LARGEST_COPY = 256 << 20
"""Bytes of a spool that are written once more at the end where the child has removed it; a larger one is a gap."""
POLL = 0.25
"""Seconds between looks where there is no inotify."""


class Arrivals:
    """The marks of one execution, kept up to date while its spools grow."""

    def __init__(self, marks: MarkWriter, loop: Loop, clock: Clock) -> None:
        self._marks = marks
        self._loop = loop
        self._clock = clock
        self._spools: list[GrowingSpool] = []
        self._tick: Timer | None = None
        self._told: str | None = None
        self._alone_since: int | None = None
        self._inotify = new_inotify()
        if self._inotify is not None:
            loop.watch(self._inotify.fd, self._notified)

    def follow(self, spool: Spool, path: str, fd: int | None = None) -> None:
        """Note the growth of a spool from now on; what is already there is noted at once. `fd`: of the file, where it
        is not the one at `path`."""
        packed = spool.pack()
        if self._marks.closed(packed) or any(growing.spool == packed for growing in self._spools):
            if fd is not None:
                os.close(fd)
            return
        marked, begin = self._marks.end(packed), self._marks.begin(packed)
        self._spools.append(GrowingSpool(spool, path, fd=fd, marked=marked, begin=begin, clock=self._clock))
        self._look()

    def finish(self) -> None:
        """The attempt is over: note the rest of every spool and close it. Later bytes are nobody's.

        Raises OSError where the disk takes no marks; calling it again goes on where it stopped.
        """
        if self._tick is not None:
            self._tick.cancel()
        while self._spools:
            growing = self._spools[-1]
            if not self._marks.closed(growing.spool):
                self._note(growing, CLOSE)
            if growing.fd is not None:
                with disarranged(*NO_ROOM):  # then it is a gap: to wait for room could take for ever
                    put_back(growing.path, growing.fd, LARGEST_COPY)
            growing.close()
            self._spools.pop()
        self._marks.sync()
        with disarranged():
            put_back(self._marks.path, self._marks.fd, LARGEST_COPY)

    def _notified(self) -> None:
        if self._inotify is not None:
            self._inotify.drain()
        if self._tick is None and self._spools:
            self._tick = self._loop.after(self._pace(), self._look)

    def _look(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        try:
            grown = sum([self._note(growing) for growing in self._spools])
        except OSError as error:
            # A full disk stops the marks, not the supervision: the bytes get their numbers when there is room again.
            log(f"marks: {error}")
            self._tick = self._loop.after(SLOWEST_TICK, self._look)
            return
        if grown != 1:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self._clock.boottime()
        if not self._watch():
            self._tick = self._loop.after(self._pace() if grown else POLL, self._look)
        elif any(growing.changed(self._marks.end(growing.spool)) for growing in self._spools):
            # Bytes that came between the look and the watch would otherwise wait for the next write.
            self._tick = self._loop.after(self._pace(), self._look)

    def _watch(self) -> bool:
        """Have the next write noticed; False where that cannot be had, so that somebody has to look."""
        try:
            for growing in self._spools:
                if self._inotify is None:
                    return False
                if growing.fd is not None:
                    self._inotify.watch_once(growing.path)
        except OSError as error:
            # The user's limit of watches is reached, or the child has removed its spool.
            if str(error) != self._told:  # once: it comes again with every look
                self._told = str(error)
                log(f"watching: {error}")
            return False
        return True

    def _note(self, growing: GrowingSpool, kind: int = MARK) -> bool:
        """Write the mark for what came; False where nothing did, and there is none. CLOSE is written in any case."""
        spool, marked = growing.spool, self._marks.end(growing.spool)
        # Whoever looks late, after a supervisor's death, must not date lines after the end of what printed them.
        at = growing.written_at(self._clock.now())
        emptied = growing.emptied(marked)
        if emptied:
            self._marks.append(Mark(spool, marked, at, EMPTIED, 1 if growing.unfinished else 0))
            growing.begin_again(marked)
        growth = growing.growth(marked)
        if growth.end <= marked and kind != CLOSE:
            return emptied
        last = 1 if kind == CLOSE and growth.unfinished else 0
        self._marks.append(Mark(spool, growth.end, at, kind, growth.lines + last))
        growing.took(growth)
        return True

    def _pace(self) -> float:
        if self._alone_since is None:
            return TICK
        steady = (self._clock.boottime() - self._alone_since) / 1e6
        return min(SLOWEST_TICK, TICK * 2 ** int(steady / CALM_AFTER))
