"""Every error code that the source can raise is explained, with its exit code, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.kernel import errors
from outlast.kernel.errors import OutlastError
from outlast.server.cli.ending import CODES, ExitCode

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
TOOLS = (ROOT / "docs/tools.md").read_text(encoding="utf-8")
CODE = re.compile(r"[a-z]+(_[a-z]+)*\Z")


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("server", "storage", "tools"):
        for path in sorted((ROOT / folder / "outlast").rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def codes_in(tree: ast.AST) -> Iterator[str]:
    """The texts that a module calls `code`: as an argument, an attribute of a class, a variable, a key."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="code", value=value):
                yield from texts(value)
            case (
                ast.Assign(targets=[ast.Name(id="code")], value=value)
                | ast.AnnAssign(target=ast.Name(id="code"), value=ast.expr() as value)
            ):
                yield from texts(value)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "code":
                        yield from texts(value)
            case _:
                continue


def texts(value: ast.expr) -> Iterator[str]:
    """The texts that an expression can be."""
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=body, orelse=otherwise):
            yield from texts(body)
            yield from texts(otherwise)
        case _:
            return


def raised() -> dict[str, list[str]]:
    """Code → the files that name it."""
    found: dict[str, list[str]] = {}
    for path, tree in sources():
        for code in codes_in(tree):
            if CODE.match(code):
                found.setdefault(code, []).append(str(path.relative_to(ROOT)))
    return found


def rows() -> dict[str, tuple[int, str, str]]:
    """The table of errors: code → exit code, meaning, what to do."""
    section = GUIDE.partition("\n## Errors\n")[2]
    table = re.findall(r"^\| (`[^|]+) \| (\d+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    return {
        code: (int(number), meaning, todo)
        for codes, number, meaning, todo in table
        for code in re.findall(r"`(\w+)`", codes)
    }


@pytest.mark.requirement("S4-16")
def test_every_error_is_explained() -> None:
    found = raised()
    assert len(found) > 20, "the search finds what there is"
    assert {code: files for code, files in found.items() if code not in rows() and f"`{code}`" not in TOOLS} == {}


@pytest.mark.requirement("S4-16")
def test_no_error_is_explained_that_there_is_not() -> None:
    known = set(raised()) | {"internal_error"}
    assert set(rows()) - known == set()
    assert set(re.findall(r"^\| `(\w+)`", TOOLS.partition("## Errors")[2], re.MULTILINE)) - known == set()


def test_the_search_for_codes_finds_all_the_ways_in_which_they_are_written() -> None:
    source = """
class A(E):
    code = "one"
code: str = "two"
raise A("x", code="three" if x else "four")
document = {"code": "five", "message": "six"}
"""
    assert sorted(codes_in(ast.parse(source))) == ["five", "four", "one", "three", "two"]


def kinds() -> list[type[OutlastError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OutlastError)]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_the_exit_code_of_each_kind_of_error_is_right(kind: type[OutlastError]) -> None:
    expected = next((code for each, code in CODES.items() if issubclass(kind, each)), ExitCode.FAILED)
    assert rows()[kind.code][0] == expected


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, heading = target.partition("#")
            other = (page.parent / name) if name else page
            assert other.exists(), f"{page.name}: {target}"
            if heading:
                titles = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
                assert heading in slugs, f"{page.name}: {target}"
