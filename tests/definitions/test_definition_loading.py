"""Workflow files load as written, or say everything that is wrong with them."""

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from outlast.definitions import yaml_reader
from outlast.definitions.durations import parse_duration
from outlast.definitions.loading import load_file, load_text
from outlast.definitions.model import LATER, WorkflowDefinition
from outlast.definitions.values import canonical_json
from outlast.kernel.errors import InvalidDefinition

YAML = """\
id: release
name: Build and release
params:
  target: {type: string, enum: [staging, production], default: staging}
  count: {type: integer, min: 1, default: 3}
run: [./release.sh, "--target=${{ params.target }}"]
timeout: 1h30m
concurrency: {key: "release-${{ params.target }}"}
"""
TOML = """\
id = "release"
name = "Build and release"
run = ["./release.sh", "--target=${{ params.target }}"]
timeout = 5400

[params.target]
type = "string"
enum = ["staging", "production"]
default = "staging"

[params.count]
type = "integer"
min = 1
default = 3

[concurrency]
key = "release-${{ params.target }}"
"""


def problems(text: str, suffix: str = ".yaml") -> str:
    """The message of a definition that does not load."""
    with pytest.raises(InvalidDefinition) as caught:
        load_text(text, suffix, "flow.yaml")
    message = caught.value.message
    for jargon in ("pydantic", "validation error", "input_value", "https://", "type=", "Traceback"):
        assert jargon not in message
    return message


def one_step(text: str) -> str:
    return f"id: x\nrun: [a]\n{text}"


@pytest.mark.requirement("S0-8")
def test_the_three_formats_and_the_canonical_form_give_one_version() -> None:
    from_yaml = load_text(YAML, ".yaml")
    assert from_yaml.timeout == 5400
    assert load_text(TOML, ".toml") == from_yaml
    assert load_text(from_yaml.canonical()) == from_yaml
    assert load_text(TOML, ".toml").version_hash() == from_yaml.version_hash()


@pytest.mark.requirement("S0-8")
def test_layout_and_written_out_defaults_are_the_same_version_but_any_change_of_meaning_is_another() -> None:
    first = load_text("id: x\nrun: [a, b]\n", ".yaml")
    assert (
        first.version_hash() == load_text("{run: ['a', \"b\"], id: x, status: active, env: {}}", ".yaml").version_hash()
    )
    versions = {
        load_text(text, ".yaml").version_hash()
        for text in ("id: x\nrun: [a, b]", "id: x\nrun: [a, c]", "id: x\nshell: a b", "id: x\nrun: [a, b]\ntimeout: 1")
    }
    assert len(versions) == 4


