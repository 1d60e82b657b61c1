"""`outlast show`."""

import json
from collections.abc import Iterator

import click

from outlast.kernel.plan import Json, decode_plan
from outlast.kernel.status import ExecutionStatus
from outlast.runtime.observer import Observer
from outlast.runtime.tracking import Tracked
from outlast.server.cli.following import EVENT_SECONDS
from outlast.server.cli.screen import Screen
from outlast.server.cli.session import Opened, Session, archive_option, json_option, pass_session
from outlast.server.cli.tidying import tidy
from outlast.server.cli.wording import counted, full_moment, now
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Approval, Artifact, Details, Execution
from outlast.tools.expectations import Expectation, expectation
from outlast.tools.progress_views import progress_line, tree_lines
from outlast.tools.readable import visible
from outlast.tools.texts import expected_end, leftovers_words, state_words, step_words
from outlast.tools.views import SECRET, details_view, started_at, status_view

LABEL_WIDTH = 11


@click.command(short_help="Show everything about one execution.")
@click.argument("handle")
@archive_option
@json_option
@pass_session
def show(session: Session, handle: str) -> None:
    """Show everything about the execution HANDLE (142, #142 or a UUID)."""
    with session.observer() as observer:
        execution = observer.call(observer.it.get, handle)
        details = observer.call(observer.it.details, execution)
        count = observer.call(observer.it.log_count, execution)
        expected = expected_of(observer, execution)
        tracked = observer.call(observer.it.progress, execution, EVENT_SECONDS)
        at = now()
        if session.as_json:
            view = status_view(execution, count, at, expected_end(execution, at, expected), tracked)
            session.screen.json(view | details_view(execution, details))
        else:
            describe(session, execution, details, count, expected, tracked, at)
        tidy(session, observer, execution)


def expected_of(observer: Opened[Observer], execution: Execution) -> Expectation | None:
    """What this workflow's executions usually do, while that says something about this one."""
    if execution.status is not ExecutionStatus.RUNNING or execution.recorded:
        return None
    return expectation(observer.call(observer.it.outcomes, execution.workflow_id))


def describe(
    session: Session,
    execution: Execution,
    details: Details,
    count: LogCount,
    expected: Expectation | None,
    tracked: Tracked | None,
    at: int,
) -> None:
    """Everything as text; `at` is now, µs."""
    screen = session.screen
    words = state_words(execution, at, expected)
    screen.line(f"#{execution.number} {execution.workflow_id} · {screen.status(execution.status, words)}")
    for label, value in facts(execution, details, count):
        screen.line(f"{screen.dim(label.ljust(LABEL_WIDTH))} {value}")
    if len(execution.steps) > 1:
        for line in steps_lines(screen, execution, details, at):
            screen.line(line)
    if tracked is not None and (line := progress_line(tracked)) is not None:
        screen.line(line)
        for told in tree_lines(tracked.progress, over=execution.settled is not None):
            screen.line(f"  {told}")
    screen.line(f"next: {' | '.join(map(session.command, useful(execution, count)))}")


def steps_lines(screen: Screen, execution: Execution, details: Details, at: int) -> Iterator[str]:
    """Each step with what went into it and came out of it."""
    results = {result.id: result for result in details.results}
    for step in execution.steps:
        error = "" if step.error is None else f" · {visible(step.error)}"
        yield f"  {screen.status(step.status.value, step_words(step, at))}{error}"
        if (result := results.get(step.id)) is not None:
            for label, value in (("input", result.input), ("output", result.output)):
                if value is not None:
                    yield f"    {screen.dim(label.ljust(LABEL_WIDTH - 2))} {shown(value)}"


