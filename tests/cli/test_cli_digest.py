"""`digest`: what a log says, on one screen."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from commandline import Cli

Shell = Callable[[str], Result]


@pytest.mark.requirement("X4")
def test_a_digest_is_a_table_without_marks(cli: Cli, shell: Shell) -> None:
    shell("seq -f 'took %g ms' 1 50; echo ERROR no; echo; echo odd one out")
    result = cli("digest", 1)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "#1 command \u00b7 53 lines in 4 templates",
        "errors, the latest first",
        "1 \u00d7 51 ERROR no",
        "rare lines, the latest first",
        "1 \u00d7 53 odd one out",
        "1 \u00d7 52 (blank)",
        "the rest, by count",
        "50 \u00d7 1-50 took <num> ms",
    ]


@pytest.mark.requirement("X4")
def test_json_has_the_fields_of_the_tool(cli: Cli, shell: Shell) -> None:
    shell("seq -f 'took %g ms' 1 50; echo ERROR no")
    view = json.loads(cli("digest", 1, "--json", "--step", "run").stdout)
    assert view["log_lines"] == 51
    assert [(one["count"], one["first"], one["last"], one["level"]) for one in view["templates"]] == [
        (1, 51, 51, "error"),
        (50, 1, 50, None),
    ]


def test_a_step_that_does_not_exist_is_named(cli: Cli, shell: Shell) -> None:
    shell("echo hello")
    result = cli("digest", 1, "--step", "deploy")
    assert result.exit_code == 2
    assert "there is no step 'deploy'" in result.stderr
