"""Lines of a log as plain JSON values."""

from typing import NamedTuple

from outlast.kernel.marks import STREAM_NAMES
from outlast.runtime.events import Event, event_of
from outlast.storage.logs.levels import LEVEL_NAMES, level_of
from outlast.storage.logs.lines import Line, LogGap
from outlast.storage.records import Execution
from outlast.tools.readable import Shown, shown, shown_text
from outlast.tools.views import View, time_text


class Meaning(NamedTuple):
    """What a line says."""

    shown: Shown
    event: Event | None
    """None where it is plain text."""


def meaning_of(line: Line, execution: Execution) -> Meaning:
    """A line of an execution's log as it is shown: an event in words, anything else as it was printed."""
    event = event_of(line, marked=execution.marked_events)
    return Meaning(shown(line.data) if event is None else shown_text(event.words()), event)


def line_view(line: Line, execution: Execution, meaning: Meaning) -> View:
    """One line. `level`: error or warning; `data`: what an event says; `cut`: only the beginning of a text is shown;
    `continues`: the line is so long that it goes on in a later one; `folded`: so many earlier states, such as of a
    progress bar, were written over. Each only where it holds."""
    text, event = meaning
    view: View = {
        "n": line.n,
        "t": time_text(line.at),
        "stream": STREAM_NAMES[line.spool.stream],
        "step": execution.steps[line.spool.step - 1].id,
        "attempt": line.spool.attempt,
        "type": "raw_output" if event is None else event.type,
        "text": text.text,
    }
    if (level := LEVEL_NAMES[level_of(line.data)]) is not None:
        view["level"] = level
    left_out = text.left_out
    if event is not None:
        texts = {key: shown_text(value) for key, value in event.data.items() if isinstance(value, str)}
        view["data"] = {key: texts[key].text if key in texts else value for key, value in event.data.items()}
        left_out += sum(one.left_out for one in texts.values())
    if left_out:
        view["cut"] = True
    if line.cut:
        view["continues"] = True
    if text.folded:
        view["folded"] = text.folded
    return view


def gap_view(gap: LogGap) -> View:
    """Lines that cannot be shown, and why."""
    return {"n": gap.first, "type": "gap", "text": gap_text(gap)}


def gap_text(gap: LogGap) -> str:
    lines = f"line {gap.first:,}" if gap.first == gap.last else f"lines {gap.first:,} to {gap.last:,}"
    return f"{lines}: {gap.reason}"
