"""Settings: one table, four places, and nothing that is not understood."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from outlast.definitions.model import SET_BY_OUTLAST
from outlast.kernel.errors import InvalidInput, NotAllowed, OutlastError
from outlast.kernel.home import Home
from outlast.server.cli.root import outlast
from outlast.server.settings import SETTINGS, Setting, read_settings, settings_page
from outlast.storage.retention import Limits

DOCS = Path(__file__).parent.parent.parent / "docs"

EXAMPLES: dict[str, tuple[str, str, object, str, object]] = {
    "max_running": ("3", "4", 4, "5", 5),
    "path": ("/a:/b", '"/c"', "/c", "/d", "/d"),
    "env_pass": ("A, B", '["C"]', ("C",), "D", ("D",)),
    "mask_tokens": ("false", "true", True, "false", False),
    "allow_command": ("false", "true", True, "false", False),
    "workflow_dirs": ("/a:/b", '["/c"]', (Path("/c"),), "/d", (Path("/d"),)),
    "backups_kept": ("3", "4", 4, "7", 7),
    "keep_days": ("30", "60", 60, "90", 90),
    "keep_executions": ("100", "200", 200, "300", 300),
    "keep_bytes": ("2GB", '"1.5 GiB"', 3 << 29, "4096", 4096),
    "keep_failed_factor": ("3", "4", 4, "5", 5),
    "keep_rows": ("false", "true", True, "false", False),
    "archive_dir": ("/a", '"/c"', Path("/c"), "/d", Path("/d")),
    "log_level": ("error", '"debug"', "debug", "warning", "warning"),
}
"""By setting: a flag's text; a value in config.toml and what it means; a variable's text and what it means."""
NAMES = [setting.name for setting in SETTINGS if setting.in_file]


def named(name: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.name == name)


def write_config(home: Home, text: str) -> None:
    Path(home.config).write_text(text, encoding="utf-8")


def test_every_setting_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(home: Home, name: str) -> None:
    flag, in_file, meant_in_file, variable, meant_in_variable = EXAMPLES[name]
    place = {"OUTLAST_HOME": home.root}
    assert getattr(read_settings({}, place), name) == named(name).default
    write_config(home, f"{name} = {in_file}\n")
    assert getattr(read_settings({}, place), name) == meant_in_file
    place[named(name).variable] = variable
    assert getattr(read_settings({}, place), name) == meant_in_variable
    by_flag = getattr(read_settings({name: flag}, place), name)
    assert by_flag == getattr(read_settings({}, {**place, named(name).variable: flag}), name)
    assert by_flag not in (meant_in_file, meant_in_variable) or name in ("allow_command", "keep_rows", "mask_tokens")


def test_the_home_comes_from_a_flag_or_a_variable_and_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert read_settings({}, {}).home.root == f"{tmp_path}/.outlast"
    assert read_settings({}, {"OUTLAST_HOME": "~/other"}).home.root == f"{tmp_path}/other"
    assert read_settings({"home": "near"}, {"OUTLAST_HOME": "/far"}).home.root == f"{tmp_path}/near"


def test_an_empty_variable_counts_as_none(home: Home) -> None:
    write_config(home, "max_running = 2\n")
    assert read_settings({}, {"OUTLAST_HOME": home.root, "OUTLAST_MAX_RUNNING": ""}).max_running == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_value_is_named_with_its_place_and_what_is_allowed(home: Home, name: str) -> None:
    setting = named(name)
    wrong = "\0" if name == "path" else "-1"
    place = {"OUTLAST_HOME": home.root}
    for flags, environ, where in (
        ({name: wrong}, place, setting.flag),
        ({}, {**place, setting.variable: wrong}, setting.variable),
    ):
        with pytest.raises(InvalidInput) as caught:
            read_settings(flags, environ)
        assert caught.value.message.startswith(f"{where}: must be {setting.kind.allowed}, not ")
    write_config(home, f"{name} = {{}}\n")
    with pytest.raises(InvalidInput) as caught:
        read_settings({}, place)
    assert caught.value.message.startswith(f"{name} in {home.config}: must be {setting.kind.allowed}, not ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_runing = 3", "max_runing in {}: there is no such setting. Did you mean max_running?"),
        ("colour = 3", "colour in {}: there is no such setting. There are max_running, path,"),
        ("home = '/x'", "home in {}: there is no such setting. The file lies in the home"),
        ("max_running = ", "{} is not TOML: "),
        ("max_running = true", "max_running in {}: must be a whole number"),
        ("env_pass = 'A'", "env_pass in {}: must be names"),
        ("workflow_dirs = ['near']", "workflow_dirs in {}: must be absolute paths"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(home: Home, text: str, said: str) -> None:
    write_config(home, text)
    with pytest.raises(InvalidInput) as caught:
        read_settings({}, {"OUTLAST_HOME": home.root})
    assert caught.value.message.startswith(said.format(home.config))


def test_a_file_that_anybody_could_have_written_is_refused(home: Home) -> None:
    write_config(home, "allow_command = true\n")
    Path(home.config).chmod(0o666)
    with pytest.raises(NotAllowed, match="can be written by everybody"):
        read_settings({}, {"OUTLAST_HOME": home.root})


def test_a_misspelt_variable_is_refused_and_everybody_elses_are_not(home: Home) -> None:
    place = {"OUTLAST_HOME": home.root}
    with pytest.raises(InvalidInput, match=r"OUTLAST_ALLOW_COMMANDS: .* Did you mean OUTLAST_ALLOW_COMMAND\?"):
        read_settings({}, {**place, "OUTLAST_ALLOW_COMMANDS": "true"})
    # A command inside an execution finds what the supervisor has set.
    read_settings({}, {**dict.fromkeys(SET_BY_OUTLAST, "x"), **place, "OUTLAST_OF_SOMEBODY": "x"})


@given(name=st.sampled_from(NAMES), text=st.text())
def test_any_text_is_a_value_or_an_error_of_ours(name: str, text: str) -> None:
    said = named(name).flag
    try:
        read_settings({name: text, "home": "/nowhere"}, {})
    except OutlastError as error:
        said = error.message
    assert said.startswith(named(name).flag)


def test_the_page_about_settings_is_up_to_date() -> None:
    published = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert published == settings_page(), "python -m outlast.server.settings > docs/settings.md"


def test_help_names_every_setting_and_works_with_wrong_ones(home: Home) -> None:
    write_config(home, "nonsense")
    text = " ".join(CliRunner().invoke(outlast, ["--help"], terminal_width=200).output.split())
    for setting in SETTINGS:
        assert setting.flag in text
        assert setting.variable in text
        assert " ".join(setting.sentence.split()[:4]) in text
    assert CliRunner().invoke(outlast, ["history", "--help"]).exit_code == 0


def test_a_flag_on_the_command_line_counts(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    result = CliRunner().invoke(outlast, ["--home", str(other), "--max-running", "3", "ps", "--json"])
    assert json.loads(result.output)["executions"] == []
    assert (other / "executions.db").is_file()
    assert not Path(home.database).exists()


def test_options_carry_what_the_runtime_needs(home: Home) -> None:
    settings = read_settings(
        {"max_running": "3", "path": "/bin", "env_pass": "A", "allow_command": "yes", "workflow_dirs": "/w"},
        {"OUTLAST_HOME": home.root},
    )
    options = settings.options("mcp", background=True)
    assert (options.home, options.trigger, options.background) == (home, "mcp", True)
    assert (options.max_running, options.path, options.env_pass, options.allow_command) == (3, "/bin", ("A",), True)
    assert options.directories == (Path(home.workflows), Path("/w"))


def test_what_servers_leave_of_old_executions_is_what_the_settings_say(home: Home) -> None:
    place = {"OUTLAST_HOME": home.root}
    assert read_settings({}, place).options("mcp", background=True).retention is None, "nothing goes by default"
    write_config(home, 'keep_days = 30\nkeep_bytes = "2GB"\nkeep_rows = true\narchive_dir = "/archive"\n')
    options = read_settings({"keep_failed_factor": "3"}, place).options("mcp", background=True)
    assert options.retention == Limits(
        max_age=30 * 86_400_000_000, max_bytes=2 * 10**9, failed_factor=3, logs_only=True
    )
    assert options.archive_directory == Path("/archive")