def test_a_problem_names_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text("id: flow\nparams:\n  size:\n    type: integr\nrun: [echo]\n")
    with pytest.raises(InvalidDefinition) as caught:
        load_file(path)
    assert caught.value.message == (
        f"{path}: line 4: params.size.type must be one of string, integer, number, boolean, list, object"
    )
    assert caught.value.next == f"outlast workflows validate {path}"


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    message = problems(
        "id: X Y\n"
        "nme: x\n"
        "params:\n"
        "  a: {type: string, default: 5}\n"
        "  b: {type: integer, min: high}\n"
        "  key: {secret: true}\n"
        "env: {PORT: 80, OTHER: '${{ params.nobody }}'}\n"
        "run: [go, 7, '${{ params.key }}']\n"
        "timeout: soon\n"
    )
    lines = message.splitlines()
    assert lines[0] == "flow.yaml has 9 problems:"
    places = [line.split(": ")[0].strip() for line in lines[1:]]
    assert places == [f"line {n}" for n in (1, 2, 4, 5, 7, 7, 8, 8, 9)]
    assert "did you mean name?" in lines[2]
    assert "nobody" in message
    assert "run[2] would show the secret key" in message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n "id": "x",\n "run": [\n  "a",\n  5\n ]\n}', "line 5: run[1] must be text"),
        ('{"id": "x", "shell": "{[,:\\"",\n "env": {"A": {}}}', "line 2: env.A must be text, not an object"),
        ('{"id": "x",\n"id": "y", "shell": "a"}', "line 1: id appears twice"),
        ('{"id": "x",\n "shell": }', "line 2: is not valid JSON"),
    ],
)
def test_json_problems_have_lines_too(text: str, place: str) -> None:
    assert place in problems(text, ".json")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('id = "x"\nrun = ["a"]\n[params.size]\ntype = "strin"', "line 4: params.size.type must be one of"),
        ('id = "x"\nrun = ["a"]\nenv.DAY = 2024-01-01', "line 3: env.DAY is of a kind that JSON does not know (date)"),
        ('id = "x"\nid = "y"', "line 2: is not valid TOML"),
    ],
)
def test_toml_problems_have_lines_too(text: str, place: str) -> None:
    assert place in problems(text, ".toml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("env: {COUNTRY: no}", 'must be text, but YAML reads no as true or false; write "no" in quotes'),
        ("env: {PORT: 8080}", 'must be text, but YAML reads 8080 as an integer; write "8080" in quotes'),
        ("env: {AT: 12:30}", "is read by YAML as a number in base 60"),
        ("timeout: 1:30", "is read by YAML as a number in base 60"),
        ("env: {MODE: 0755}", "is read by YAML as an octal number"),
        ("labels: {day: 2024-01-01}", "is read by YAML as a date"),
        ("on: push", "line 3: on is a key that YAML reads as true or false"),
        ("labels: {1: one}", "is a key that YAML reads as a number"),
        ("id: y", "line 3: id appears twice (first on line 1)"),
        ("labels: &all {a: b}", "uses an anchor or alias"),
        ("labels: {<<: {a: b}}", "is not supported; write the values out"),
        ("name: !!python/name:os.system x", "has the tag python/name:os.system, which is not supported"),
        ("labels: " + "[" * 5000, "is nested deeper than 32 levels"),
        ("name: a\n---\nid: b", "holds more than one YAML document"),
        ("params: {a: {type: number, default: .inf}}", "is NaN or Infinity"),
        ("params: {a: {type: integer, default: 99999999999999999999}}", "does not fit into 64 bits"),
        ('name: "a\\0b"', "holds a NUL character"),
        ("env:", "env must be a mapping of names to values, not empty"),
    ],
)
@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_what_yaml_takes_for_something_else_is_said_plainly(
    text: str, sentence: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(yaml, loader):
        pytest.skip("PyYAML was built without the C library")
    monkeypatch.setattr(yaml_reader, "LOADER", getattr(yaml, loader))
    assert sentence in problems(one_step(text))


@pytest.mark.parametrize("key", sorted(LATER))
def test_keys_of_workflows_with_several_steps_say_that_this_version_runs_one(key: str) -> None:
    message = problems(one_step(f"{key}: [{{id: a}}]"))
    assert message == (
        f"flow.yaml: line 3: {key} belongs to workflows of several steps; "
        "this version runs workflows of one step: run, shell or python"
    )
    assert problems(f"id: x\n{key}: []").count("problem") == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id: x", "says nothing to do"),
        ("id: x\nrun: [a]\nshell: b", "shell cannot stand beside run"),
        ("id: x\nrun: echo hi", "for a line of shell use shell"),
        ("id: x\nrun: []", "run is empty"),
        ("id: x\nrun: ['', b]", "run[0] is empty"),
        ("run: [a]", "id is missing"),
        ("id: ../x\nrun: [a]", "id must consist of lower-case letters"),
        (f"id: {'x' * 65}\nrun: [a]", "at most 64 characters"),
        ("id: x\npython: os.system", 'must name a function as "package.module:function"'),
        ("id: x\npython: m:f\nparams: {a-b: {}}", "cannot be passed to a Python function"),
        ("id: x\nrun: [a]\ninterpreter: python3", "interpreter is for python only"),
        ("id: x\nrun: [a]\nparams: {a-b: {}, a_b: {}}", "params.a_b arrives as PARAM_A_B, as a-b does"),
        ("id: x\nrun: [a]\nparams: {1a: {}}", "params.1a is not a name"),
        ("id: x\nrun: [a]\nenv: {PARAM_A: b}", "env.PARAM_A is set by Outlast itself"),
        ("id: x\nrun: [a]\nenv: {OUTLAST_OUTPUT: b}", "env.OUTLAST_OUTPUT is set by Outlast itself"),
        ("id: x\nrun: [a]\nenv: {A=B: b}", "is not a variable's name"),
        ("id: x\nrun: [a]\nkill_grace: -1", "must lie between 0 and ten years"),
        ("id: x\nrun: [a]\ntimeout: 0", "must be longer than 0"),
        ("id: x\nrun: [a]\ntimeout: true", "must be a duration"),
        ("id: x\nrun: [a]\nstreams: both", "streams must be one of merged, separate"),
        ("id: x\nrun: [a]\nevents: yes", "events must be one of none, markers"),
        ("id: x\nrun: [[a], b]", "run[0] must be text, not a list: the first element names the program"),
        ("id: x\nrun: [a, []]", "run[1] is empty"),
        ("id: x\nrun: [a, [b, 5]]", 'run[1][1] must be text, but YAML reads 5 as an integer; write "5" in quotes'),
        ("id: x\nrun: [a, [b, '${{ params.q }}']]", "run[1][1] names the parameter q"),
        ("id: x\nrun: [a, {b: c}]", "run[1] must be text, not an object"),
        ("id: x\nrun: [a]\nconcurrency: {key: a, on_conflct: queue}", "did you mean on_conflict?"),
        ("id: x\nrun: [a]\nconcurrency: {}", "concurrency.key is missing"),
        ("", "is empty"),
        ("- a", "must be a mapping"),
        ("id: x\n  run: [", "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text: str, sentence: str) -> None:
    message = problems(text)
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        ("{type: integer, default: '5'}", "default must be an integer, not text"),
        ("{type: integer, default: true}", "default must be an integer, not true or false"),
        ("{enum: [a, b], default: c}", 'must be one of "a", "b", not "c"'),
        ("{enum: [a, 5]}", "enum[1] must be text, not an integer"),
        ("{enum: [off, 'on']}", 'enum[0] must be text, not true or false; write "off" in quotes'),
        ("{type: integer, min: 5, default: 4}", "default must be 5 or more"),
        ("{type: integer, min: 5, max: 4}", "min is larger than max"),
        ("{min: 5}", "min is for integers and numbers; this parameter is of type string"),
        ("{type: integer, max_length: 5}", "max_length is for strings and lists"),
        ("{type: boolean, allow_dash: true}", "allow_dash is for strings and lists"),
        ("{pattern: '(?=a)'}", "is not a regular expression that RE2 knows"),
        ("{pattern: '[a-z]+', default: A}", "must match [a-z]+ as a whole"),
        ("{required: true, default: a}", "cannot be true beside a default"),
        ("{default: null}", "default is empty: leave it out"),
        ("{secret: true, type: integer}", "secret is for strings only"),
        ("{secret: true, default: hunter2}", "would keep the secret in the definition"),
        ("{type: strng}", "must be one of string"),
        ("{tpye: string}", "did you mean type?"),
        ("{min_length: -1}", "must be an integer of 0 or more"),
    ],
)
def test_a_parameter_that_cannot_work_does_not_load(parameter: str, sentence: str) -> None:
    message = problems(one_step(f"params: {{p: {parameter}}}"))
    assert "line 3: params.p" in message
    assert sentence in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "run: ['${{ params.no }}']",
            "names the parameter no, which this workflow does not declare (it has a, s, o, l)",
        ),
        ("run: ['x${{ env.HOME }}']", "only ${{ params.NAME }} is known"),
        ("run: ['x${{ params.a']", "is not closed by }}"),
        ("run: [x, '${{ params.s }}']", "run[1] would show the secret s"),
        ("run: [x]\ncwd: '/${{ params.s }}'", "cwd would show the secret s"),
        ("run: [x]\nconcurrency: {key: 'k${{ params.s }}'}", "concurrency.key would show the secret s"),
        ("run: [x, [-s, '${{ params.s }}']]", "run[1][1] would show the secret s"),
        ("run: ['${{ params.o }}']", "run[0] needs o, which may be missing"),
        ("run: [x]\ncwd: '${{ params.o }}'", "cwd needs o, which may be missing"),
        ("run: ['${{ params.l }}']", "a list that may be empty"),
        ("shell: echo ${{ params.a }}", 'is never substituted; write "$PARAM_A"'),
    ],
)
def test_templates_are_checked_when_the_file_is_loaded(text: str, sentence: str) -> None:
    params = "params: {a: {}, s: {secret: true}, o: {required: false}, l: {type: list}}"
    assert sentence in problems(f"id: x\n{params}\n{text}")


