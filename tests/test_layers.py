"""Imports run one way: what import-linter checks is checked to be checked, and what it cannot say is said here."""

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("server", "storage", "tools")
PACKAGES = {path.name: path for source in SOURCES for path in (ROOT / source / "outlast").iterdir() if path.is_dir()}

ALONE = {"kernel": {"kernel"}, "supervisor": {"supervisor", "kernel"}, "workflow": {"workflow"}}
"""Packages that run in processes of their own, without site-packages → the packages of ours they may import."""

SQL = re.compile(
    r"\bSELECT\b.+\bFROM\b|\bINSERT\s+(OR\s+\w+\s+)?INTO\b|\bUPDATE\s+\w+\s+SET\b|\bDELETE\s+FROM\b"
    r"|\bCREATE\s+(TABLE|INDEX|TRIGGER|VIEW)\b|\bPRAGMA\s+\w+",
    re.DOTALL,
)

LINT = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True))
"""

WRONG = {
    "storage/outlast/storage": ["outlast.runtime", "pydantic"],
    "storage/outlast/kernel": ["outlast.supervisor"],
    "server/outlast/supervisor": ["outlast.storage"],
    "server/outlast/workflow": ["outlast.kernel"],
    "server/outlast/definitions": ["outlast.workflow", "sqlite3"],
    "server/outlast/runtime": ["outlast.tools", "aiosqlite", "mcp", "pydantic"],
    "tools/outlast/tools": ["outlast.server", "sqlite3"],
}
"""Imports that must not be: by folder, what is imported from there."""


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over a tree, and over that tree alone: `-S` keeps out the installed copy."""
    paths = [*(str(tree / source) for source in SOURCES), sysconfig.get_path("purelib")]
    return subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {paths!r}{LINT}"],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources and of the contracts."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for source in SOURCES:
        shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_layers_hold(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_wrong_import_is_found(tree: Path) -> None:
    for folder, imports in WRONG.items():
        (tree / folder / "wrong.py").write_text("".join(f"import {name}\n" for name in imports))
    result = lint(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    text = " ".join(result.stdout.split())
    for folder, imports in WRONG.items():
        for name in imports:
            assert f"outlast.{Path(folder).name}.wrong -> {name} (l." in text


def test_a_package_without_a_layer_is_found(tree: Path) -> None:
    (tree / "server/outlast/extra").mkdir()
    (tree / "server/outlast/extra/__init__.py").touch()
    result = lint(tree)
    assert result.returncode == 1
    assert "not listed as layers: - outlast.extra" in " ".join(result.stdout.split())


def imports_of(file: Path) -> Iterator[str]:
    """Every dotted name that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_bytes(), file)):
        match node:
            case ast.Import(names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{name.name}" for name in names) if module == "outlast" else (module,)
            case ast.ImportFrom(level=level):
                assert level == 0, f"{file}:{node.lineno}: write imports from outlast on"
            case _:
                pass


@pytest.mark.parametrize("package", ALONE)
def test_what_runs_in_a_process_of_its_own_needs_only_the_standard_library(package: str) -> None:
    files = sorted(PACKAGES[package].rglob("*.py"))
    assert files, f"outlast.{package} has no code"
    foreign = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in imports_of(file)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not (name.startswith("outlast.") and name.split(".")[1] in ALONE[package])
    ]
    assert not foreign


@pytest.mark.parametrize("package", sorted(PACKAGES.keys() - {"kernel", "storage"}))
def test_only_kernel_and_storage_write_sql(package: str) -> None:
    written = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted(PACKAGES[package].rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_bytes(), file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)
    ]
    assert not written
    assert not list(PACKAGES[package].rglob("*.sql"))


def test_the_namespace_stays_open() -> None:
    """An __init__.py in one of the three portions would hide the other two."""
    assert not [path for source in SOURCES for path in (ROOT / source).glob("outlast/__init__.py")]
    assert not [path for source in SOURCES for path in (ROOT / source).glob("*.py")]
