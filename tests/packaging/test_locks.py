"""The lock files: versions and hashes, no addresses, and true to pyproject.toml."""

import re
import tomllib

import pytest
from environments import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENTRY = re.compile(r"^(?P<requirement>[A-Za-z0-9][^\\\n]*?) \\\n(?P<hashes>(?:    --hash=[^\n]*\n)*)", re.MULTILINE)
HASHES = re.compile(r"(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+")


def text_of(lock: str) -> str:
    return (ROOT / lock).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    """The locked version of every distribution."""
    found: dict[str, str] = {}
    for entry in ENTRY.finditer(text_of(lock)):
        requirement = Requirement(entry["requirement"])
        [specifier] = requirement.specifier
        assert specifier.operator == "=="
        found[canonicalize_name(requirement.name)] = specifier.version
    return found


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_entry_has_a_version_and_hashes_and_nothing_names_an_address(lock: str) -> None:
    text = text_of(lock)
    assert all(HASHES.fullmatch(entry["hashes"]) for entry in ENTRY.finditer(text))
    rest = [line for line in ENTRY.sub("", text).splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert not rest, "every line is an entry, a hash or a comment"
    assert "://" not in text
    assert not re.search(r"--(?:index-url|extra-index-url|find-links|trusted-host)\b", text)
    assert "uv pip compile --universal --generate-hashes --no-emit-index-url" in text.splitlines()[1]
    assert text.splitlines()[1].endswith(f"pyproject.toml -o {lock}")


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["dependencies"]),
        ("requirements-dev.lock", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_the_lock_satisfies_every_range_of_pyproject(lock: str, wanted: list[str]) -> None:
    locked = pins(lock)
    for requirement in map(Requirement, wanted):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock}"
        assert version in requirement.specifier


def test_what_is_tested_is_what_is_locked_for_users() -> None:
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert runtime.items() <= dev.items()


def test_the_build_backend_is_locked_too() -> None:
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    locked = pins("requirements-dev.lock")
    for requirement in map(Requirement, build_system["requires"]):
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier
