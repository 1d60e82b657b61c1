"""The plan and the files beside it: written whole, read back whole, refused where they are not."""

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.kernel.home import Home, write_durably
from outlast.kernel.plan import Plan, Secrets, decode_plan, decode_secrets
from stored import START, plan_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(1 << 80), 1 << 80) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PLANS = st.builds(
    plan_of,
    params=st.dictionaries(TEXT, JSON, max_size=4),
    steps=st.lists(TEXT, min_size=1, max_size=4).map(tuple),
    concurrency_key=st.none() | TEXT,
    idempotency_key=st.none() | TEXT,
    retry_of=st.none() | st.integers(1),
    labels=st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
)


@given(PLANS)
def test_a_plan_is_read_as_it_was_written(plan: Plan) -> None:
    again = decode_plan(plan.encode())
    assert again == plan
    assert again.encode() == plan.encode()
    assert {name: type(again.params[name]) for name in again.params} == {
        name: type(plan.params[name]) for name in plan.params
    }


def test_fields_of_a_later_outlast_are_passed_over() -> None:
    document = json.loads(plan_of().encode())
    document["surprise"] = 1
    document["steps"][0]["surprise"] = 2
    plan = decode_plan(json.dumps(document).encode())
    assert plan.steps[0].id == "run"
    assert not hasattr(plan, "surprise")


WHOLE = plan_of().encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 40,
        b"\xff{}",
        b"[]",
        b"null",
        b"{}",
        b'{"format":1}',
        b'{"format":1,"steps":3}',
        b'{"format":1,"steps":["run"]}',
        b'{"format":1,"steps":[{}]}',
        b'{"format":1,"steps":[]}',
        WHOLE.replace(b'"format":1', b'"format":2'),
        WHOLE[:-1],
    ],
)
def test_what_is_no_plan_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_plan(data)


@given(st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT, max_size=2), max_size=2), st.lists(TEXT, max_size=3))
def test_secrets_are_read_as_they_were_written(env: dict[str, dict[str, str]], mask: list[str]) -> None:
    assert decode_secrets(Secrets(env, mask).encode()) == Secrets(env, mask)


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_home_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    before = os.umask(0)
    try:
        home.create()
        home.create()
        write_durably(home.config, b"x")
    finally:
        os.umask(before)
    for path in (home.root, home.runs, home.library, home.workflows, home.backups):
        assert mode(path) == 0o700, path
    assert mode(home.config) == 0o600


def test_a_file_written_durably_is_all_there_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    large = os.urandom(3_000_000)
    write_durably(str(path), large)
    assert path.read_bytes() == large
    write_durably(str(path), b"new")
    assert path.read_bytes() == b"new"

    def broken(fd: int) -> None:
        raise OSError("the power is gone")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="power"):
        write_durably(str(path), b"newer")
    assert path.read_bytes() == b"new"


def test_the_files_of_an_execution_lie_below_its_home() -> None:
    plan = plan_of(at=START)
    home = Home("/h")
    run = home.run(plan.id)
    attempt = run.attempt("build", 2)
    assert run.home == home
    paths = (run.plan, run.secrets, run.marks, run.run_lock, run.seal_lock, run.outcome, run.number, run.supervisor_log)
    assert len({*paths, attempt.started, attempt.exitcode, attempt.output, attempt.params, attempt.events}) == 13
    assert all(path.startswith(f"/h/runs/{plan.id}/") for path in paths)
    assert attempt.path == f"/h/runs/{plan.id}/steps/build/2"
