"""Every named statement is used, fits the schema, and reads no more than it must."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import outlast.kernel
from outlast.kernel.queries import load, parse
from outlast.kernel.status import ExecutionStatus
from outlast.storage.history import CONDITIONS, listing
from stored import Hands

KERNEL = Path(outlast.kernel.__file__).parent
SOURCES = [*KERNEL.rglob("*.py"), *(KERNEL.parent / "storage").rglob("*.py")]
SUBJECTS = sorted(path.stem for path in (KERNEL / "sql").glob("*.sql"))
STATEMENTS = {(subject, name): text for subject in SUBJECTS for name, text in load(subject).items()}

LIVE = "the index holds only what is not over"
EVERYTHING = "the check reads everything, and says so"
SCANS = {
    ("claims", "free_slots"): LIVE,
    ("claims", "queue"): LIVE,
    ("reading", "live"): LIVE,
    ("reading", "live_plans"): LIVE,
    ("maintenance", "live_ids"): LIVE,
    ("reading", "unsealed"): "the index holds only what is over and not sealed yet",
    ("executions", "highest_number"): "sqlite_sequence has a row per table",
    ("maintenance", "all_executions"): EVERYTHING,
    ("maintenance", "all_params"): EVERYTHING,
    ("maintenance", "all_payloads"): EVERYTHING,
    ("maintenance", "all_blocks"): EVERYTHING,
    ("maintenance", "without_payload"): EVERYTHING,
    ("maintenance", "count"): EVERYTHING,
    ("retention", "crowded"): "there are few workflows, and each has a counter",
    ("retention", "log_bytes"): "only asked where the size of all logs is limited",
    ("retention", "by_size"): "only asked where the logs are larger than they may be",
    ("texts", "numbers"): EVERYTHING,
    ("texts", "strange"): EVERYTHING,
    ("texts", "fts5"): "the modules of SQLite are few",
}
"""Statements that read a table or an index from one end to the other, and why they may."""
SORTS = {
    ("claims", "queue"): "sorts what waits, which priorities may reorder",
    ("claims", "first_of_key"): "sorts what waits for one key, which priorities may reorder",
    ("reading", "approvals"): "an execution has few gates",
    ("reading", "artifacts"): "an execution has few artifacts",
    ("retention", "by_count"): "sorts the executions of one workflow, of which there are more than stay",
    ("retention", "by_size"): "sorts what is over, where logs have to go",
}
"""Statements that sort what no index has in order, and why they may."""

COMMON = {"completed", "over", "since", "until", "local-run", "label", "printed", "lasting", "from"}
"""Conditions that most executions meet, or that come with one that leaves few. A page of nothing else goes down by
number from the newest and stops when it is full; its total is counted (design: counted for the rest). Every other
condition must be found through an index."""


FOUND = re.compile(r" t VIRTUAL TABLE INDEX \d+:$|^SCAN (t|execution_texts) VIRTUAL TABLE INDEX \d+:[=M]")
"""How SQLite says that it goes through the values of a JSON text, and that it looks something up in a text index."""


def explained(hands: Hands, statement: str) -> Iterator[str]:
    names = set(re.findall(r":([a-z_]+)", statement))
    values = dict.fromkeys(names, 1) if names else [1] * statement.count("?")
    for _, _, _, step in hands.connection.execute("EXPLAIN QUERY PLAN " + statement, values):
        if step != "SCAN CONSTANT ROW" and "json_each" not in step and not FOUND.search(step):
            yield step


def scans(steps: list[str]) -> list[str]:
    return [step for step in steps if step.startswith("SCAN")]


def sorts(steps: list[str]) -> list[str]:
    return [step for step in steps if "TEMP B-TREE" in step]


def test_every_statement_reads_no_more_than_it_must(hands: Hands) -> None:
    assert SCANS.keys() | SORTS.keys() <= STATEMENTS.keys()
    for key, text in STATEMENTS.items():
        if "{" in text:
            continue  # made of conditions; below
        steps = list(explained(hands, text))
        assert bool(scans(steps)) == (key in SCANS), (key, steps)
        assert bool(sorts(steps)) == (key in SORTS), (key, steps)
        if SCANS.get(key) == LIVE:
            assert all(step.endswith("executions_live") for step in scans(steps)), (key, steps)


STATUSES = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)
OPTIONAL = ("workflow", "user", "agent", "customer", "since", "until", "visual", "label", "before")


def filters() -> Iterator[tuple[list[str], dict[str, int | str | None]]]:
    """Every combination of conditions that a listing can be made of, with the values that matter."""
    for *rest, status, mode in itertools.product(
        *([None, name] for name in OPTIONAL),
        [None, "active", "over"],
        [None, *STATUSES],
        [None, "local-run", "cloud-run"],
    ):
        values: dict[str, int | str | None] = {"status": status, "mode": mode}
        names = [name for name in rest if name is not None] + [name for name, value in values.items() if value]
        yield names or ["all"], values
    # Of a search over all logs.
    for *rest, status, lasting in itertools.product(
        *([None, name] for name in ("workflow", "until", "before")), [None, *STATUSES], [(), ("lasting", "from")]
    ):
        names = [name for name in rest if name is not None] + ["status"] * (status is not None)
        yield [*names, "printed", *lasting], {"status": status}
    # By text, with whatever else.
    for *rest, status in itertools.product(
        *([None, name] for name in ("workflow", "user", "label", "since", "until", "before")), [None, *STATUSES]
    ):
        names = [name for name in rest if name is not None] + ["status"] * (status is not None)
        yield [*names, "text"], {"status": status}


@pytest.mark.requirement("S0-9")
def test_every_combination_of_filters_finds_what_it_names_through_an_index(hands: Hands) -> None:
    combinations = list(filters())
    assert {name for names, _ in combinations for name in names} == CONDITIONS.keys()
    for names, values in combinations:
        met = {str(values[name]) if name in values else name for name in names}
        few = met - COMMON - {"all", "before"}
        page = list(explained(hands, listing("numbers", names, values)))
        if few:
            assert [step for step in scans(page) if not step.endswith("executions_live")] == [], (names, page)
        if "before" in met:
            assert scans(page) == [], (names, page)
        # A range of time is found through its own index and then put in the order of numbers.
        assert not sorts(page) or {"since", "until"} <= met, (names, page)
        count = list(explained(hands, listing("count", names, values)))
        if few or {"since", "until"} & met:
            assert [step for step in scans(count) if not step.endswith("executions_live")] == [], (names, count)


def used() -> Iterator[tuple[str, str]]:
    """The statements that the code names: (subject, name); f-strings give every name that fits."""
    for path in SOURCES:
        tree = ast.parse(path.read_bytes(), path)
        constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        subjects: dict[str, str] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Assign([ast.Name(variable)], ast.Call(ast.Name("load"), [ast.Constant(str(subject))])):
                    subjects[variable] = subject
                case _:
                    pass
        for node in ast.walk(tree):
            match node:
                case ast.Subscript(ast.Name(variable), ast.Constant(str(name))) if variable in subjects:
                    yield subjects[variable], name
                case ast.Subscript(ast.Name(variable), ast.JoinedStr(values)) if variable in subjects:
                    parts = (re.escape(str(v.value)) if isinstance(v, ast.Constant) else r"\w+" for v in values)
                    pattern = re.compile("".join(parts))
                    names = [name for name in load(subjects[variable]) if pattern.fullmatch(name)]
                    assert names, f"{path}:{node.lineno}"
                    yield from ((subjects[variable], name) for name in names)
                case ast.Subscript(ast.Name(variable), ast.Name(indirect)) if variable in subjects:
                    # The name comes out of a variable: whatever of the file's strings is a name.
                    names = [name for name in load(subjects[variable]) if name in constants]
                    assert names, f"{path}:{node.lineno}: {indirect}"
                    yield from ((subjects[variable], name) for name in names)
                case _:
                    pass


def test_every_statement_is_used_and_every_used_one_is_there() -> None:
    assert set(used()) == STATEMENTS.keys()


def test_statements_are_split_by_name_and_keep_their_comments() -> None:
    text = "-- name: one\n-- why\nSELECT 1;\n\n-- name: two\nSELECT\n  2\n"
    assert parse(text) == {"one": "-- why\nSELECT 1", "two": "SELECT\n  2"}
    with pytest.raises(ValueError, match="two statements are called one"):
        parse(text + "-- name: one\nSELECT 3")
