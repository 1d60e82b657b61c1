"""A child that takes away the rights to its run directory is settled, and what it printed can be read."""

import os
import stat
from pathlib import Path

import anyio
import pytest

from outlast.kernel.home import Home, write_durably
from outlast.kernel.marks import MERGED
from stored import hands_on, plan_of, processes
from waiting import until

AS_NOBODY = """
from outlast.kernel.clock import Clock
from outlast.kernel.home import RunDirectory
from outlast.kernel.locks import run_lock_held
from outlast.supervisor.main import main
Clock().boot_id()
run = hear()
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
main(run, acknowledged=False)
"""
"""To root nothing is locked, so the process becomes somebody else, who may be unable to read Python's own files: what
it imports late comes before."""


def give_away(home: Home) -> None:
    """To those whom rights mean something to."""
    if os.geteuid() == 0:
        for folder, folders, files in os.walk(home.root):
            for name in (".", *folders, *files):
                os.chown(Path(folder, name), 65534, 65534, follow_symlinks=False)


@pytest.mark.requirement("S3-6")
@pytest.mark.parametrize(
    "deed",
    [
        'chmod 000 "$here"',
        'chmod 000 "$here/out"; chmod 500 "$here" "$run"',
        'chmod 000 "$here"/* "$here" "$run"/* "$run"',
    ],
    ids=["its attempt's", "some", "all"],
)
def test_a_child_that_takes_the_rights_away_is_told_as_it_ended(home: Home, deed: str) -> None:
    script = f'here="${{OUTLAST_EVENTS%/*}}"; run="${{here%/steps/*}}"; echo before; {deed}; exit 7'
    plan = plan_of()
    plan = plan._replace(steps=[plan.steps[0]._replace(argv=["/bin/sh", "-c", script])])
    run = home.run(plan.id)
    with hands_on(home) as hands:
        number = hands.create(plan).number
        Path(run.path).mkdir()
        write_durably(run.plan, plan.encode())
        give_away(home)
        with processes(AS_NOBODY) as [supervisor]:
            supervisor.hears(run.path)
            assert supervisor.ends(20) == []
        row = hands.row(number)
        assert (row["status"], row["exit_code"]) == ("failed", 7)
    attempt = run.attempt("run", 1)
    assert Path(attempt.spool(MERGED)).read_text() == "before\n"
    for path in (run.path, attempt.path, run.marks, attempt.spool(MERGED)):
        assert stat.S_IMODE(os.stat(path).st_mode) & 0o600 == 0o600


@pytest.mark.requirement("S3-6")
@pytest.mark.parametrize(
    "deed",
    ['chmod a-w "$run/run.lock"', 'chmod 000 "$run/run.lock"', 'chmod 000 "$here"/* "$here" "$run"/* "$run"'],
    ids=["to write the lock", "to the lock", "all"],
)
def test_so_is_one_whose_supervisor_was_killed_then(home: Home, deed: str) -> None:
    done, go = Path(home.root, "done"), Path(home.root, "go")
    script = f'here="${{OUTLAST_EVENTS%/*}}"; run="${{here%/steps/*}}"; echo before; {deed}; : > {done}; '
    script += f"until [ -e {go} ]; do sleep 0.02; done; exit 7"
    plan = plan_of()
    plan = plan._replace(steps=[plan.steps[0]._replace(argv=["/bin/sh", "-c", script])])
    run = home.run(plan.id)
    with hands_on(home) as hands:
        number = hands.create(plan).number
        Path(run.path).mkdir()
        write_durably(run.plan, plan.encode())
        give_away(home)
        with processes(AS_NOBODY) as [supervisor]:
            supervisor.hears(run.path)
            anyio.run(until, done.exists)
            supervisor.kill()
        with processes(AS_NOBODY.replace("main(run,", "say(run_lock_held(RunDirectory(run).run_lock))\nmain(run,")) as [
            successor
        ]:
            successor.hears(run.path)
            assert successor.says() == "False"
            go.touch()
            assert successor.ends(20) == []
        row = hands.row(number)
        assert (row["status"], row["exit_code"]) == ("failed", 7)
    assert Path(run.attempt("run", 1).spool(MERGED)).read_text() == "before\n"
