"""An execution that somebody else's engine runs, as it is told from outside: what it says, and whether that agrees.

A record is not evidence. It has no exit code, no attempts and no plan; its `reason` is what the engine said.
"""

from typing import NamedTuple

from outlast.kernel.errors import InvalidInput
from outlast.kernel.ids import is_id
from outlast.kernel.plan import Json
from outlast.kernel.status import ExecutionStatus, StepStatus

MODE = "cloud-run"
"""The mode of every record; what supervisors of ours run is `local-run`."""

LONGEST_NAME = 200
"""Characters."""
LONGEST_WORDS = 2000
"""Characters of a reason, of an error, of a location."""
MOST_STEPS = 100
UNBEGUN = frozenset({ExecutionStatus.PENDING, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED, ExecutionStatus.LOST})
"""Statuses that an execution may have without having started."""
PASSED = frozenset({StepStatus.COMPLETED, StepStatus.SKIPPED})
NEVER_RUN = frozenset({StepStatus.PENDING, StepStatus.SKIPPED, StepStatus.CANCELLED, StepStatus.LOST})


class RecordedStep(NamedTuple):
    id: str
    name: str
    status: StepStatus
    started_at: int | None = None
    """µs since the epoch, as all times."""
    ended_at: int | None = None
    input: Json = None
    output: Json = None
    error: str | None = None


class RecordedArtifact(NamedTuple):
    """Something that the execution made, where it lies; nothing of it is copied."""

    type: str
    """`report`, `chart`, `config` …: an open set."""
    name: str
    location: str
    """A place elsewhere: s3://…, https://…, a file's path."""
    created_at: int
    step: str | None = None
    """Id of the step that made it."""
    size: int | None = None
    """Bytes."""
    content_type: str | None = None
    metadata: dict[str, Json] | None = None


class Record(NamedTuple):
    id: str
    """UUID. The same id is recorded once."""
    workflow_id: str
    workflow_name: str
    workflow_type: str | None
    status: ExecutionStatus
    user: str
    trigger: str
    """What started it there: schedule, api …"""
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    reason: str | None = None
    """Why it ended as it did, in the words of whoever ran it; of everything that is over."""
    steps: tuple[RecordedStep, ...] = ()
    artifacts: tuple[RecordedArtifact, ...] = ()
    params: dict[str, Json] | None = None
    output: Json = None
    agent: str | None = None
    customer: str | None = None
    labels: dict[str, str] | None = None
    metadata: dict[str, Json] | None = None
    client: dict[str, Json] | None = None
    """Who recorded it: program, version …"""

    def check(self) -> None:
        """Raise InvalidInput for the first field that cannot be or contradicts another."""
        if not is_id(self.id):
            raise wrong("id", f"{self.id[:40]!r} is no UUID")
        for field in ("workflow_id", "workflow_name", "user", "trigger"):
            check_name(field, getattr(self, field))
        for field in ("workflow_type", "agent", "customer"):
            if getattr(self, field) is not None:
                check_name(field, getattr(self, field))
        if self.started_at is None and self.status not in UNBEGUN:
            raise wrong("started_at", f"is missing: what is {self.status} has started")
        check_times("started_at", self.created_at, self.started_at)
        check_end("ended_at", self.status.terminal, self.started_at or self.created_at, self.ended_at)
        if self.status.terminal and not self.reason:
            raise wrong("reason", f"is missing: say why it is {self.status}")
        check_words("reason", self.reason)
        if len(self.steps) > MOST_STEPS:
            raise wrong("steps", f"there are {len(self.steps):,}, more than {MOST_STEPS}")
        for at, step in enumerate(self.steps):
            self.check_step(f"steps[{at}]", step)
        ids = [step.id for step in self.steps]
        if len(set(ids)) < len(ids):
            raise wrong("steps", "two have the same id")
        for at, artifact in enumerate(self.artifacts):
            check_artifact(f"artifacts[{at}]", artifact, ids)

    def check_step(self, where: str, step: RecordedStep) -> None:
        check_name(f"{where}.id", step.id)
        check_name(f"{where}.name", step.name)
        check_words(f"{where}.error", step.error)
        if step.started_at is None and step.status not in NEVER_RUN:
            raise wrong(f"{where}.started_at", f"is missing: what is {step.status} has started")
        check_times(f"{where}.started_at", self.started_at or self.created_at, step.started_at)
        if step.status is not StepStatus.SKIPPED:
            check_end(f"{where}.ended_at", step.status.terminal, step.started_at or self.created_at, step.ended_at)
        if self.status.terminal and not step.status.terminal:
            raise wrong(f"{where}.status", f"is {step.status}, but the execution is over")
        if self.status is ExecutionStatus.COMPLETED and step.status not in PASSED:
            raise wrong(f"{where}.status", f"is {step.status}, but the execution completed")


def check_artifact(where: str, artifact: RecordedArtifact, steps: list[str]) -> None:
    for field in ("type", "name"):
        check_name(f"{where}.{field}", getattr(artifact, field))
    if not 0 < len(artifact.location) <= LONGEST_WORDS:
        raise wrong(f"{where}.location", f"must have 1 to {LONGEST_WORDS:,} characters")
    if artifact.step is not None and artifact.step not in steps:
        raise wrong(f"{where}.step", f"{artifact.step[:40]!r} is none of its steps")
    if artifact.size is not None and artifact.size < 0:
        raise wrong(f"{where}.size", "is negative")


def check_name(field: str, name: str) -> None:
    if not (name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        raise wrong(field, f"must be 1 to {LONGEST_NAME} printable characters")


def check_words(field: str, words: str | None) -> None:
    if words is not None and len(words) > LONGEST_WORDS:
        raise wrong(field, f"has {len(words):,} characters, more than {LONGEST_WORDS:,}")


def check_times(field: str, earlier: int, later: int | None) -> None:
    if later is not None and later < earlier:
        raise wrong(field, "is before what came first")


def check_end(field: str, over: bool, began: int, ended: int | None) -> None:
    if over and ended is None:
        raise wrong(field, "is missing of what is over")
    if not over and ended is not None:
        raise wrong(field, "is there of what is not over")
    check_times(field, began, ended)


def wrong(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field}: {problem}; nothing was recorded.")
