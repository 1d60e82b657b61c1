"""docs/choices.md answers each question of scale with a measurement and its command, and settings that exist."""

import re
from pathlib import Path

import pytest

from outlast.runtime import pruning
from outlast.server.settings import BY_NAME
from outlast.storage.logs import blocks, sealer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/choices.md").read_text(encoding="utf-8")
ANSWERS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
QUESTIONS = ("kept", "cleaned up", "loaded", "written at once", "indexes", "token shapes")
"""Log retention, clean-up, load strategy, batch size and flush time, indexes; what takes the place of a library."""


@pytest.mark.requirement("S3-22")
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_with_a_measurement_and_its_command(question: str) -> None:
    (answer,) = (answer for title, answer in ANSWERS.items() if question in title)
    assert re.search(r"\d (µs|ms|s|MB|GB|kB|MB/s|bytes)\b", answer), "a figure"
    commands = re.findall(r"`python (bench/\w+\.py)", answer)
    assert commands, "what made it"
    assert [path for path in commands if not (ROOT / path).is_file()] == []


@pytest.mark.requirement("S3-22")
def test_every_question_is_there_and_each_setting_that_is_named_exists() -> None:
    assert len(ANSWERS) == len(QUESTIONS)
    named = set(re.findall(r"`((?:keep|archive)_\w+)`", PAGE))
    assert named == {name for name in BY_NAME if name.startswith(("keep_", "archive_"))}


@pytest.mark.requirement("S3-22")
def test_the_sizes_are_those_of_the_code() -> None:
    assert f"at most {pruning.BATCH} executions and {pruning.BATCH_BYTES >> 20} MiB" in " ".join(PAGE.split())
    assert f"**{blocks.BLOCK >> 10} KiB** | **{sealer.MOST_BLOCKS}**" in PAGE
    assert f"from {sealer.FEWEST_BLOCKS} on, at most {sealer.MOST_BLOCKS} in a transaction" in " ".join(PAGE.split())
    assert pruning.PAGES * pruning.PAGE == 2 << 20
    assert pruning.SPARE == 8
