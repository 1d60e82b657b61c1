"""What a program's events add up to: how far it is, its phases with their tasks and the agents at work on them, and
what it measured.

`fold` is pure: the same events give the same progress, whether they are read while they come or from a sealed log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from outlast.runtime.events import Event

MOST_PHASES = 100
MOST_TASKS = 1000
"""In all phases together."""
MOST_AGENTS = 50
"""Of one task. What comes above the limits is only counted."""
MOST_METRICS = 100
BRIEF = 300
"""Characters kept of each text."""

Told: TypeAlias = Literal["running", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Agent:
    name: str
    description: str
    status: Told = "running"
    message: str = ""
    """The newest."""


@dataclass(frozen=True, slots=True)
class Task:
    id: str
    description: str
    status: Told = "running"
    message: str = ""
    """The newest, the result or the error."""
    agents: Mapping[str, Agent] = field(default_factory=dict[str, Agent])
    """By name, in the order in which they started."""


@dataclass(frozen=True, slots=True)
class Phase:
    number: int
    name: str
    status: Told = "running"
    error: str = ""
    tasks: Mapping[str, Task] = field(default_factory=dict[str, Task])
    """By id, in the order in which they started."""
    in_turn: bool = False
    """It was only named: it ends where the next one is named, or with the execution."""


@dataclass(frozen=True, slots=True)
class Metric:
    value: int | float
    """The newest."""
    unit: str
    count: int
    """How often it was told."""


@dataclass(frozen=True, slots=True)
class Progress:
    phases: Mapping[int, Phase] = field(default_factory=dict[int, Phase])
    """By number, in the order in which they started."""
    total: int | None = None
    """How many phases there are to be."""
    current: int | None = None
    """The number of the phase that was told of last."""
    message: str | None = None
    """The newest word about a task, an agent or a state file."""
    places: Mapping[str, int] = field(default_factory=dict[str, int])
    """The phase in which each task was started last."""
    metrics: Mapping[str, Metric] = field(default_factory=dict[str, Metric])
    """By name, in the order in which they were told first."""
    said_percent: int | float | None = None
    """What the program said last."""
    left_out: int = 0
    """Events about phases, tasks, agents and metrics above the limits."""

    @property
    def empty(self) -> bool:
        """Whether nothing was told."""
        return self == NOTHING

    @property
    def phase(self) -> Phase | None:
        """The phase at work, or the last one that was."""
        return None if self.current is None else self.phases.get(self.current)

    @property
    def completed(self) -> int:
        return sum(phase.status == "completed" for phase in self.phases.values())

    @property
    def percent(self) -> int | float | None:
        """What the program said, with one decimal; else how many of 100 phases are completed. None where it said
        neither a percentage nor how many phases there are."""
        if self.said_percent is not None:
            rounded = round(self.said_percent, 1)
            return int(rounded) if rounded == int(rounded) else rounded
        return min(100, 100 * self.completed // self.total) if self.total else None


NOTHING = Progress()


def fold(progress: Progress, event: Event) -> Progress:
    """The progress after one more event. What an event says of a task that never started is only its message."""
    kind, _, verb = event.type.partition("_")
    match event.type:
        case "raw_output":
            return progress
        case "progress":
            return _percent(progress, event)
        case "phase":
            return _turn(progress, brief(event.text("name")), event.number("number"), event.number("total"))
        case "metric":
            return _measure(progress, event)
        case "message":
            return replace(progress, message=brief(event.message) or progress.message)
        case _:
            pass
    if kind == "phase":
        return _phase(progress, event)
    progress = replace(progress, message=brief(event.words()))
    if kind == "state":
        return progress
    if event.type == "task_started":
        return _start_task(progress, event)
    task_id = brief(event.text("task_id"))
    phase = progress.phases.get(progress.places.get(task_id, -1))
    task = None if phase is None else phase.tasks.get(task_id)
    if phase is None or task is None:
        return progress
    if kind == "task":
        return _with_task(progress, phase, replace(task, status=status_of(verb), message=newest(event, task)))
    return _agent(progress, phase, task, event, verb)


def completed(progress: Progress) -> Progress:
    """The progress of an execution that has completed: with it the phase that was only named."""
    return replace(progress, phases=_turned(progress.phases))


def status_of(verb: str) -> Told:
    """What an event's verb makes of what it is about."""
    return "completed" if verb == "completed" else "failed" if verb == "failed" else "running"


