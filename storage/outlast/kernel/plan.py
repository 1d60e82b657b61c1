"""The plan: everything a supervisor needs to run an execution, frozen when the execution is created.

`plan.json` in the run directory and the same bytes in the store. Values of secrets are never in it; they lie in
`secrets.json` beside it until the logs are sealed. NamedTuples rather than dataclasses: importing `dataclasses`
costs every supervisor 5 ms and 1.3 MiB.
"""

import json
from typing import Any, NamedTuple, TypeAlias

FORMAT = 1

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class StepPlan(NamedTuple):
    """One step, resolved: nothing in it depends on who starts it."""

    id: str
    name: str
    argv: list[str]
    cwd: str
    env: dict[str, str]
    """The child's whole environment, except secrets and what the supervisor adds for each attempt."""
    secret_env: list[str]
    """Names of variables whose values are in secrets.json."""
    timeout: float | None = None
    """Seconds for one attempt."""


class Plan(NamedTuple):
    id: str
    """UUID of the execution."""
    store_id: str
    workflow_id: str
    workflow_name: str
    workflow_type: str | None
    version_hash: str
    definition: str
    """The definition as canonical JSON; its SHA-256 is `version_hash`."""
    source: str | None
    """The file that the definition was read from."""
    params: dict[str, Json]
    """Values by name, defaults filled in; a secret's is "***"."""
    param_types: dict[str, str]
    secret_params: list[str]
    steps: list[StepPlan]
    created_at: int
    """µs since the epoch."""
    user: str
    trigger: str
    request_hash: str
    """SHA-256 of workflow and parameters, in hex."""
    library: str
    """Content hash of the code in $OUTLAST_HOME/lib that runs this plan."""
    interpreter: str
    timeout: float | None = None
    """Seconds for the execution, parked time left out."""
    kill_grace: float = 5.0
    """Seconds between TERM and KILL."""
    streams: str = "merged"
    """`merged` or `separate`."""
    mask_tokens: bool = True
    """Whether no line may show what looks like a token, whoever it belongs to."""
    concurrency_key: str | None = None
    on_conflict: str = "queue"
    idempotency_key: str | None = None
    agent: str | None = None
    customer: str | None = None
    client: dict[str, Json] | None = None
    labels: dict[str, str] | None = None
    metadata: dict[str, Json] | None = None
    retry_of: int | None = None
    format: int = FORMAT

    def encode(self) -> bytes:
        """Canonical JSON: the same plan gives the same bytes."""
        document = self._asdict() | {"steps": [step._asdict() for step in self.steps]}
        return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def decode_plan(data: bytes) -> Plan:
    """The plan in the bytes of a plan.json. Raises ValueError where they are no plan this code can read.

    Fields of later formats that this code does not know are ignored within one format number.
    """
    document: dict[str, Any] = json.loads(data)
    try:
        if document.get("format") != FORMAT:
            raise ValueError(f"not a plan of format {FORMAT}")
        document["steps"] = [StepPlan(**_known(StepPlan._fields, step)) for step in document["steps"]]
        return Plan(**_known(Plan._fields, document))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a whole plan: {error}") from error


def _known(fields: tuple[str, ...], document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in fields}


class Secrets(NamedTuple):
    """What must not reach the database, with the values that readers mask."""

    env: dict[str, dict[str, str]]
    """Step id → variable → value."""
    mask: list[str]

    def encode(self) -> bytes:
        return json.dumps(self._asdict(), ensure_ascii=False).encode()


def decode_secrets(data: bytes) -> Secrets:
    return Secrets(**json.loads(data))
