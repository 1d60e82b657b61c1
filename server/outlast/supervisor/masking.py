"""Keeping the values of secrets out of what is recorded."""

from outlast.kernel.plan import Json
from outlast.kernel.secrets import MASK, LiteralMasker, masks_of
from outlast.kernel.supervision import Ending

MOST_SHOWN = 200
"""Characters kept of the command line of a process that is left."""


def ending_of(
    output: dict[str, Json] | None, problem: str | None, leftovers: list[dict[str, Json]] | None, secrets: list[str]
) -> Ending:
    """What is recorded beside the outcome: output, why it could not be taken, what lives on; without the secrets."""
    values = Values(secrets)
    if secrets and output is not None:
        try:
            output = values.masked_object(output)
        except RecursionError:  # JSON may be nested deeper than this goes; unmasked it must not be kept
            output, problem = None, "nested too deeply"
    left = None if leftovers is None else [shortened(values.masked_object(one)) for one in leftovers]
    return Ending(output, problem, left)


def shortened(leftover: dict[str, Json]) -> dict[str, Json]:
    return leftover | {"command": str(leftover["command"])[:MOST_SHOWN]}


class Values:
    """JSON values without the secrets, wherever in their texts and keys these stand, in whatever form."""

    def __init__(self, secrets: list[str]) -> None:
        self._whole = frozenset(secrets)
        """Also those that are too short to be looked for within texts."""
        self._masker = LiteralMasker(masks_of(secrets))

    def masked(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.masked_text(value)
        if isinstance(value, dict):
            return self.masked_object(value)
        if isinstance(value, list):
            return [self.masked(item) for item in value]
        return value

    def masked_object(self, value: dict[str, Json]) -> dict[str, Json]:
        return {self.masked_text(key): self.masked(item) for key, item in value.items()}

    def masked_text(self, text: str) -> str:
        return MASK.decode() if text in self._whole else self._masker.mask_text(text)
