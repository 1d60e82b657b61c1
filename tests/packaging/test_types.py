"""Types are part of what users get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from environments import ROOT, SOURCES, Environment

CONSUMER = """
from outlast.kernel.ids import new_id, parse_handle
reveal_type(new_id(1))
reveal_type(parse_handle("#142"))
"""


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions that others may call: those of a module and of its public classes."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_") or node.name.endswith("__"):
                yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body)


def faults(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """What a signature leaves open."""
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
    annotations = {argument.arg: argument.annotation for argument in arguments} | {"return": function.returns}
    for name, annotation in annotations.items():
        if annotation is None:
            if name not in ("self", "cls"):
                yield f"{name} has no type"
        elif any(
            (isinstance(node, ast.Name) and node.id == "Any")
            or (isinstance(node, ast.Attribute) and node.attr == "Any")
            or (isinstance(node, ast.Constant) and isinstance(node.value, str) and "Any" in node.value.split("["))
            for node in ast.walk(annotation)
        ):
            yield f"{name} is Any"


@pytest.mark.requirement("S0-12")
def test_every_public_signature_is_typed_without_any() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{function.lineno}: {function.name}: {fault}"
        for source in SOURCES
        for file in sorted(source.rglob("*.py"))
        for function in public(ast.parse(file.read_bytes(), file).body)
        for fault in faults(function)
    ]
    assert not found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(a: int) -> str: ...", []),
        ("def f(a) -> str: ...", ["a has no type"]),
        ("def f(*a: int, **b): ...", ["b has no type", "return has no type"]),
        ("class C:\n def f(self, a: dict[str, Any]) -> typing.Any: ...", ["a is Any", "return is Any"]),
        ("def _f(a): ...", []),
    ],
)
def test_what_a_signature_leaves_open_would_be_found(code: str, expected: list[str]) -> None:
    assert [fault for function in public(ast.parse(code).body) for fault in faults(function)] == expected


@pytest.mark.requirement("S0-12")
@pytest.mark.parametrize("kind", ["installed", "editable"])
def test_a_type_checker_sees_the_types_of_what_is_installed(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    environment: Environment = request.getfixturevalue(kind)
    (tmp_path / "consumer.py").write_text(CONSUMER)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    result = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", environment.interpreter, "-p", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'Type of "new_id(1)" is "str"' in result.stdout
    assert 'Type of "parse_handle("#142")" is "int | bytes | None"' in result.stdout
