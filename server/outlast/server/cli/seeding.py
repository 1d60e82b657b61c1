"""Putting the demo's history into a store and taking exactly that out again."""

from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from outlast.kernel.errors import NotFound
from outlast.kernel.record import Record, RecordedStep
from outlast.runtime.observer import Observer
from outlast.server.cli.scenarios import SCENARIOS, Scenario

RECORDER = "outlast demo"


class Seeded(NamedTuple):
    workflow_id: str
    handle_id: str
    number: int | None
    """None where it was not there."""
    changed: bool
    """Whether it was added, or removed, by this call."""


async def seed(observer: Observer) -> list[Seeded]:
    """Record every scenario that is not there yet, as of now; what is there stays as it is."""
    seeded: list[Seeded] = []
    for scenario in SCENARIOS:
        told = record_of(scenario, observer.options.clock.now())
        recorded = await observer.record(told)
        seeded.append(Seeded(scenario.workflow_id, recorded.id, recorded.number, changed=not recorded.already_existed))
    return seeded


async def remove(observer: Observer) -> list[Seeded]:
    """Delete the scenarios' executions and nothing else."""
    removed: list[Seeded] = []
    for scenario in SCENARIOS:
        handle = id_of(scenario)
        try:
            number = (await observer.get(handle)).number
            await observer.delete(handle)
        except NotFound:
            removed.append(Seeded(scenario.workflow_id, handle, None, changed=False))
        else:
            removed.append(Seeded(scenario.workflow_id, handle, number, changed=True))
    return removed


def id_of(scenario: Scenario) -> str:
    """The same in every store and every version: this is how a second seeding finds the first."""
    return str(uuid5(NAMESPACE_URL, f"urn:outlast:demo:{scenario.workflow_id}"))


def record_of(scenario: Scenario, now: int) -> Record:
    """A scenario as it is recorded at `now` (µs)."""
    start = now - microseconds(scenario.began_before)

    def moment(seconds: float | None) -> int | None:
        return None if seconds is None else start + microseconds(seconds)

    return Record(
        id=id_of(scenario),
        workflow_id=scenario.workflow_id,
        workflow_name=scenario.workflow_name,
        workflow_type=scenario.workflow_id,
        status=scenario.status,
        user=scenario.user,
        trigger=scenario.trigger,
        created_at=start,
        started_at=start,
        ended_at=moment(scenario.ended),
        reason=scenario.reason,
        steps=tuple(
            RecordedStep(
                act.id,
                act.name,
                act.status,
                moment(act.began),
                moment(act.ended),
                act.input,
                act.output,
                act.error,
            )
            for act in scenario.acts
        ),
        artifacts=tuple(made.artifact._replace(created_at=start + microseconds(made.at)) for made in scenario.made),
        params=scenario.params,
        output=scenario.output,
        agent=scenario.agent,
        customer=scenario.customer,
        labels=scenario.labels,
        metadata=scenario.metadata,
        client={"name": RECORDER},
    )


def microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
