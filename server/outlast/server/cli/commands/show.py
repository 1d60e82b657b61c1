"""`outlast show`."""

import json
from collections.abc import Iterator

import click

from outlast.kernel.plan import Json, decode_plan
from outlast.kernel.status import ExecutionStatus
from outlast.runtime.observer import Observer
from outlast.server.cli.screen import Screen
from outlast.server.cli.session import Opened, Session, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.server.cli.wording import counted, full_moment, now
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Details, Execution
from outlast.tools.expectations import Expectation, expectation
from outlast.tools.readable import reason_text, visible
from outlast.tools.texts import expected_end, state_words, step_words
from outlast.tools.views import SECRET, details_view, started_at, status_view

LABEL_WIDTH = 11


@click.command(short_help="Show everything about one execution.")
@click.argument("handle")
@json_option
@pass_session
def show(session: Session, handle: str) -> None:
    """Show everything about the execution HANDLE (142, #142 or a UUID)."""
    with session.observer() as observer:
        execution = observer.call(observer.it.get, handle)
        details = observer.call(observer.it.details, execution)
        count = observer.call(observer.it.log_count, execution)
        expected = expected_of(observer, execution)
        at = now()
        if session.as_json:
            view = status_view(execution, count, at, expected_end(execution, at, expected))
            session.screen.json(view | details_view(execution, details))
        else:
            describe(session.screen, execution, details, count, expected, at)
        tidy(session, observer, execution)


def expected_of(observer: Opened[Observer], execution: Execution) -> Expectation | None:
    """What this workflow's executions usually do, while that says something about this one."""
    if execution.status is not ExecutionStatus.RUNNING:
        return None
    return expectation(observer.call(observer.it.outcomes, execution.workflow_id))


def describe(
    screen: Screen,
    execution: Execution,
    details: Details,
    count: LogCount,
    expected: Expectation | None,
    at: int,
) -> None:
    """Everything as text; `at` is now, µs."""
    words = state_words(execution, at, expected)
    screen.line(f"#{execution.number} {execution.workflow_id} · {screen.status(execution.status, words)}")
    for label, value in facts(execution, details, count):
        screen.line(f"{screen.dim(label.ljust(LABEL_WIDTH))} {value}")
    if len(execution.steps) > 1:
        for step in execution.steps:
            error = "" if step.error is None else f" · {reason_text(step.error)}"
            screen.line(f"  {screen.status(step.status.value, step_words(step, at))}{error}")
    screen.line(f"next: {' | '.join(useful(execution, count))}")


def facts(execution: Execution, details: Details, count: LogCount) -> Iterator[tuple[str, str]]:
    """What is known, as labels and texts; what is not there is left out."""
    plan = decode_plan(details.plan)
    settled = execution.settled
    yield "handle", execution.id
    yield "workflow", f"{visible(execution.workflow_name)}, version {execution.version[:12]}"
    if details.source is not None:
        yield "defined in", visible(details.source)
    yield "created", f"{full_moment(execution.created_at)} by {visible(execution.user)} ({execution.trigger})"
    if (began := started_at(execution)) is not None:
        yield "started", full_moment(began)
    if settled is not None:
        yield "ended", full_moment(settled.ended_at)
        if settled.exit_code is not None:
            yield "exit code", str(settled.exit_code)
        if settled.signal is not None:
            yield "signal", str(settled.signal) if settled.signal_certain else f"{settled.signal} (likely)"
    yield "command", shown(list[Json](plan.steps[0].argv))
    yield "directory", visible(plan.steps[0].cwd)
    params = {param.name: SECRET if param.secret else param.value for param in details.params}
    for label, value in (
        ("parameters", params),
        ("labels", execution.labels),
        ("agent", execution.agent),
        ("customer", execution.customer),
        ("metadata", execution.metadata),
        ("client", execution.client),
        ("output", details.output),
        ("still alive", details.leftovers),
    ):
        if value:
            yield label, shown(value)
    if execution.retry_of is not None:
        yield "retry of", f"#{execution.retry_of}"
    lines = counted(count.lines, "line") + ("" if count.final else " so far")
    late = f"; {details.late_bytes:,} bytes came after its end and were not kept" if details.late_bytes else ""
    yield "log", lines + late


def shown(value: Json) -> str:
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def useful(execution: Execution, count: LogCount) -> Iterator[str]:
    number = execution.number
    if execution.settled is None:
        yield f"outlast logs -f {number}"
        yield f"outlast cancel {number}"
    else:
        if count.lines:
            yield f"outlast logs {number}"
        yield f"outlast history --workflow {execution.workflow_id}"
