"""Keeping the values of secrets out of what is recorded."""

from outlast.kernel.plan import Json
from outlast.kernel.supervision import Ending

MASK = "***"
MOST_SHOWN = 200
"""Characters kept of the command line of a process that is left."""
SHORTEST = 4
"""Characters. A shorter value is masked only where it is the whole text: elsewhere it would riddle what is true."""


def ending_of(
    output: dict[str, Json] | None, problem: str | None, leftovers: list[dict[str, Json]] | None, secrets: list[str]
) -> Ending:
    """What is recorded beside the outcome: output, why it could not be taken, what lives on; without the secrets."""
    if secrets and output is not None:
        try:
            output = masked_object(output, secrets)
        except RecursionError:  # JSON may be nested deeper than this goes; unmasked it must not be kept
            output, problem = None, "nested too deeply"
    left = None if leftovers is None else [shortened(masked_object(one, secrets)) for one in leftovers]
    return Ending(output, problem, left)


def shortened(leftover: dict[str, Json]) -> dict[str, Json]:
    return leftover | {"command": str(leftover["command"])[:MOST_SHOWN]}


def masked(value: Json, secrets: list[str]) -> Json:
    """The same value without the secrets, wherever in its texts and keys they stand. `secrets`: the longest first."""
    if isinstance(value, str):
        return masked_text(value, secrets)
    if isinstance(value, dict):
        return masked_object(value, secrets)
    if isinstance(value, list):
        return [masked(item, secrets) for item in value]
    return value


def masked_object(value: dict[str, Json], secrets: list[str]) -> dict[str, Json]:
    return {masked_text(key, secrets): masked(item, secrets) for key, item in value.items()}


def masked_text(text: str, secrets: list[str]) -> str:
    if text in secrets:
        return MASK
    for secret in secrets:
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    return text
