"""The configuration that people paste into their client."""

import json
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "claude_config.example.json"


@pytest.mark.requirement("C5", "C3")
def test_the_example_is_ready_to_paste() -> None:
    config = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert config.keys() == {"mcpServers"}
    server = config["mcpServers"]["outlast"]
    # Desktop clients do not see the shell's PATH.
    assert Path(server["command"]).is_absolute()
    assert Path(server["command"]).name == "outlast"
    assert server["args"] == ["serve"]