def newest(event: Event, said: Task | Agent) -> str:
    """The newest message; an end without a word leaves what was said before."""
    return brief(event.message) or said.message


def brief(text: str) -> str:
    return text if len(text) <= BRIEF else text[: BRIEF - 1] + "…"


def _percent(progress: Progress, event: Event) -> Progress:
    percent = event.data["percent"]
    assert isinstance(percent, int | float), "checked when it was read"
    if event.text("phase"):
        progress = _turn(progress, brief(event.text("phase")), None, None)
    message = brief(event.message) or progress.message
    return replace(progress, said_percent=percent, message=message)


def _turn(progress: Progress, name: str, number: int | None, total: int | None) -> Progress:
    """The turn of a phase that is named: the ones named before it are completed."""
    if total is not None:
        progress = replace(progress, total=total)
    named = [phase.number for phase in progress.phases.values() if phase.in_turn and phase.name == name]
    if number is None:
        number = named[-1] if named else max(progress.phases, default=0) + 1
    now = progress.phases.get(number)
    if now is None and len(progress.phases) >= MOST_PHASES:
        return replace(progress, left_out=progress.left_out + 1)
    if now is not None and (progress.current, now.name, now.status) == (number, name, "running"):
        return progress
    phase = replace(now or Phase(number, ""), name=name, status="running", error="", in_turn=True)
    return replace(progress, phases={**_turned(progress.phases), number: phase}, current=number)


def _turned(phases: Mapping[int, Phase]) -> dict[int, Phase]:
    return {
        number: replace(phase, status="completed") if phase.in_turn and phase.status == "running" else phase
        for number, phase in phases.items()
    }


def _measure(progress: Progress, event: Event) -> Progress:
    name, value = brief(event.text("name")), event.data["value"]
    assert isinstance(value, int | float), "checked when it was read"
    metric = progress.metrics.get(name)
    if metric is None and len(progress.metrics) >= MOST_METRICS:
        return replace(progress, left_out=progress.left_out + 1)
    unit = brief(event.text("unit")) or ("" if metric is None else metric.unit)
    count = 1 if metric is None else metric.count + 1
    return replace(progress, metrics={**progress.metrics, name: Metric(value, unit, count)})


def _phase(progress: Progress, event: Event) -> Progress:
    number = event.number("phase") or 0
    if event.type == "phase_started":
        progress = replace(progress, total=event.number("total_phases"))
    phase = progress.phases.get(number)
    if phase is None and len(progress.phases) >= MOST_PHASES:
        return replace(progress, left_out=progress.left_out + 1)
    phase = replace(
        phase or Phase(number, ""),
        name=brief(event.text("name")),
        status=status_of(event.type.partition("_")[2]),
        error=brief(event.text("error")) if event.type == "phase_failed" else "",
        in_turn=False,
    )
    return replace(progress, phases={**progress.phases, number: phase}, current=number)


def _start_task(progress: Progress, event: Event) -> Progress:
    number, task_id = event.number("phase") or 0, brief(event.text("task_id"))
    phase = progress.phases.get(number)
    known = phase is not None and task_id in phase.tasks
    tasks = sum(len(one.tasks) for one in progress.phases.values())
    if (phase is None and len(progress.phases) >= MOST_PHASES) or (not known and tasks >= MOST_TASKS):
        return replace(progress, left_out=progress.left_out + 1)
    if phase is None:
        phase = Phase(number, "")
        progress = replace(progress, current=number)
    progress = replace(progress, places={**progress.places, task_id: number})
    return _with_task(progress, phase, Task(task_id, brief(event.text("description"))))


def _agent(progress: Progress, phase: Phase, task: Task, event: Event, verb: str) -> Progress:
    name = brief(event.text("agent_name"))
    agent = task.agents.get(name)
    if agent is None and len(task.agents) >= MOST_AGENTS:
        return replace(progress, left_out=progress.left_out + 1)
    if verb == "started":
        agent = Agent(name, brief(event.message))
    else:
        agent = agent or Agent(name, "")
        agent = replace(agent, status=status_of(verb), message=newest(event, agent))
    return _with_task(progress, phase, replace(task, agents={**task.agents, name: agent}))


def _with_task(progress: Progress, phase: Phase, task: Task) -> Progress:
    phase = replace(phase, tasks={**phase.tasks, task.id: task})
    return replace(progress, phases={**progress.phases, phase.number: phase})
