"""What every text of the project keeps out, and what must stand in two places alike."""

import io
import os
import re
import subprocess
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

KEPT_OUT = {
    "a path of somebody's machine": re.compile(r"(?<![\w.~-])/(?:root|work)/"),
    "a registry's address": re.compile(r"\bpypi\.org|\bpythonhosted\.org|\bregistry\.npmjs\.|\bnpmjs\.(?:org|com)"),
    "something left open": re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b"),
}

EXCUSE = re.compile(
    r"#\s*(?:noqa(?P<codes>:\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|(?:type|pyright):\s*ignore(?P<rules>\[[^]]+\])?)"
)
"""A comment that silences a checker."""


def files() -> Iterator[Path]:
    """The files of the project: what git knows or would add; without git, all that .gitignore does not name."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        yield from (ROOT / name for name in os.fsdecode(listed).split("\0") if name and (ROOT / name).is_file())
    except (FileNotFoundError, subprocess.CalledProcessError):
        ignored = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines())]
        for folder, subfolders, names in os.walk(ROOT):
            subfolders[:] = [name for name in subfolders if not any(fnmatch(name, each) for each in ignored)]
            yield from (Path(folder, name) for name in names if not any(fnmatch(name, each) for each in ignored))


def texts() -> dict[Path, str]:
    """The text files of the project: path below its root → content."""
    found: dict[Path, str] = {}
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found[path.relative_to(ROOT)] = data.decode("utf-8")
    return found


@pytest.fixture(scope="module")
def project() -> dict[Path, str]:
    found = texts()
    assert Path("pyproject.toml") in found
    return found


@pytest.mark.parametrize("what", KEPT_OUT)
def test_no_text_holds(project: dict[Path, str], what: str) -> None:
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in project.items()
        for number, line in enumerate(text.splitlines(), 1)
        if KEPT_OUT[what].search(line)
    ]
    assert not found, what


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of somebody's machine", "see /" + "root/x"),
        ("a registry's address", "https://files.python" + "hosted.org/packages"),
        ("something left open", "# TO" + "DO: later"),
    ],
)
def test_what_is_kept_out_would_be_found(what: str, text: str) -> None:
    assert KEPT_OUT[what].search(text)


def unexcused(source: str) -> list[str]:
    """The comments that silence a checker without naming its rule and, in words, the reason."""
    found: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (excuse := EXCUSE.search(token.string)):
            named = excuse["codes"] or excuse["rules"]
            beside = token.string[: excuse.start()] + token.string[excuse.end() :]
            if not named or len(re.findall(r"[A-Za-z]{2,}", beside)) < 2:
                found.append(f"{token.start[0]}: {token.string}")
    return found


def test_whoever_silences_a_checker_says_why(project: dict[Path, str]) -> None:
    found = [
        f"{path}:{comment}"
        for path, text in project.items()
        if path.suffix in (".py", ".pyi")
        for comment in unexcused(text)
    ]
    assert not found


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ("x = 1  # noqa", False),
        ("x = 1  # noqa: BLE001", False),
        ("x = 1  # type: ignore", False),
        ("x = 1  # pyright: ignore[reportPrivateUsage]", False),
        ("x = 1  # noqa: BLE001, S110 - the caller reports whatever it was", True),
        ("x = 1  # type: ignore[attr-defined]  # the library has no types", True),
        ("x = '# noqa'", True),
    ],
)
def test_a_reason_is_words(line: str, accepted: bool) -> None:
    assert (unexcused(line + "\n") == []) is accepted


def test_the_readme_and_ci_run_the_same_test_command() -> None:
    commands = re.findall(r"^python3 -m venv \.venv &&.*pytest$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert len(commands) == 1, "one line of .ci/run is the README's test command"
    assert commands[0] in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_the_changelog_has_an_entry() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (?:\[?Unreleased\]?|\[?\d+\.\d+\.\d+\]?)", text, re.MULTILINE)
    assert re.search(r"^[-*] \w", text, re.MULTILINE)
