"""Learning of the end of a process that may not be our child."""

import os

from outlast.kernel.clock import Clock
from outlast.kernel.process import ProcessId, open_pidfd
from outlast.supervisor.loop import Callback, Loop

POLL = 0.2
"""Seconds between looks where there are no pidfds."""


def follow(process: ProcessId, loop: Loop, clock: Clock, ended: Callback) -> None:
    """Call `ended` once, on the loop, when exactly this process is dead; soon when it is already."""
    boot_id = clock.boot_id()
    pidfd = open_pidfd(process.pid)
    if pidfd is None:
        poll(process, boot_id, loop, ended)
        return
    if not process.alive(boot_id):
        os.close(pidfd)
        loop.after(0, ended)
        return

    def dead() -> None:
        loop.unwatch(pidfd)
        os.close(pidfd)
        ended()

    loop.watch(pidfd, dead)


def poll(process: ProcessId, boot_id: str, loop: Loop, ended: Callback) -> None:
    if process.alive(boot_id):
        loop.after(POLL, lambda: poll(process, boot_id, loop, ended))
    else:
        loop.after(0, ended)
