"""The same facts as the views, as the compact text that an agent reads."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from outlast.kernel.plan import Json
from outlast.kernel.states import Parked, Pending, Settled
from outlast.kernel.status import ExecutionStatus, StepStatus
from outlast.runtime.tracking import Tracked
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Execution, Page, Step, Summary
from outlast.tools.expectations import Expectation
from outlast.tools.progress_views import progress_line
from outlast.tools.readable import visible
from outlast.tools.views import View, duration, reason, started_at

MARKS = {
    StepStatus.COMPLETED: "✓ ",
    StepStatus.RUNNING: "▸ ",
    StepStatus.RETRYING: "↻ ",
    StepStatus.WAITING: "… ",
    StepStatus.SKIPPED: "- ",
    StepStatus.PENDING: "",
}
"""In front of a step's name; ✗ for what failed in any way."""

MAX_REASON = 60
"""Characters of a reason in a listing."""


def duration_text(us: int) -> str:
    """`0.35s`, `41s`, `3m12s`, `2h05m`, `2d22h`."""
    whole = us // 1_000_000
    if whole < 10:
        return f"{us // 10_000 / 100:.2f}".rstrip("0").rstrip(".") + "s"
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def joined(lines: Iterable[str | None]) -> str:
    return "\n".join(line for line in lines if line)


def next_calls(*calls: str) -> str:
    return "next: " + " | ".join(calls)


def started_text(execution: Execution, already_existed: bool, expected: Expectation | None) -> str:
    """What starting an execution answers, before its end."""
    number = execution.number
    word = "exists already: the same idempotency_key was used" if already_existed else "started"
    if execution.status is ExecutionStatus.PENDING and not already_existed:
        word = state_words(execution)
    usual = "" if expected is None else f" {usual_words(expected)}."
    return joined(
        [
            f"#{number} {execution.workflow_id} {word} (handle {number}).{usual}",
            next_calls(f"get_status({number}, wait_seconds=45)"),
        ]
    )


def usual_words(expected: Expectation) -> str:
    rate = f"{expected.percent} % succeed ({expected.runs} runs)"
    return rate if expected.usual is None else f"Usually {duration_text(expected.usual)}, {rate}"


def cancelled_text(execution: Execution) -> str:
    """What cancelling answers before the end."""
    number = execution.number
    return joined(
        [
            f"#{number} {execution.workflow_id} · {state_words(execution)}",
            next_calls(f"get_status({number}, wait_seconds=45)"),
        ]
    )


def status_text(
    execution: Execution,
    count: LogCount,
    now: int,
    expected: Expectation | None,
    last: tuple[int, str] | None,
    tracked: Tracked | None = None,
) -> str:
    """Where an execution stands. `last`: when (µs) its last line came and what it says."""
    return joined(
        [
            f"#{execution.number} {execution.workflow_id} · {state_words(execution, now, expected)}",
            steps_line(execution.steps, now) if len(execution.steps) > 1 else None,
            gates_line(execution),
            progress_line(tracked),
            log_line(count, now, last, over=execution.settled is not None),
            next_calls(*useful_calls(execution, count)),
        ]
    )


def state_words(execution: Execution, now: int = 0, expected: Expectation | None = None) -> str:
    if execution.settled is not None:
        return settled_words(execution, execution.settled) + (" (recorded)" if execution.recorded else "")
    if isinstance(execution.state, Pending):
        words = "pending" if execution.recorded else f"pending: {reason(execution) or 'about to start'}"
    else:
        words = f"{execution.status} {duration_text(duration(execution, now) or 0)}"
        if not isinstance(execution.state, Parked) and expected is not None:
            words += ", " + remaining_words(execution, now, expected)
    if execution.recorded:
        words += ", as it was recorded: another engine runs it"
    if execution.cancel_requested_by is not None:
        words += f", cancel requested by {visible(execution.cancel_requested_by)}"
    return words


def settled_words(execution: Execution, settled: Settled) -> str:
    if settled.started_at is None:
        return f"{settled.status}, never started: {reason(execution)}"
    took = duration_text(settled.duration_us)
    if settled.status is ExecutionStatus.COMPLETED:
        return f"completed in {took}, {reason(execution)}"
    return f"{settled.status} after {took}: {reason(execution)}"


def remaining_words(execution: Execution, now: int, expected: Expectation) -> str:
    end = expected_end(execution, now, expected)
    if end is not None:
        return f"about {duration_text(max(1_000_000, (end - now) // 1_000_000 * 1_000_000))} left"
    usual = usual_words(expected)
    return usual[0].lower() + usual[1:]


