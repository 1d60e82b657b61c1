"""More requests than a client reads answers to."""

import os
import select

from abuse.wire import Wire, tool_call
from chaos.processes import read
from outlast.kernel.home import Home

PADDING = "x" * 2000
"""Makes requests so large that pipes hold few of them."""
STOPPED = 1.0
"""Seconds without a byte taken, after which a server counts as not reading."""


def tool_calls(count: int) -> list[bytes]:
    return [tool_call("list_execution_history", {"customer": PADDING}, id=n) for n in range(count)]


def ask_without_reading(wire: Wire, requests: list[bytes]) -> int:
    """Write as long as the server takes it; how many whole requests that were."""
    os.set_blocking(wire.incoming, False)
    data = memoryview(b"".join(requests))
    written = 0
    while written < len(data) and select.select([], [wire.incoming], [], 2)[1]:
        written += os.write(wire.incoming, data[written : written + select.PIPE_BUF])
    os.set_blocking(wire.incoming, True)
    whole = sum(written >= end for end in ends_of(requests))
    if whole < len(requests):  # the rest of one that is cut in the middle
        wire.send(bytes(data[written : ends_of(requests)[whole]]))
        whole += 1
    return whole


def ends_of(requests: list[bytes]) -> list[int]:
    ends, end = [], 0
    for request in requests:
        end += len(request)
        ends.append(end)
    return ends


def peak(pid: int) -> int:
    """The most memory that a process ever had, in KiB."""
    [line] = [line for line in read(pid, "status").splitlines() if line.startswith(b"VmHWM:")]
    return int(line.split()[1])


def flood(home: Home, count: int) -> tuple[int, int, int]:
    """Ask for so much and read nothing: how many requests were taken, and the server's peak memory before and after, in
    KiB."""
    with Wire(home.root) as wire:
        wire.shake_hands().call("list_execution_history")
        before = peak(wire.process.pid)
        taken = ask_without_reading(wire, tool_calls(count))
        after = peak(wire.process.pid)
        for id in range(taken):
            wire.answer(id)
        wire.leave()
    return taken, before, after
