"""What a caller gets to see of executions: plain JSON values with the field names of the tools.

Tools send them as structured content, commands print them with --json. Times are ISO 8601 in UTC with milliseconds,
durations are seconds, what is not there is None. Words of programs and of the system are made visible.
"""

from datetime import UTC, datetime
from functools import lru_cache

from outlast.kernel.plan import Json
from outlast.kernel.states import Parked, Pending, Running, Settled
from outlast.runtime.tracking import Tracked
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Approval, Artifact, Details, Execution, Page, Step, StepResult, Summary
from outlast.tools.progress_views import metrics_view, phases_view, progress_view
from outlast.tools.readable import reason_text, visible

View = dict[str, Json]

SECRET = "***"
LONGEST_ERROR = 300
"""Characters of a step's error beside its status; a detailed answer has all of it."""


def time_text(us: int | None) -> str | None:
    """µs since the epoch as `2026-11-20T14:02:39.104Z`."""
    if us is None:
        return None
    return f"{second_text(us // 1_000_000)}.{us // 1000 % 1000:03}Z"


@lru_cache(maxsize=1024)
def second_text(second: int) -> str:
    """Seconds since the epoch as `2026-11-20T14:02:39`. Neighbouring lines of a log share theirs."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def seconds(us: int | None) -> float | None:
    return None if us is None else round(us / 1_000_000, 3)


def started_at(execution: Execution) -> int | None:
    """µs; None before the start."""
    return execution.state.started_at if isinstance(execution.state, Running | Parked | Settled) else None


def duration(execution: Execution, now: int) -> int | None:
    """µs from start to end, or until now."""
    if execution.settled is not None:
        return execution.settled.duration_us
    began = started_at(execution)
    return None if began is None else max(0, now - began)


def active(execution: Execution, now: int) -> int | None:
    """µs of the duration that were not spent at gates or paused."""
    whole = duration(execution, now)
    return None if whole is None else max(0, whole - execution.parked_us)


def started_view(execution: Execution, already_existed: bool) -> View:
    """What starting an execution answers."""
    return {
        "handle_id": execution.id,
        "number": execution.number,
        "workflow_id": execution.workflow_id,
        "status": execution.status.value,
        "reason": reason(execution),
        "already_existed": already_existed,
    }


def status_view(
    execution: Execution,
    count: LogCount,
    now: int,
    expected_end: int | None = None,
    tracked: Tracked | None = None,
) -> View:
    """Where an execution stands. `now` and `expected_end` are µs. `phases` and `metrics` only where its
    program told of any."""
    settled = execution.settled
    view: View = {
        "handle_id": execution.id,
        "number": execution.number,
        "workflow_id": execution.workflow_id,
        "workflow_name": execution.workflow_name,
        "status": execution.status.value,
        "reason": reason(execution),
        "exit_code": settled and settled.exit_code,
        "signal": settled and settled.signal,
        "signal_certain": settled and settled.signal_certain,
        "start_time": time_text(started_at(execution)),
        "end_time": time_text(settled and settled.ended_at),
        "duration_seconds": seconds(duration(execution, now)),
        "active_seconds": seconds(active(execution, now)),
        "cancel_requested_by": execution.cancel_requested_by,
        "progress": progress_view(tracked),
        "steps": [step_view(step) for step in execution.steps],
        "pending_approvals": [gate_view(execution, gate) for gate in execution.approvals if gate.pending],
        "compensation": execution.compensation,
        "log_lines": count.lines,
        "log_lines_final": count.final,
        "expected_end": time_text(expected_end),
    }
    if tracked is not None and tracked.progress.phases:
        view |= phases_view(tracked.progress, over=settled is not None)
    if tracked is not None and tracked.progress.metrics:
        view |= metrics_view(tracked.progress)
    return view


def step_view(step: Step) -> View:
    return {
        "id": step.id,
        "name": step.name,
        "status": step.status.value,
        "attempt": step.attempt,
        "exit_code": step.exit_code,
        "start_time": time_text(step.started_at),
        "end_time": time_text(step.ended_at),
        "error": None if step.error is None else shortened(visible(step.error)),
    }


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 1] + "…"


def gate_view(execution: Execution, gate: Approval) -> View:
    """A gate that awaits its decision."""
    return {
        "id": f"{execution.number}/{gate.gate}",
        "step": gate.gate,
        "message": visible(gate.message),
        "expires": time_text(gate.expires_at),
    }


def approval_view(execution: Execution, gate: Approval) -> View:
    """A gate with who may decide, and how it was decided. `on_timeout`: what happens when nobody does."""
    return gate_view(execution, gate) | {
        "status": gate.status,
        "by": gate.decided_by_kind,
        "requested": time_text(gate.requested_at),
        "on_timeout": gate.on_timeout,
        "decided": time_text(gate.decided_at),
        "decided_by": gate.decided_by,
        "channel": gate.channel,
        "comment": None if gate.comment is None else visible(gate.comment),
    }


def result_view(result: StepResult) -> View:
    return {
        "id": result.id,
        "input": result.input,
        "output": result.output,
        "error": None if result.error is None else visible(result.error),
    }


def artifact_view(artifact: Artifact) -> View:
    """`size` is in bytes, `location` a path below the store or a place elsewhere."""
    return {
        "type": artifact.type,
        "name": artifact.name,
        "step": artifact.step,
        "attempt": artifact.attempt,
        "location": artifact.location,
        "size": artifact.size,
        "content_type": artifact.content_type,
        "sha256": artifact.sha256,
        "metadata": artifact.metadata,
        "created_at": time_text(artifact.created_at),
    }


def details_view(execution: Execution, details: Details) -> View:
    """What a detailed status has beside `status_view`."""
    return {
        "params": {param.name: SECRET if param.secret else param.value for param in details.params},
        "param_types": {param.name: param.type for param in details.params},
        "output": details.output,
        "output_problem": details.output_problem,
        "step_results": [result_view(result) for result in details.results],
        "artifacts": [artifact_view(artifact) for artifact in details.artifacts],
        "approvals": [approval_view(execution, gate) for gate in execution.approvals],
        "metadata": execution.metadata,
        "labels": execution.labels,
        "user": execution.user,
        "agent": execution.agent,
        "customer": execution.customer,
        "workflow_type": execution.workflow_type,
        "workflow_version": execution.version,
        "mode": execution.mode,
        "trigger": execution.trigger,
        "client": execution.client,
        "created_at": time_text(execution.created_at),
        "updated_at": time_text(execution.updated_at),
        "binary_path": execution.binary_path,
        "retry_of": execution.retry_of,
        "rollback_of": execution.rollback_of,
        "pinned": execution.pinned,
        "log_removed": time_text(execution.log_removed_at),
        "log_masked": details.log_masked or None,
        "leftovers": list(details.leftovers),
    }


def summary_view(summary: Summary) -> View:
    """One row of a listing. `pinned` only where it is."""
    view: View = {
        "handle_id": summary.id,
        "number": summary.number,
        "workflow_id": summary.workflow_id,
        "workflow_name": summary.workflow_name,
        "status": summary.status.value,
        "reason": None if summary.reason is None else reason_text(summary.reason),
        "start_time": time_text(summary.started_at),
        "end_time": time_text(summary.ended_at),
        "duration_seconds": seconds(summary.duration_us),
        "exit_code": summary.exit_code,
    }
    if summary.pinned:
        view["pinned"] = True
    return view


def history_view(page: Page, limit: int, offset: int) -> View:
    """One page of a listing, newest first. `damaged`: the numbers of rows that cannot be shown, where there are any."""
    view: View = {
        "executions": [summary_view(summary) for summary in page.executions],
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": page.next_cursor,
    }
    if page.damaged:
        view["damaged"] = list(page.damaged)
    return view


def reason(execution: Execution) -> str | None:
    """The first cause once it is over; before it starts, what it waits for."""
    state = execution.state
    why = state.reason if isinstance(state, Settled) else state.waits_for if isinstance(state, Pending) else None
    return None if why is None else reason_text(why)