def expected_end(execution: Execution, now: int, expected: Expectation | None) -> int | None:
    """µs, when an execution as long as usual would end; None where that is unknown or over."""
    began = started_at(execution)
    if expected is None or expected.usual is None or began is None or isinstance(execution.state, Parked):
        return None
    end = began + expected.usual
    return end if execution.settled is None and end > now else None


def steps_line(steps: Iterable[Step], now: int) -> str:
    return " " + " · ".join(step_words(step, now) for step in steps)


def step_words(step: Step, now: int) -> str:
    took = ""
    if step.started_at is not None:
        took = " " + duration_text(max(0, (step.ended_at or now) - step.started_at))
    return f"{MARKS.get(step.status, '✗ ')}{step.id}{took}"


def gates_line(execution: Execution) -> str | None:
    """The gates that await a decision; what they ask is quoted, so that it does not get out of the line."""
    gates = [
        f"{execution.number}/{gate.gate} {json.dumps(visible(gate.message), ensure_ascii=False)}"
        for gate in execution.approvals
        if gate.pending
    ]
    return "awaits a decision: " + " · ".join(gates) if gates else None


def log_line(count: LogCount, now: int, last: tuple[int, str] | None, *, over: bool) -> str:
    if not count.lines:
        return "log empty" if count.final else "log empty so far"
    lines = f"log {count.lines:,} line{'s' if count.lines > 1 else ''}{'' if count.final else ' so far'}"
    if last is None:
        return lines
    at, text = last
    when = "" if over else f" {duration_text(max(0, now - at))} ago"
    # Quoted as JSON: whatever the program printed, it does not get out of the quotes.
    return f"{lines}, the last{when}, printed by the program: {json.dumps(text, ensure_ascii=False)}"


def useful_calls(execution: Execution, count: LogCount) -> list[str]:
    number = execution.number
    calls = [] if execution.settled or execution.recorded else [f"get_status({number}, wait_seconds=45)"]
    if count.lines:
        calls.append(f"get_logs({number})")
    return calls or [f'list_execution_history(workflow_id="{execution.workflow_id}")']


def details_text(details: View) -> str:
    """One line for each detail that is there."""
    return "\n".join(detail_line(name, value) for name, value in details.items() if value not in (None, [], {}))


def detail_line(name: str, value: Json) -> str:
    if name == "output_problem":
        return f"output ignored: {value}"
    if name == "log_masked":
        return f"masked in its log: {value} {'place' if value == 1 else 'places'}"
    if name == "leftovers" and isinstance(value, list):
        return leftovers_words(value)
    return f"{name} {value if isinstance(value, str) else json_text(value)}"


def leftovers_words(leftovers: Iterable[Json]) -> str:
    """`left running at the end: 12164 sleep 60; 12170 dd`"""
    named = [f"{one['pid']} {one['command']}" for one in leftovers if isinstance(one, dict)]
    return "left running at the end: " + "; ".join(named)


def json_text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def history_text(page: Page, view: View, now: int) -> str:
    """A listing as a table. `view`: the page as it is sent; `next_cursor` tells how to go on."""
    cursor = view["next_cursor"]
    more = f'more: cursor="{cursor}"' if cursor else None
    damaged = f"damaged, see `outlast db check`: {', '.join(f'#{n}' for n in page.damaged)}" if page.damaged else None
    shown = len(page.executions)
    if not shown:
        words = "no execution matches" if not page.total else f"no execution here; {page.total:,} match in all"
        return joined([words, damaged, more])
    widths = [max(map(len, cells)) for cells in zip(*map(row_start, page.executions), strict=True)]
    rows = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row_start(row), widths, strict=True)) + row_end(row, now)
        for row in page.executions
    ]
    headline = f"{shown:,} of {page.total:,}, newest first, times in UTC"
    return joined([headline, *(row.rstrip() for row in rows), damaged, more])


def row_start(row: Summary) -> tuple[str, str, str]:
    code = "" if row.exit_code in (None, 0) else f" ({row.exit_code})"
    return str(row.number), row.workflow_id, f"{row.status}{code}"


def row_end(row: Summary, now: int) -> str:
    us = row.duration_us
    if us is None and row.started_at is not None:
        us = max(0, now - row.started_at)
    why = ""
    if row.reason is not None and row.status is not ExecutionStatus.COMPLETED:
        why = visible(row.reason)
        why = "  " + (why if len(why) <= MAX_REASON else why[: MAX_REASON - 1] + "…")
    took = "" if us is None else duration_text(us)
    return f"  {minute_text(row.started_at or row.created_at)}  {took:>6}{why}"


def minute_text(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
