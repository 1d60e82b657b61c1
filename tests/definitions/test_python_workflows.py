"""`python: module:function` calls the function in its own interpreter, with nothing but the standard library."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import outlast.workflow

SOURCE = Path(outlast.workflow.__file__).parent


def python39() -> str | None:
    """A Python 3.9 that starts: on the path, or installed beside this one."""
    beside = Path(sys.base_prefix).parent.glob("*3.9*/bin/python3.9")
    for python in filter(None, (shutil.which("python3.9"), *map(str, beside))):
        if subprocess.run([python, "-c", ""], capture_output=True, timeout=60).returncode == 0:
            return python
    return None


OLDEST = python39()


class Workflow:
    """A project directory, and a copy of the code that a child gets on its path."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.project.mkdir()
        self.library = root / "library"
        shutil.copytree(SOURCE, self.library / "outlast/workflow")
        self.output = root / "output.json"
        self.env: dict[str, str] = {}

    def write(self, text: str) -> None:
        (self.project / "flow.py").write_text(text)

    def call(
        self, target: str = "flow:main", params: object = None, python: str = sys.executable, output: bool = True
    ) -> subprocess.CompletedProcess[str]:
        params_file = self.library.parent / "params.json"
        params_file.write_text(json.dumps({} if params is None else params))
        env = {"PATH": os.defpath, "PYTHONPATH": str(self.library), "OUTLAST_PARAMS": str(params_file), **self.env}
        if output:
            env["OUTLAST_OUTPUT"] = str(self.output)
        return subprocess.run(
            [python, "-m", "outlast.workflow", target],
            cwd=self.project, env=env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    return Workflow(tmp_path)


def test_parameters_are_keyword_arguments_and_a_dict_is_the_output(workflow: Workflow) -> None:
    workflow.write("def main(name, n=1, **rest):\n    print('hello', name)\n    return {'n': n + 1, 'rest': rest}\n")
    result = workflow.call(params={"name": "å", "n": 5, "more": [1, None]})
    assert (result.returncode, result.stdout, result.stderr) == (0, "hello å\n", "")
    assert json.loads(workflow.output.read_text()) == {"n": 6, "rest": {"more": [1, None]}}
    assert [path.name for path in workflow.output.parent.glob("output*")] == ["output.json"]


def test_the_code_is_in_the_syntax_of_python_3_9() -> None:
    for path in SOURCE.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.skipif(OLDEST is None, reason="there is no python3.9 on this machine")
def test_older_interpreters_work_too(workflow: Workflow) -> None:
    assert OLDEST is not None
    workflow.write("import sys\ndef main():\n    return {'version': list(sys.version_info[:2])}\n")
    result = workflow.call(python=OLDEST)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(workflow.output.read_text()) == {"version": [3, 9]}


def test_nothing_but_the_standard_library_is_needed(workflow: Workflow) -> None:
    workflow.write("import sys\ndef main():\n    print([m for m in sys.modules if m.startswith('outlast')])\n")
    result = subprocess.run(
        [sys.executable, "-S", "-m", "outlast.workflow", "flow:main"],
        cwd=workflow.project, env={"PYTHONPATH": str(workflow.library)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.stdout.count("outlast") == 4, result.stderr


def test_no_output_is_written_for_none(workflow: Workflow) -> None:
    workflow.write("def main(): pass\n")
    assert workflow.call().returncode == 0
    assert not workflow.output.exists()
    workflow.write("def main(): return {}\n")
    assert workflow.call(output=False).returncode == 0


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1]", "flow:main returned list; return a dict, which becomes the output, or None"),
        ("{'a': object()}", "what flow:main returned cannot be written as JSON: Object of type object"),
        ("{'a': float('nan')}", "what flow:main returned cannot be written as JSON: Out of range"),
    ],
)
def test_a_result_that_is_no_output_is_an_error(workflow: Workflow, expression: str, message: str) -> None:
    workflow.write(f"def main():\n    print('done')\n    return {expression}\n")
    result = workflow.call()
    assert (result.returncode, result.stdout) == (2, "done\n")
    assert result.stderr.startswith(f"outlast: {message}")
    assert not workflow.output.exists()


@pytest.mark.parametrize(
    ("target", "params", "message"),
    [
        ("flow:main", {"b": 1}, "flow:main(a) does not fit the workflow's parameters: "),
        ("flow:main", {}, "missing a required argument: 'a' (parameters: none)"),
        ("flow:other", {}, "has no other"),
        ("flow:VALUE", {}, "flow:VALUE is not a function"),
        ("flow", {}, "flow is not package.module:function"),
        ("flow:main", [], "are not a JSON object"),
    ],
)
def test_a_function_that_cannot_be_called_is_said_in_one_line(
    workflow: Workflow, target: str, params: object, message: str
) -> None:
    workflow.write("VALUE = 5\ndef main(a): pass\n")
    result = workflow.call(target, params)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_exception_leaves_with_its_traceback(workflow: Workflow) -> None:
    workflow.write("def main():\n    print('before')\n    raise ValueError('went wrong')\n")
    result = workflow.call()
    assert (result.returncode, result.stdout) == (1, "before\n")
    assert result.stderr.rstrip().endswith("ValueError: went wrong")
    assert "flow.py" in result.stderr
    assert "During handling" not in result.stderr
    workflow.write("import nosuchmodule\n")
    assert "No module named 'nosuchmodule'" in workflow.call().stderr
    workflow.write("def main():\n    raise TypeError('own')\n")
    assert workflow.call().returncode == 1
    workflow.write("import sys\ndef main(): sys.exit(7)\n")
    assert workflow.call().returncode == 7


def test_async_functions_are_awaited(workflow: Workflow) -> None:
    workflow.write("import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    return {'a': 1}\n")
    assert workflow.call().returncode == 0
    assert json.loads(workflow.output.read_text()) == {"a": 1}


def test_secrets_come_from_their_variables(workflow: Workflow) -> None:
    workflow.write("def main(api_token, stars): return {'got': [api_token == 'hunter2', stars]}\n")
    workflow.env = {"PARAM_API_TOKEN": "hunter2", "PARAM_STARS": "***"}
    assert workflow.call(params={"api_token": "***", "stars": "***"}).stderr == ""
    assert json.loads(workflow.output.read_text()) == {"got": [True, "***"]}


def test_lines_are_written_as_they_come(workflow: Workflow) -> None:
    # os._exit throws away whatever is still in a buffer.
    workflow.write("import os\ndef main():\n    print('one')\n    os._exit(9)\n")
    result = workflow.call()
    assert (result.returncode, result.stdout) == (9, "one\n")


def test_packages_and_methods_are_found_from_the_working_directory(workflow: Workflow) -> None:
    package = workflow.project / "pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "mod.py").write_text("class Job:\n    @staticmethod\n    def run(): return {'file': __file__}\n")
    assert workflow.call("pkg.mod:Job.run").stderr == ""
    assert json.loads(workflow.output.read_text()) == {"file": str(package / "mod.py")}
    # Even where the interpreter is told not to look there by itself.
    workflow.env = {"PYTHONSAFEPATH": "1"}
    assert workflow.call("pkg.mod:Job.run").returncode == 0
