"""Parameters are checked before anything starts, and arrive with the types they came with."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.definitions.builtin import COMMAND
from outlast.definitions.loading import load_text
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.parameter import Parameter
from outlast.definitions.parameters import check_params, parse_cli_params
from outlast.kernel.errors import InvalidInput, UnknownParameter
from outlast.kernel.plan import Json

DEFINITION = load_text(
    """
id: release
run: [a]
params:
  target: {enum: [staging, production], default: staging, description: Where to}
  count: {type: integer, min: 1, max: 10, default: 3}
  ratio: {type: number, required: false}
  force: {type: boolean, default: false}
  files: {type: list, required: false, max_length: 3}
  options: {type: object, required: false}
  tag: {pattern: "v[0-9]+", required: false, max_length: 5}
  token: {secret: true, required: false, min_length: 5, pattern: "[a-z0-9]+"}
""",
    ".yaml",
)
DEFAULTS: dict[str, Json] = {"target": "staging", "count": 3, "force": False}


def refused(given: dict[str, Json], definition: WorkflowDefinition = DEFINITION) -> str:
    with pytest.raises(InvalidInput) as caught:
        check_params(definition, given)
    assert caught.value.next == "list_workflows"
    return caught.value.message


@pytest.mark.requirement("S3-2")
def test_types_are_kept_and_defaults_filled_in() -> None:
    given: dict[str, Json] = {"count": 5, "ratio": 2, "files": ["a", 1], "options": {"a": [None, True]}, "tag": "5"}
    given["tag"] = "v5"
    assert check_params(DEFINITION, given) == {**DEFAULTS, **given}
    assert check_params(DEFINITION, {}) == DEFAULTS
    assert isinstance(check_params(DEFINITION, {"ratio": 2})["ratio"], int)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("count", "5", 'params.count must be an integer, not a string ("5")'),
        ("count", True, "params.count must be an integer, not true or false (true)"),
        ("count", 5.0, "params.count must be an integer, not a number (5.0)"),
        ("count", None, "params.count must be an integer, not null"),
        ("count", 11, "params.count must be 10 or less, not 11"),
        ("count", 0, "params.count must be 1 or more, not 0"),
        ("count", 2**63, "params.count is an integer that does not fit into 64 bits"),
        ("ratio", True, "params.ratio must be a number, not true or false (true)"),
        ("ratio", math.nan, "params.ratio is NaN or Infinity, which JSON does not know"),
        ("options", {"a": [math.inf]}, "params.options.a[0] is NaN or Infinity, which JSON does not know"),
        ("options", {"a\nb\x1b": "\0"}, 'params.options["a\\nb\\u001b"] holds a NUL character'),
        ("force", "true", 'params.force must be true or false, not a string ("true")'),
        ("files", "a", 'params.files must be a list, not a string ("a")'),
        ("files", "\x7f\u200b\U000e0001", r'params.files must be a list, not a string ("\u007f\u200b\udb40\udc01")'),
        ("files", [1, 2, 3, 4], "params.files must have at most 3 items, not 4"),
        ("target", "prod", 'params.target must be one of "staging", "production", not "prod"'),
        ("tag", "xv5", 'params.tag must match v[0-9]+ as a whole; "xv5" does not'),
        ("tag", "v12345", "params.tag must have at most 5 characters, not 6"),
        ("tag", "v\ud800", "params.tag holds half of a surrogate pair, which is not valid Unicode"),
        ("tag", "v\0", "params.tag holds a NUL character"),
        ("tag", "x" * 65_537, "params.tag has 65,537 bytes; the limit for one value is 65,536 (64 KiB)"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(name: str, value: Json, sentence: str) -> None:
    message = refused({name: value})
    assert message.startswith(sentence)
    assert "\n" not in message


def test_an_unknown_parameter_names_the_ones_there_are() -> None:
    with pytest.raises(UnknownParameter) as caught:
        check_params(DEFINITION, {"traget": "staging"})
    assert caught.value.message == (
        '"traget" is not a parameter of release: did you mean target? '
        "it has target, count, ratio, force, files, options, tag, token"
    )
    none = WorkflowDefinition.model_validate({"id": "x", "run": ["a"]})
    assert refused({"a": 1}, none) == '"a" is not a parameter of x: it has none'


def test_a_missing_parameter_says_what_is_wanted() -> None:
    definition = load_text('{"id": "x", "run": ["a"], "params": {"n": {"type": "integer", "description": "How many"}}}')
    assert refused({}, definition) == "params.n is missing: integer (How many)"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("target", "staging|production"),
        ("count", "integer 1..10"),
        ("ratio", "number"),
        ("files", "list of up to 3 items"),
        ("tag", "string of up to 5 characters matching v[0-9]+"),
        ("token", "secret string of 5 or more characters matching [a-z0-9]+"),
    ],
)
def test_what_is_accepted_is_said_in_few_words(name: str, words: str) -> None:
    assert DEFINITION.params[name].accepts == words


def test_values_that_could_be_taken_for_others_are_quoted_and_long_lists_are_cut() -> None:
    values: list[Json] = ["a-b", "5", "true", "", "a b", 5, True]
    assert Parameter(enum=values).accepts == 'a-b|"5"|"true"|""|"a b"|5|true'
    assert Parameter(enum=list(range(30))).accepts.endswith("|18|19|…")
    assert Parameter(pattern="a" * 100).accepts == f"string matching {'a' * 60}…"


def test_all_problems_are_in_one_message() -> None:
    lines = refused({"nope": 1, "count": "x", "target": "y"}).splitlines()
    assert lines[0] == "release was not started, 3 problems:"
    assert len(lines) == 4


def test_all_values_together_are_limited() -> None:
    params = {f"p{n}": {"type": "string"} for n in range(5)}
    definition = WorkflowDefinition.model_validate({"id": "x", "run": ["a"], "params": params})
    big: dict[str, Json] = dict.fromkeys(list(params)[:4], "x" * 65_536)
    assert check_params(definition, {**big, "p4": ""})
    assert refused({**big, "p4": "y"}, definition) == (
        "params have 262,145 bytes in all; the limit is 262,144 (256 KiB)"
    )


@pytest.mark.parametrize(
    "value", ["hunt", "HUNTER2-HUNTER2", 20252025, ["hunter2"], {"hunter2": math.nan}, "hunter2\0"]
)
def test_a_secret_is_never_repeated_in_an_error(value: Json) -> None:
    message = refused({"token": value, "count": "x"}).lower()
    assert "params.token" in message
    assert "hunt" not in message
    assert "2025" not in message


def test_a_deep_value_is_refused() -> None:
    deep: Json = []
    for _ in range(5000):
        deep = [deep]
    assert "is nested deeper than 32 levels" in refused({"files": deep})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*DEFINITION.params, "other"]), JSON_VALUES, max_size=4))
def test_what_passes_can_be_written_as_utf8_json_and_passes_again(given: dict[str, Json]) -> None:
    try:
        values = check_params(DEFINITION, given)
    except InvalidInput as error:
        error.message.encode()
        return
    assert json.loads(json.dumps(values, ensure_ascii=False, allow_nan=False).encode()) == values
    assert check_params(DEFINITION, values) == values


def test_words_of_the_command_line_are_converted_by_the_declared_type() -> None:
    words = [
        "target=production",
        "count=5",
        "ratio=1e2",
        "force=yes",
        "files=a",
        "files=b=c",
        'options={"a": 1}',
        "tag=",
    ]
    assert parse_cli_params(DEFINITION, words) == {
        "target": "production", "count": 5, "ratio": 100.0, "force": True,
        "files": ["a", "b=c"], "options": {"a": 1}, "tag": "",
    }  # fmt: skip
    assert parse_cli_params(DEFINITION, ['files=["a", 1]']) == {"files": ["a", 1]}
    assert parse_cli_params(DEFINITION, ["tag=5"]) == {"tag": "5"}


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("count", '"count" is no parameter: write name=value'),
        ("count=five", 'params.count must be an integer, not "five"'),
        ("count=5.0", 'params.count must be an integer, not "5.0"'),
        (f"count={'9' * 5000}", "params.count must be an integer"),
        ("ratio=many", 'params.ratio must be a number, not "many"'),
        ("force=maybe", 'params.force must be true or false, not "maybe"'),
        ("options={a}", 'params.options must be an object as JSON, not "{a}"'),
        ("files=" + "[" * 100_000, "params.files must be a list as JSON"),
        ("cuont=5", "did you mean count?"),
    ],
)
def test_words_that_do_not_fit_are_refused(word: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_cli_params(DEFINITION, [word])
    assert sentence in caught.value.message


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"params\.count is given twice"):
        parse_cli_params(DEFINITION, ["count=1", "count=2"])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "params.argv is missing"),
        ({"argv": []}, "params.argv must have at least 1 items"),
        ({"argv": ["make", 5]}, "params.argv[1] must be a string, not an integer"),
        ({"argv": [""]}, "params.argv[0] is empty"),
        ({"argv": ["-x"]}, "params.argv[0] names the program"),
        ({"argv": ["a"], "env": {"N": 5}}, "params.env.N must be a string, not an integer"),
        ({"argv": ["a"], "env": {"A=B": "x"}}, 'params.env["A=B"] is not a variable\'s name'),
        ({"argv": ["a"], "env": {"OUTLAST_STEP": "x"}}, "params.env.OUTLAST_STEP is set by Outlast itself"),
    ],
)
def test_the_built_in_command_checks_its_parameters(given: dict[str, Json], sentence: str) -> None:
    assert sentence in refused(given, COMMAND)
