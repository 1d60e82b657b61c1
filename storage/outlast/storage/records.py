"""What is read from the store, as values. Times are µs since the epoch."""

from dataclasses import dataclass
from typing import NamedTuple

from outlast.kernel.plan import Json
from outlast.kernel.process import ProcessId
from outlast.kernel.record import MODE
from outlast.kernel.states import Settled, State
from outlast.kernel.status import ExecutionStatus, StepStatus


@dataclass(frozen=True, slots=True)
class Step:
    no: int
    id: str
    name: str
    status: StepStatus
    attempt: int
    """The latest; 0 before the first."""
    started_at: int | None
    ended_at: int | None
    exit_code: int | None
    """Of the latest attempt."""
    error: str | None


@dataclass(frozen=True, slots=True)
class Approval:
    """A gate: what is asked, who may decide, and the decision."""

    gate: str
    """The id of the step that it is."""
    message: str
    decided_by_kind: str
    """`human` or `any`."""
    status: str
    requested_at: int
    expires_at: int | None
    on_timeout: str | None
    decided_at: int | None
    decided_by: str | None
    channel: str | None
    comment: str | None

    @property
    def pending(self) -> bool:
        return self.status == "pending"


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as it is now."""

    number: int
    id: str
    workflow_id: str
    workflow_name: str
    workflow_type: str | None
    version: str
    """Hash of the definition it runs."""
    marked_events: bool
    """Whether its definition says that printed lines may be events."""
    state: State
    user: str
    agent: str | None
    customer: str | None
    mode: str
    trigger: str
    client: dict[str, Json] | None
    labels: dict[str, Json] | None
    metadata: dict[str, Json] | None
    binary_path: str | None
    created_at: int
    updated_at: int
    cancel_requested_by: str | None
    parked_us: int
    """Time spent at gates and paused."""
    compensation: str | None
    retry_of: int | None
    rollback_of: int | None
    log_lines: int | None
    """Known once everything is sealed."""
    supervisor: ProcessId | None
    """The latest; None before the first."""
    steps: tuple[Step, ...]
    approvals: tuple[Approval, ...]
    """Its gates, the earliest first."""
    pinned: bool = False
    """Retention leaves it alone."""
    log_removed_at: int | None = None
    """When retention removed its log, µs."""

    @property
    def recorded(self) -> bool:
        """Whether somebody else's engine runs it: nothing here looks after it or can end it."""
        return self.mode == MODE

    @property
    def status(self) -> ExecutionStatus:
        return self.state.status

    @property
    def settled(self) -> Settled | None:
        return self.state if isinstance(self.state, Settled) else None


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    type: str
    value: Json
    secret: bool


@dataclass(frozen=True, slots=True)
class StepResult:
    """What went into a step and came out of it."""

    id: str
    input: Json
    output: Json
    error: str | None


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something that an execution made."""

    type: str
    name: str
    step: str | None
    """Id of the step that made it."""
    attempt: int | None
    location: str
    """A path below the store, or a place elsewhere (s3://…)."""
    sha256: str | None
    size: int | None
    """Bytes."""
    content_type: str | None
    metadata: dict[str, Json] | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Details:
    """What only a full report shows."""

    params: tuple[Param, ...]
    plan: bytes | None
    """None of what is only recorded: there is nothing to run."""
    output: Json
    output_problem: str | None
    """What the last step left instead of an output: `not a JSON object` …"""
    results: tuple[StepResult, ...]
    """Of the steps that have any, in their order."""
    artifacts: tuple[Artifact, ...]
    """The earliest first."""
    leftovers: list[Json]
    """Processes that were still alive after a normal exit: pid and command."""
    definition: str
    source: str | None
    late_bytes: int
    """Written after the attempt was over, and not kept."""
    log_masked: int
    """Places in the sealed lines where a secret stood."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One row of a listing."""

    number: int
    id: str
    workflow_id: str
    workflow_name: str
    status: ExecutionStatus
    created_at: int
    started_at: int | None
    ended_at: int | None
    duration_us: int | None
    exit_code: int | None
    reason: str | None
    """The first cause once it is over; before it starts, what it waits for."""
    pinned: bool = False
    """Retention leaves it alone."""


@dataclass(frozen=True, slots=True)
class Page:
    executions: tuple[Summary, ...]
    """Newest first."""
    total: int
    """How many match the filter, on all pages."""
    next_cursor: str | None
    damaged: tuple[int, ...] = ()
    """Numbers of rows that belong on this page and are not what was written: left out."""


@dataclass(frozen=True, slots=True)
class LiveRow:
    """What reconciling needs to know of an execution that is not over."""

    number: int
    id: str
    status: ExecutionStatus
    claimed_at: int | None
    cancel_requested_at: int | None
    stopping: bool
    """Its supervisor acts on the request."""
    supervisor: ProcessId | None


class Ended(NamedTuple):
    """An execution that is over."""

    number: int
    status: ExecutionStatus
    reason: str | None
