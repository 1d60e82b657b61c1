"""Lines of a log as plain JSON values."""

from collections.abc import Sequence

from outlast.kernel.marks import STREAM_NAMES
from outlast.storage.logs.lines import Line, LogGap
from outlast.storage.records import Step
from outlast.tools.readable import Shown
from outlast.tools.views import View, time_text


def line_view(line: Line, steps: Sequence[Step], shown: Shown) -> View:
    """One line. `cut`: only its beginning is shown; `continues`: it was so long that it goes on in a later line;
    `folded`: so many earlier states, such as of a progress bar, were written over. Each only where it holds."""
    view: View = {
        "n": line.n,
        "t": time_text(line.at),
        "stream": STREAM_NAMES[line.spool.stream],
        "step": steps[line.spool.step - 1].id,
        "attempt": line.spool.attempt,
        "type": "raw_output",
        "text": shown.text,
    }
    if shown.left_out:
        view["cut"] = True
    if line.cut:
        view["continues"] = True
    if shown.folded:
        view["folded"] = shown.folded
    return view


def gap_view(gap: LogGap) -> View:
    """Lines that cannot be shown, and why."""
    return {"n": gap.first, "type": "gap", "text": gap_text(gap)}


def gap_text(gap: LogGap) -> str:
    lines = f"line {gap.first:,}" if gap.first == gap.last else f"lines {gap.first:,} to {gap.last:,}"
    return f"{lines}: {gap.reason}"