def facts(execution: Execution, details: Details, count: LogCount) -> Iterator[tuple[str, str]]:
    """What is known, as labels and texts; what is not there is left out."""
    settled = execution.settled
    yield "handle", execution.id
    kind = "" if execution.workflow_type is None else f" ({visible(execution.workflow_type)})"
    yield "workflow", f"{visible(execution.workflow_name)}{kind}, version {execution.version[:12]}"
    if execution.recorded:
        yield "recorded", f"{full_moment(execution.updated_at)}; another engine runs it ({execution.mode})"
    if details.source is not None:
        yield "defined in", visible(details.source)
    yield "created", f"{full_moment(execution.created_at)} by {visible(execution.user)} ({execution.trigger})"
    if not execution.recorded:
        yield "updated", full_moment(execution.updated_at)
    if (began := started_at(execution)) is not None:
        yield "started", full_moment(began)
    if settled is not None:
        yield "ended", full_moment(settled.ended_at)
        if settled.exit_code is not None:
            yield "exit code", str(settled.exit_code)
        if settled.signal is not None:
            yield "signal", str(settled.signal) if settled.signal_certain else f"{settled.signal} (likely)"
    if details.plan is not None:
        first = decode_plan(details.plan).steps[0]
        yield program(first.argv)
        yield "directory", visible(first.cwd)
    params = {param.name: SECRET if param.secret else param.value for param in details.params}
    types = {param.name: param.type for param in details.params}
    for label, value in (
        ("parameters", params),
        ("… types", ", ".join(f"{name} {kind}" for name, kind in types.items())),
        ("labels", execution.labels),
        ("agent", execution.agent),
        ("customer", execution.customer),
        ("metadata", execution.metadata),
        ("client", execution.client),
        ("output", details.output),
    ):
        if value:
            yield label, shown(value)
    if details.output_problem is not None:
        yield "output", f"ignored: {visible(details.output_problem)}"
    if details.leftovers:
        yield "leftovers", visible(leftovers_words(details.leftovers))
    for artifact in details.artifacts:
        yield "artifact", artifact_words(artifact)
    for gate in execution.approvals:
        yield "approval", approval_words(execution, gate)
    if execution.retry_of is not None:
        yield "retry of", f"#{execution.retry_of}"
    if execution.pinned:
        yield "pinned", "old executions are removed without it"
    if execution.recorded:
        return  # its log stays where it runs
    lines = counted(count.lines, "line") + ("" if count.final else " so far")
    late = f"; {details.late_bytes:,} bytes came after its end and were not kept" if details.late_bytes else ""
    gone = "" if execution.log_removed_at is None else f", removed {full_moment(execution.log_removed_at)}"
    masked = f"; {counted(details.log_masked, 'place')} masked" if details.log_masked else ""
    yield "log", lines + gone + late + masked


def program(argv: list[str]) -> tuple[str, str]:
    """What runs, with its label: a text for the shell line by line, else the arguments as JSON."""
    if len(argv) == 3 and argv[:2] == ["/bin/sh", "-c"]:
        lines = map(visible, argv[2].rstrip().split("\n"))
        return "shell", ("\n" + " " * (LABEL_WIDTH + 1)).join(lines)
    return "command", shown(list[Json](argv))


def artifact_words(artifact: Artifact) -> str:
    size = None if artifact.size is None else f"{artifact.size:,} bytes"
    words = [f"{artifact.type} {artifact.name}", artifact.content_type, size, artifact.location]
    return visible(" · ".join(word for word in words if word))


def approval_words(execution: Execution, gate: Approval) -> str:
    by = "" if gate.decided_by is None else f" by {gate.decided_by}"
    comment = "" if gate.comment is None else f" ({gate.comment})"
    return visible(f"{execution.number}/{gate.gate} · {gate.status}{by}{comment} · {gate.message}")


def shown(value: Json) -> str:
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def useful(execution: Execution, count: LogCount) -> Iterator[str]:
    number = execution.number
    if execution.settled is None and not execution.recorded:
        yield f"logs -f {number}"
        yield f"cancel {number}"
    else:
        if count.lines:
            yield f"logs {number}"
        yield f"history --workflow {execution.workflow_id}"
