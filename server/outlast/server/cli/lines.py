"""Log lines as people read them."""

import re
from collections.abc import Iterable
from datetime import datetime

from outlast.kernel.marks import EVENT
from outlast.runtime.events import event_of
from outlast.storage.logs.lines import Entry, LogGap
from outlast.storage.records import Execution
from outlast.tools.log_views import gap_text
from outlast.tools.readable import visible

COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")
RESET = "\x1b[0m"


def readable(data: bytes, *, colours: bool) -> str:
    """One line of output: what a terminal would act on is written out, colours apart where they are wanted."""
    text = data.decode("utf-8", "backslashreplace").removesuffix("\r")
    if not colours or "\x1b" not in text:
        return visible(text)
    parts = COLOUR.split(text)
    if len(parts) == 1:
        return visible(text)
    return "".join(part if index % 2 else visible(part) for index, part in enumerate(parts)) + RESET


class LineFormat:
    """Writes entries with line number, local time and, where there are several steps, the step's id. A line of its own
    says the day where it is another one than that of the line before, or than today."""

    def __init__(self, execution: Execution, *, colours: bool) -> None:
        self._execution = execution
        self._colours = colours
        self._steps = [step.id for step in execution.steps]
        self._width = max(map(len, self._steps), default=0)
        # The second of the latest line and how it is written: thousands of lines share one.
        self._second, self._clock = -1, ""
        self._day = datetime.now().astimezone().date()

    def text(self, entries: Iterable[Entry]) -> str:
        """The entries, each one line with its newline."""
        return "".join(map(self._line, entries))

    def _line(self, entry: Entry) -> str:
        if isinstance(entry, LogGap):
            return f"[{gap_text(entry)}]\n"
        new_day = ""
        if (second := entry.at // 1_000_000) != self._second:
            then = datetime.fromtimestamp(second).astimezone()
            self._second, self._clock = second, f"{then:%H:%M:%S}"
            if then.date() != self._day:
                self._day = then.date()
                new_day = self._dim(f"--- {then.day} {then:%b %Y %Z} ---") + "\n"
        head = f"{entry.n:>5} {self._clock}.{entry.at // 100_000 % 10} "
        if len(self._steps) > 1:
            head += self._steps[entry.spool.step - 1].ljust(self._width) + " "
        event = event_of(entry, marked=self._execution.marked_events)
        text = readable(entry.data, colours=self._colours) if event is None else visible(event.words())
        return f"{new_day}{self._dim(head)}{text}\n"

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}{RESET}" if self._colours else text


def bare(entries: Iterable[Entry], *, colours: bool, marked: bool = False) -> str:
    """The lines alone, as somebody who follows a command wants to see them. Events that it prints are said in words,
    those that it writes to $OUTLAST_EVENTS are not part of what it prints. `marked`: as event_of has it."""
    return "".join(text + "\n" for entry in entries if (text := bare_line(entry, colours, marked)) is not None)


def bare_line(entry: Entry, colours: bool, marked: bool) -> str | None:
    if isinstance(entry, LogGap):
        return f"[{gap_text(entry)}]"
    event = event_of(entry, marked=marked)
    if event is None:
        return readable(entry.data, colours=colours)
    return None if entry.spool.stream == EVENT else visible(event.words())


def raw(entries: Iterable[Entry]) -> bytes:
    """The bytes that were printed; lines that are gone are left out."""
    return b"".join(
        entry.data + b"\n" if entry.ended else entry.data for entry in entries if not isinstance(entry, LogGap)
    )
