"""What users install is whole, and is nothing but `outlast`."""

import ast
import tarfile
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from environments import ROOT, SOURCES, Environment, build, run
from packaging.requirements import Requirement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIST_INFO = f"outlast-{PROJECT['version']}.dist-info"
PACKAGES = ("kernel", "storage", "supervisor", "workflow", "definitions", "runtime", "server", "tools")

WHERE = f"""
from importlib import import_module
for name in {PACKAGES!r}:
    print(import_module("outlast." + name).__file__)
"""


def files_of(folder: Path) -> dict[str, Path]:
    """The files below a folder: path from there → file."""
    return {
        str(file.relative_to(folder)): file
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def source_files() -> dict[str, Path]:
    """The files of the three portions of the namespace: path below `outlast/` → file."""
    return {name: file for source in SOURCES for name, file in files_of(source).items()}


def imported(file: Path) -> set[str]:
    """The top-level names that a Python file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes(), file)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


@pytest.mark.requirement("C5")
def test_the_top_level_is_as_promised() -> None:
    assert {path.name for path in ROOT.iterdir()} >= {
        *("server", "storage", "tools", "tests"),
        *("pyproject.toml", "README.md", "claude_config.example.json", "LICENSE", "CHANGELOG.md"),
    }


def test_the_wheel_puts_nothing_but_outlast_into_site_packages(installed: Environment) -> None:
    assert installed.new_in_site_packages == {"outlast", DIST_INFO}
    assert installed.new_commands == {"outlast"}


def test_the_wheel_holds_every_source_file_and_data_file(installed: Environment) -> None:
    folder = installed.site_packages / "outlast"
    there = {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if "__pycache__" not in file.parts and file.is_file()
    }
    assert there == source_files().keys()
    assert there >= {f"{package}/py.typed" for package in PACKAGES}
    assert any(name.startswith("kernel/migrations/") and name.endswith(".sql") for name in there)
    assert "__init__.py" not in there


def test_every_package_is_imported_from_where_it_was_installed(installed: Environment) -> None:
    for file in installed.python("-I", "-c", WHERE).splitlines():
        assert Path(file).is_relative_to(installed.site_packages)


def test_an_editable_install_is_one_pth_file_and_imports_the_source_tree(editable: Environment) -> None:
    [pth] = editable.new_in_site_packages - {DIST_INFO}
    assert pth.endswith(".pth")
    lines = (editable.site_packages / pth).read_text().split()
    assert sorted(lines) == sorted(str(source.parent) for source in SOURCES)
    assert editable.new_commands == {"outlast"}
    for file in editable.python("-I", "-c", WHERE).splitlines():
        assert Path(file).is_relative_to(ROOT)


def test_the_command_and_python_m_are_the_same(installed: Environment) -> None:
    command = run([str(installed.path / "bin/outlast"), "--help"], cwd=installed.path)
    module = installed.python("-I", "-m", "outlast", "--help")
    assert "Usage: outlast" in command
    assert module.splitlines()[1:] == command.splitlines()[1:]


def test_the_wheel_in_an_empty_environment_does_the_main_job(installed: Environment) -> None:
    said = installed.python("-I", str(ROOT / "tests/packaging/smoke.py"))
    assert said.splitlines()[-1].startswith("holds: ")


def test_the_wheel_is_built_again_from_the_sdist(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "tree", filter="data")
    [tree] = (tmp_path / "tree").iterdir()
    (tmp_path / "wheel").mkdir()
    with zipfile.ZipFile(build("wheel", tmp_path / "wheel", tree)) as again, zipfile.ZipFile(wheel) as first:
        assert {entry.filename: entry.CRC for entry in again.infolist()} == {
            entry.filename: entry.CRC for entry in first.infolist()
        }


def test_the_sdist_holds_what_the_tests_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tests = {str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("*.py")}
    assert names >= tests | {"README.md", "LICENSE", "CHANGELOG.md", "requirements-dev.lock", ".ci/run"}


@pytest.mark.requirement("C4")
def test_the_packages_it_stands_on(pytestconfig: pytest.Config) -> None:
    assert {Requirement(line).name for line in PROJECT["dependencies"]} >= {"mcp", "aiosqlite", "pydantic", "anyio"}
    used = set[str]().union(*(imported(file) for name, file in source_files().items() if name.endswith(".py")))
    assert used >= {"mcp", "aiosqlite", "pydantic", "anyio"}
    assert pytestconfig.pluginmanager.hasplugin("anyio")
    with pytest.raises(PackageNotFoundError):
        version("pytest-anyio")  # an empty placeholder
