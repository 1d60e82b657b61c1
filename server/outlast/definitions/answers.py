"""What executables said when they were asked, kept so that each is asked once and not by every process."""

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from outlast.definitions.trust import MAX_FILE, FileKey, Untrusted, read_trusted

LOG = logging.getLogger(__name__)
FAILURE_KEPT = 300.0
"""Seconds after which an executable that failed is asked again although it did not change."""


class Answer(BaseModel):
    """What came of looking at one executable: its metadata, or why there is none, or neither: it is not marked."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    key: list[int]
    """The file's key, see trust."""
    at: float
    """Seconds since the epoch."""
    metadata: dict[str, JsonValue] | None = None
    failure: str | None = None


class Saved(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Annotated[int, Field(ge=1, le=1)]
    answers: dict[str, Answer]
    """By the executable's path."""


class Answers:
    """Answers by path, in memory and in a file that several processes write. What the file says is checked as if the
    executable had just said it; a file that cannot be read or written only costs asking again."""

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._loaded: dict[str, Answer] | None = None
        self._changed = False

    def get(self, path: Path, key: FileKey) -> Answer | None:
        """What is known of this very file."""
        answer = self._known().get(str(path))
        if answer is None or answer.key != list(key):
            return None
        stale = answer.failure is not None and abs(self._clock() - answer.at) > FAILURE_KEPT
        return None if stale else answer

    def put(
        self, path: Path, key: FileKey, *, metadata: dict[str, JsonValue] | None = None, failure: str | None = None
    ) -> None:
        """Several threads may do so at once."""
        self._known()[str(path)] = Answer(key=list(key), at=self._clock(), metadata=metadata, failure=failure)
        self._changed = True

    def save(self) -> None:
        """Write what is new, with what other processes saved meanwhile; executables that are gone are left out."""
        if self._file is None or not self._changed:
            return
        merged = self._load(self._file)
        for path, answer in self._known().items():
            other = merged.get(path)
            if other is None or other.at <= answer.at:
                merged[path] = answer
        self._loaded = {path: answer for path, answer in merged.items() if os.path.lexists(path)}
        try:
            write(self._file, sorted(self._loaded.items(), key=lambda one: one[1].at, reverse=True))
            self._changed = False
        except OSError as error:
            LOG.warning("what executables said cannot be kept in %s: %s", self._file, error)

    def _known(self) -> dict[str, Answer]:
        if self._loaded is None:
            self._loaded = {} if self._file is None else self._load(self._file)
        return self._loaded

    def _load(self, file: Path) -> dict[str, Answer]:
        try:
            return Saved.model_validate_json(read_trusted(file)).answers
        except FileNotFoundError:
            return {}
        except ValidationError:
            why: object = "is not what this version writes"
        except (OSError, Untrusted) as error:
            why = error
        LOG.warning("executables are asked again what they are: %s %s", file, why)
        return {}


def write(file: Path, answers: list[tuple[str, Answer]]) -> None:
    """As many of the answers as one file may hold, there as a whole or not at all. Raises OSError."""
    room = MAX_FILE - 1024
    kept: dict[str, object] = {}
    for path, answer in answers:
        value = answer.model_dump(exclude_none=True)
        room -= len(json.dumps({path: value}))
        if room < 0:
            break
        kept[path] = value
    descriptor, aside = tempfile.mkstemp(prefix=f"{file.name}.", dir=file.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as target:  # noqa: PTH123 - opened above, 0600
            json.dump({"format": 1, "answers": kept}, target)
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink()
        raise
