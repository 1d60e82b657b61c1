"""What an execution's program has told of its phases and of what it measured, for those who ask how far it is.

All texts are the program's: made visible, shortened, and in the text of an answer quoted.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TypeVar

from outlast.kernel.plan import Json
from outlast.runtime.events import plain
from outlast.runtime.progress import Agent, Metric, Phase, Progress, Task
from outlast.runtime.tracking import Tracked
from outlast.tools.readable import visible

T = TypeVar("T", Phase, Task, Agent)

MOST_BYTES = 8 * 1024
"""Of all phases in an answer."""
SHOWN_METRICS = 20
"""In an answer; people are shown all."""
METRICS_IN_LINE = 5
SHARES = ((50, 100, 20), (50, 20, 5), (20, 8, 2), (20, 3, 0), (10, 0, 0), (3, 0, 0))
"""Phases, tasks of each and agents of each that are shown, less and less until they fit."""
LONGEST = 200
"""Characters of one text."""


def progress_view(tracked: Tracked | None) -> dict[str, Json]:
    """How far it is. `read_to`: the line up to which events are in it, only where there are later ones."""
    progress = Progress() if tracked is None else tracked.progress
    phase = progress.phase
    view: dict[str, Json] = {
        "percent": progress.percent,
        "message": None if progress.message is None else clear(progress.message),
        "phase": None if phase is None else clear(phase.name) or f"phase {phase.number}",
    }
    if tracked is not None and not tracked.whole and not progress.empty:
        view["read_to"] = tracked.seen
    return view


def phases_view(progress: Progress, *, over: bool) -> dict[str, Json]:
    """`phases` with their tasks and agents, in the order in which they started; what is most telling, where not all
    fits. `over`: nothing runs any more, so what did not say how it ended is `unfinished`."""
    view: dict[str, Json] = {}
    for phases, tasks, agents in SHARES:
        shown, omitted = telling(list(progress.phases.values()), phases)
        view = {"phases": [phase_view(phase, tasks, agents, over=over) for phase in shown]}
        view |= omission("phases_omitted", omitted) | omission("untracked", progress.left_out)
        if len(json.dumps(view, ensure_ascii=False).encode("utf-8", "surrogatepass")) <= MOST_BYTES:
            break
    return view


def metrics_view(progress: Progress) -> dict[str, Json]:
    """`metrics`: the newest value of each, and how often it was told. The first ones, where there are many."""
    shown = list(progress.metrics.items())[:SHOWN_METRICS]
    view: dict[str, Json] = {
        "metrics": [
            {"name": clear(name), "value": metric.value, "unit": clear(metric.unit) or None, "count": metric.count}
            for name, metric in shown
        ]
    }
    return view | omission("metrics_omitted", len(progress.metrics) - len(shown))


def phase_view(phase: Phase, tasks: int, agents: int, *, over: bool) -> dict[str, Json]:
    shown, omitted = telling(list(phase.tasks.values()), tasks)
    view: dict[str, Json] = {"phase": phase.number, "name": clear(phase.name), "status": status(phase, over=over)}
    if phase.error:
        view["error"] = clear(phase.error)
    view["tasks"] = [task_view(task, agents, over=over) for task in shown]
    return view | omission("tasks_omitted", omitted)


def task_view(task: Task, agents: int, *, over: bool) -> dict[str, Json]:
    shown, omitted = telling(list(task.agents.values()), agents)
    view: dict[str, Json] = {
        "task_id": clear(task.id),
        "description": clear(task.description),
        "status": status(task, over=over),
    }
    if task.message:
        view["message"] = clear(task.message)
    view["agents"] = [agent_view(agent, over=over) for agent in shown]
    return view | omission("agents_omitted", omitted)


def agent_view(agent: Agent, *, over: bool) -> dict[str, Json]:
    view: dict[str, Json] = {
        "name": clear(agent.name),
        "description": clear(agent.description),
        "status": status(agent, over=over),
    }
    return view | ({"message": clear(agent.message)} if agent.message else {})


def telling(ones: Sequence[T], most: int) -> tuple[list[T], int]:
    """At most so many, in their order, and how many are left out: completed ones give way first, the oldest before."""
    ranked = sorted(range(len(ones)), key=lambda i: (ones[i].status != "completed", i), reverse=True)
    kept = sorted(ranked[:most])
    return [ones[i] for i in kept], len(ones) - len(kept)


def status(one: Phase | Task | Agent, *, over: bool) -> str:
    return "unfinished" if over and one.status == "running" else one.status


def omission(name: str, count: int) -> dict[str, Json]:
    return {name: count} if count else {}


def clear(text: str) -> str:
    text = visible(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def progress_line(tracked: Tracked | None) -> str | None:
    """How far it is, in one line; None where nothing was told."""
    if tracked is None or tracked.progress.empty:
        return None
    progress = tracked.progress
    percent = "" if progress.percent is None else f" {progress.percent} %"
    behind = "" if tracked.whole else f" (events up to line {tracked.seen:,})"
    # Quoted as JSON: whatever the program printed, it does not get out of the quotes.
    words = json.dumps(" · ".join(progress_words(progress)), ensure_ascii=False)
    return f"progress{percent}{behind}, told by the program: {words}"


def progress_words(progress: Progress) -> Iterator[str]:
    """`phase 1: build`, `1 of 5 completed`, `task compile: 40 files`."""
    if (phase := progress.phase) is not None:
        yield f"phase {phase.number}" + (f": {clear(phase.name)}" if phase.name else "")
        if progress.total or not phase.in_turn:
            yield f"{progress.completed} of {progress.total or len(progress.phases)} completed"
    if progress.message is not None:
        yield clear(progress.message)
    metrics = list(progress.metrics.items())
    yield from (measured(clear(name), clear(metric.unit), metric) for name, metric in metrics[:METRICS_IN_LINE])
    if len(metrics) > METRICS_IN_LINE:
        yield f"{len(metrics) - METRICS_IN_LINE} more metrics"


def glance_words(progress: Progress) -> Iterator[str]:
    """`40 %`, `load`, `4 of 10 files`: what was told last, for a line that is written over again and again."""
    if progress.percent is not None:
        yield f"{progress.percent} %"
    if (phase := progress.phase) is not None:
        yield clear(phase.name) or f"phase {phase.number}"
    if progress.message is not None:
        yield clear(progress.message)


def measured(name: str, unit: str, metric: Metric) -> str:
    times = "" if metric.count == 1 else f" ({metric.count:,} values)"
    return f"{name} = {plain(metric.value)}{f' {unit}' if unit else ''}{times}"


def tree_lines(progress: Progress, *, over: bool) -> Iterator[str]:
    """Everything that was told, one line each, for people."""
    for phase in progress.phases.values():
        words = f"phase {phase.number} {visible(phase.name)}".rstrip()
        yield f"{words}: {status(phase, over=over)}" + (f", {visible(phase.error)}" if phase.error else "")
        for task in phase.tasks.values():
            yield f"  task {visible(task.id)}: " + told(task, over=over)
            yield from (f"    agent {visible(agent.name)}: {told(agent, over=over)}" for agent in task.agents.values())
    for name, metric in progress.metrics.items():
        yield "metric " + measured(visible(name), visible(metric.unit), metric)
    if progress.left_out:
        yield f"{progress.left_out:,} more phases, tasks, agents or metrics were not kept"


def told(one: Task | Agent, *, over: bool) -> str:
    message = one.message or one.description
    return status(one, over=over) + (f", {visible(message)}" if message else "")
