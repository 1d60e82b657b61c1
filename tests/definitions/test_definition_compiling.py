"""A definition and parameters become a plan that depends on nothing outside itself, with its secrets apart."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import cast

import pytest

from outlast.definitions.builtin import COMMAND
from outlast.definitions.compiling import CompileContext, compile_plan
from outlast.definitions.loading import load_text
from outlast.kernel.errors import InvalidInput
from outlast.kernel.plan import Json, Plan, Secrets, StepPlan, decode_plan

SERVER = {
    "HOME": "/home/ada", "USER": "ada", "LOGNAME": "ada", "SHELL": "/bin/zsh", "LANG": "C.UTF-8", "LC_TIME": "sv_SE",
    "TZ": "UTC", "TMPDIR": "/var/tmp", "PATH": "/usr/bin:/bin", "GITHUB_TOKEN": "ghp_secretsecret", "CI": "true",
    "PYTHONPATH": "/elsewhere", "LD_PRELOAD": "/evil.so", "OUTLAST_HOME": "/o", "PARAM_X": "stale",
}  # fmt: skip
BASE = {name: SERVER[name] for name in ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_TIME", "TZ", "TMPDIR", "PATH")}
CONTEXT = CompileContext(
    execution_id="0198c0de-0000-7000-8000-000000000001",
    store_id="store",
    created_at=1_700_000_000_000_000,
    user="ada",
    trigger="cli",
    library="abc123",
    library_path="/home/ada/.outlast/lib/abc123",
    interpreter="/usr/bin/python3",
    environment=SERVER,
    source="/home/ada/flows/flow.yaml",
)


def compiled(
    text: str, params: dict[str, Json] | None = None, context: CompileContext = CONTEXT
) -> tuple[Plan, StepPlan, Secrets]:
    plan, secrets = compile_plan(load_text("id: flow\n" + dedent(text), ".yaml"), params or {}, context)
    assert decode_plan(plan.encode()) == plan
    (step,) = plan.steps
    assert step.id == "run"
    return plan, step, secrets


def argv(params: str, run: str, **given: Json) -> list[str]:
    return compiled(f"params: {params}\nrun: {run}", given)[1].argv


def test_a_child_gets_the_plain_variables_and_nothing_else_of_the_servers() -> None:
    _, step, secrets = compiled("run: [a]")
    assert step.env == {**BASE, "PWD": "/home/ada"}
    assert secrets == Secrets({}, [])


def test_the_setting_path_outranks_the_servers_and_env_outranks_both() -> None:
    context = replace(CONTEXT, path="/opt/bin:/bin")
    assert compiled("run: [a]", context=context)[1].env["PATH"] == "/opt/bin:/bin"
    assert compiled("run: [a]\nenv: {PATH: /mine, HOME: /h}", context=context)[1].env["PATH"] == "/mine"


def test_a_server_without_a_home_variable_takes_it_from_the_user_database() -> None:
    _, step, _ = compiled("run: [a]", context=replace(CONTEXT, environment={}))
    assert Path(step.env["HOME"]).is_absolute()
    assert step.env["PATH"] == os.defpath
    assert step.cwd == step.env["HOME"]


def test_a_variable_that_is_not_utf8_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"environment variable HOME holds half of a surrogate pair"):
        compiled("run: [a]", context=replace(CONTEXT, environment={**SERVER, "HOME": "/home/\udce9"}))


@pytest.mark.parametrize(
    ("cwd", "project", "directory"),
    [
        ("", None, "/home/ada"),
        ("", "/projects/p", "/projects/p"),
        ("cwd: .", None, "/home/ada/flows"),
        ("cwd: sub", "/projects/p", "/home/ada/flows/sub"),
        ("cwd: /abs", None, "/abs"),
        ("cwd: ~/x", None, "/home/ada/x"),
        ("cwd: 'a/${{ params.d }}'", None, "/home/ada/flows/a/dd"),
    ],
)
def test_the_working_directory(cwd: str, project: str | None, directory: str) -> None:
    _, step, _ = compiled(f"run: [a]\nparams: {{d: {{default: dd}}}}\n{cwd}", context=replace(CONTEXT, project=project))
    assert step.cwd == step.env["PWD"] == directory


def test_parameters_arrive_as_variables_for_every_kind_of_step() -> None:
    params = "params: {a-b: {}, N: {type: integer}, l: {type: list}, o: {required: false}, f: {type: boolean}}"
    given: dict[str, Json] = {"a-b": "x y", "N": 5, "l": ["å", 1], "f": True}
    for step in ("run: [a]", "shell: a"):
        env = compiled(f"{params}\n{step}", given)[1].env
        assert {name: value for name, value in env.items() if name.startswith("PARAM_")} == {
            "PARAM_A_B": "x y", "PARAM_N": "5", "PARAM_L": '["å",1]', "PARAM_F": "true",
        }  # fmt: skip


def test_shell_text_is_passed_on_untouched(tmp_path: Path) -> None:
    evil = "$(touch pwned); `touch pwned` \"' ${{ params.p }}"
    plan, step, _ = compiled('shell: printf %s "$PARAM_P"\nparams: {p: {}}', {"p": evil})
    assert step.argv == ["/bin/sh", "-c", 'printf %s "$PARAM_P"']
    result = subprocess.run(
        step.argv, env=step.env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout == evil
    assert list(tmp_path.iterdir()) == []
    assert plan.params == {"p": evil}


def test_an_argument_stays_one_argument_and_is_substituted_once() -> None:
    assert argv("{p: {}}", "[a, 'x ${{params.p}} y', '${{ params.p }}']", p="b c; ${{ params.p }}") == [
        "a", "x b c; ${{ params.p }} y", "b c; ${{ params.p }}",
    ]  # fmt: skip


def test_a_list_becomes_one_argument_per_item_only_where_it_stands_alone() -> None:
    got = argv("{l: {type: list}}", "[a, '${{ params.l }}', 'l=${{ params.l }}', z]", l=["x y", 1, None, ["b"]])
    assert got == ["a", "x y", "1", "null", '["b"]', 'l=["x y",1,null,["b"]]', "z"]
    assert argv("{l: {type: list}}", "[a, '${{ params.l }}', z]", l=[]) == ["a", "z"]


GROUPED = """\
params: {count: {required: false, type: integer}, name: {default: '', allow_dash: true}, l: {type: list, default: []}}
run: [tool, ["--count", "${{ params.count }}"], ["--name=", "${{ params.name }}", x], ["--each", "${{ params.l }}"], z]
"""


@pytest.mark.requirement("S3-10")
@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({}, []),
        ({"count": 0}, ["--count", "0"]),
        ({"count": -5, "name": "-n"}, ["--count", "-5", "--name=", "-n", "x"]),
        ({"name": ""}, []),
        ({"l": ["a b", ""]}, ["--each", "a b", ""]),
        ({"l": []}, []),
    ],
)
def test_a_group_is_left_out_as_a_whole_when_a_parameter_in_it_says_nothing(
    given: dict[str, Json], arguments: list[str]
) -> None:
    assert compiled(GROUPED, given)[1].argv == ["tool", *arguments, "z"]


def test_a_value_in_a_group_becomes_no_option_unless_it_may() -> None:
    with pytest.raises(InvalidInput, match="would become an option"):
        argv("{p: {}}", "[a, ['--p', '${{ params.p }}']]", p="-rf")


def test_what_names_an_optional_parameter_without_a_value_is_left_out() -> None:
    text = (
        "params: {o: {required: false}}\n"
        "run: [a, '--o=${{ params.o }}', '${{ params.o }}', z]\n"
        "env: {O: 'x${{ params.o }}'}"
    )
    _, step, _ = compiled(text)
    assert step.argv == ["a", "z"]
    assert "O" not in step.env
    _, step, _ = compiled(text, {"o": ""})
    assert step.argv == ["a", "--o=", "", "z"]
    assert step.env["O"] == "x"


@pytest.mark.parametrize("value", ["-rf", "--output=/etc/passwd", "-", "-5x", "-5\n", "--5"])
@pytest.mark.parametrize("element", ["${{ params.p }}", "${{ params.e }}${{ params.p }}", "${{ params.p }}.txt"])
def test_a_parameter_cannot_become_an_option(value: str, element: str) -> None:
    with pytest.raises(InvalidInput, match=r"params\.p: .* would become an option of the command"):
        argv("{p: {}, e: {default: ''}}", f"[rm, '{element}']", p=value)
    allowed = argv("{p: {allow_dash: true}, e: {default: ''}}", f"[rm, '{element}']", p=value)
    assert allowed[1].startswith(value)


def test_negative_numbers_and_the_definitions_own_dashes_pass() -> None:
    assert argv("{p: {}, n: {type: integer}}", "[a, '${{ params.p }}', '${{ params.n }}']", p="-1.5e3", n=-5) == [
        "a", "-1.5e3", "-5",
    ]  # fmt: skip
    assert argv("{n: {type: number}}", "[a, '${{ params.n }}%']", n=-5.5) == ["a", "-5.5%"]
    assert argv("{p: {}}", "[a, '-${{ params.p }}', '--x=${{ params.p }}']", p="-y") == ["a", "--y", "--x=-y"]


def test_an_item_of_a_list_cannot_become_an_option() -> None:
    with pytest.raises(InvalidInput, match=r"params\.l: \"-x\" would become an option"):
        argv("{l: {type: list}}", "[a, '${{ params.l }}']", l=["ok", "-x"])
    assert argv("{l: {type: list, allow_dash: true}}", "[a, '${{ params.l }}']", l=["-x"]) == ["a", "-x"]


def test_an_argument_that_no_process_takes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="argument 1 has 180,000 bytes; a process takes at most 131,071"):
        argv("{p: {}}", "[a, '${{ params.p }}${{ params.p }}${{ params.p }}']", p="x" * 60_000)


SECRET = """
params: {t: {secret: true, required: false}, n: {default: '1'}}
run: [a]
env: {AUTH: 'Bearer ${{ params.t }}', N: '${{ params.n }}'}
"""


def test_secrets_are_nowhere_in_the_plan() -> None:
    plan, step, secrets = compiled(
        SECRET, {"t": "hunter2hunter2"}, replace(CONTEXT, env_pass=["GITHUB_TOKEN", "GONE", "CI"])
    )
    data = plan.encode()
    assert b"hunter2" not in data
    assert b"ghp_" not in data
    assert plan.params == {"t": "***", "n": "1"}
    assert plan.secret_params == ["t"]
    assert plan.param_types == {"t": "string", "n": "string"}
    assert step.secret_env == ["AUTH", "CI", "GITHUB_TOKEN", "PARAM_T"]
    assert secrets.env == {
        "run": {
            "AUTH": "Bearer hunter2hunter2", "CI": "true",
            "GITHUB_TOKEN": "ghp_secretsecret", "PARAM_T": "hunter2hunter2",
        }
    }  # fmt: skip
    assert not step.env.keys() & secrets.env["run"].keys()
    # "true" would blank half of every log.
    assert secrets.mask == ["ghp_secretsecret", "hunter2hunter2"]


def test_a_secret_that_was_not_given_leaves_no_trace() -> None:
    plan, step, secrets = compiled(SECRET)
    assert (plan.secret_params, step.secret_env, secrets) == ([], [], Secrets({}, []))
    assert "AUTH" not in step.env


def test_env_outranks_env_pass_and_what_every_child_gets_is_no_secret() -> None:
    context = replace(CONTEXT, env_pass=["GITHUB_TOKEN", "PATH", "HOME"])
    _, step, secrets = compiled("run: [a]\nenv: {GITHUB_TOKEN: public}", context=context)
    assert step.env["GITHUB_TOKEN"] == "public"
    assert step.env["PATH"] == SERVER["PATH"]
    assert secrets.env == {}


def test_a_secret_of_several_lines_is_masked_line_by_line_and_as_json() -> None:
    key = '-----BEGIN KEY-----\nabc"defghi\n-----END KEY-----\n'
    _, _, secrets = compiled(SECRET, {"t": key})
    for text in (key, 'abc"defghi', "-----BEGIN KEY-----", json.dumps(key)[1:-1]):
        assert text in secrets.mask


def test_the_request_hash_tells_requests_apart_and_holds_no_secret() -> None:
    def of(params: dict[str, Json], context: CompileContext = CONTEXT) -> str:
        return compiled(SECRET, params, context)[0].request_hash

    assert of({}) == of({"n": "1"}) == of({}, replace(CONTEXT, execution_id="x", created_at=1, user="b"))
    assert len({of({}), of({"n": "2"}), of({"t": "aaaaaa"}), of({"t": "bbbbbb"})}) == 4
    # The same secret in another store hashes differently: no table of guesses serves two.
    assert of({"t": "aaaaaa"}) != of({"t": "aaaaaa"}, replace(CONTEXT, store_id="other"))


@pytest.mark.requirement("S0-8")
def test_the_plan_holds_the_definition_and_its_hash() -> None:
    plan, _, _ = compiled(
        "run: [a]\ntype: build\nname: Flow\nlabels: {team: core, env: x}", context=replace(CONTEXT, labels={"env": "y"})
    )
    assert hashlib.sha256(plan.definition.encode()).hexdigest() == plan.version_hash
    assert load_text(plan.definition).run == ["a"]
    assert (plan.workflow_id, plan.workflow_name, plan.workflow_type) == ("flow", "Flow", "build")
    assert plan.labels == {"team": "core", "env": "y"}
    assert plan.source == CONTEXT.source


def test_limits_and_the_concurrency_key_are_in_the_plan() -> None:
    text = """
        run: [a]
        params: {e: {default: x}}
        timeout: 2m
        kill_grace: 0
        streams: separate
        concurrency: {key: 'r-${{ params.e }}', on_conflict: reject}
    """
    plan, _, _ = compiled(text)
    assert (plan.timeout, plan.kill_grace, plan.streams) == (120.0, 0.0, "separate")
    assert (plan.concurrency_key, plan.on_conflict) == ("r-x", "reject")
    with pytest.raises(InvalidInput, match=r"concurrency\.key has 502 characters"):
        compiled(text, {"e": "x" * 500})


def test_a_python_step_runs_the_nearest_interpreter(tmp_path: Path) -> None:
    context = replace(CONTEXT, source=str(tmp_path / "flow.yaml"), python="/ours/python", path=f"{tmp_path}/bin")
    text = "python: pkg.mod:func\ncwd: ."
    assert compiled(text, context=context)[1].argv == ["/ours/python", "-m", "outlast.workflow", "pkg.mod:func"]
    for place in (".venv/bin/python", "bin/python3.99"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).symlink_to(sys.executable)
    assert compiled(text, context=context)[1].argv[0] == f"{tmp_path}/.venv/bin/python"
    assert compiled(f"{text}\ninterpreter: python3.99", context=context)[1].argv[0] == f"{tmp_path}/bin/python3.99"
    assert compiled(f"{text}\ninterpreter: bin/python3.99", context=context)[1].argv[0] == f"{tmp_path}/bin/python3.99"
    with pytest.raises(InvalidInput, match="interpreter nosuch is not on the PATH"):
        compiled(f"{text}\ninterpreter: nosuch", context=context)


def test_the_code_library_comes_first_on_the_python_path() -> None:
    assert compiled("python: m:f")[1].env["PYTHONPATH"] == CONTEXT.library_path
    own = compiled("python: m:f\nenv: {PYTHONPATH: /mine}")[1].env["PYTHONPATH"]
    assert own == f"{CONTEXT.library_path}{os.pathsep}/mine"
    passed, step, secrets = compiled("python: m:f", context=replace(CONTEXT, env_pass=["PYTHONPATH"]))
    assert secrets.env["run"]["PYTHONPATH"] == f"{CONTEXT.library_path}{os.pathsep}/elsewhere"
    assert "PYTHONPATH" not in step.env
    assert b"/elsewhere" not in passed.encode()
    assert "PYTHONPATH" not in compiled("run: [a]")[1].env


def test_the_built_in_command_runs_what_it_is_given() -> None:
    params: dict[str, Json] = {"argv": ["make", "-j", "a b"], "env": {"V": "1"}}
    plan, _ = compile_plan(COMMAND, params, replace(CONTEXT, source=None, project="/p"))
    (step,) = plan.steps
    assert (step.argv, step.cwd, step.env["V"]) == (["make", "-j", "a b"], "/p", "1")
    plan, _ = compile_plan(COMMAND, {**params, "cwd": "sub"}, replace(CONTEXT, source=None))
    assert plan.steps[0].cwd == "/home/ada/sub"
    assert cast("list[Json]", plan.params["argv"]) == params["argv"]


def test_wrong_parameters_make_no_plan() -> None:
    with pytest.raises(InvalidInput, match=r"params\.n must be an integer"):
        compiled("run: [a]\nparams: {n: {type: integer}}", {"n": "5"})


def test_what_no_row_can_hold_is_refused_by_the_name_of_its_field() -> None:
    wrong: dict[str, object] = {
        "agent": "a\0",
        "customer": "\ud800",
        "labels": {"a": "\0"},
        "metadata": {"a": float("nan")},
        "idempotency_key": "\0",
    }
    for field, value in wrong.items():
        with pytest.raises(InvalidInput, match=field):
            compiled("run: [a]", context=replace(CONTEXT, **{field: value}))