def test_a_secret_in_env_loads() -> None:
    definition = load_text("id: x\nrun: [a]\nparams: {s: {secret: true}}\nenv: {T: 'Bearer ${{ params.s }}'}", ".yaml")
    assert definition.env == {"T": "Bearer ${{ params.s }}"}


def test_files_that_are_no_definition_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("id: x\nshell: " + "a" * 1024 * 1024)
    (tmp_path / "latin.yaml").write_bytes(b"id: x\nname: caf\xe9\n")
    (tmp_path / "flow.txt").write_text("id: x")
    (tmp_path / "own.yaml").write_text("id: command\nrun: [a]")
    for name, reason in {
        "big.yaml": "larger than 1,048,576 bytes",
        "latin.yaml": "line 2: is not UTF-8",
        "flow.txt": "must end in .yaml, .yml, .toml, .json",
        "missing.yaml": "does not exist",
        "own.yaml": "the name of a built-in workflow",
    }.items():
        with pytest.raises(InvalidDefinition, match=reason):
            load_file(tmp_path / name)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *((90, 90), ("90", 90), ("1.5", 1.5), ("500ms", 0.5), ("2h", 7200), ("1h30m", 5400), ("3d", 259_200)),
        *((wrong, None) for wrong in ("1m 30s", "h", "-5s", "1e3", "9" * 39, float("inf"), 10**400, None)),
    ],
)
def test_durations(written: object, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ValueError, match=r"duration|between"):
            parse_duration(written)
    else:
        assert parse_duration(written) == seconds


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
PLAIN = TEXT.filter(lambda text: "${{" not in text)


@given(name=st.text("ab ", min_size=1, max_size=9), run=st.lists(PLAIN, min_size=1).filter(lambda run: run[0] != ""),
       default=TEXT, labels=st.dictionaries(TEXT, TEXT, max_size=3))  # fmt: skip
def test_every_definition_survives_its_canonical_form(
    name: str, run: list[str], default: str, labels: dict[str, str]
) -> None:
    definition = WorkflowDefinition.model_validate(
        {"id": "x", "name": name, "run": run, "labels": labels, "params": {"p": {"default": default}}}
    )
    again = load_text(definition.canonical())
    assert again == definition
    assert again.canonical() == definition.canonical() == canonical_json(json.loads(definition.canonical()))


@given(
    st.text(max_size=60) | st.text("{}[]:,&*!|>-?#'\"\n idrun01.", max_size=60),
    st.sampled_from((".yaml", ".toml", ".json")),
)
def test_no_text_breaks_the_loader(text: str, suffix: str) -> None:
    try:
        definition = load_text(text, suffix)
    except InvalidDefinition:
        return
    assert definition.id


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "flow.yaml")
    with pytest.raises(InvalidDefinition, match="is not a regular file"):
        load_file(tmp_path / "flow.yaml")
