"""A child that touches the files of its run: its true exit code, or `lost` with a reason; never a false `completed`."""

import pytest

from hostile.nursery import Nursery

HERE = 'here="${OUTLAST_EVENTS%/*}"; run="${here%/steps/*}"; '


@pytest.mark.requirement("S3-6")
@pytest.mark.parametrize(
    "deed",
    [
        'echo 0 > "$here/exitcode"',
        'rm -f "$here/exitcode"',
        'rm -f "$here/exitcode"; echo 0 > "$here/exitcode"',
        'rm -f "$here/exitcode"; mkdir "$here/exitcode"',
        'rm -f "$here/exitcode"; mkfifo "$here/exitcode"',
        'rm -f "$here/exitcode"; ln -s /dev/null "$here/exitcode"',
        'rm -f "$here/started"',
        'echo sealed > "$here/started"',
        'echo nonsense > "$here/started"',
        'rm -rf "$here"',
        'rm -rf "$run"',
        'rm -rf "$run"/*',
        'mv "$run" "$run.moved"; trap : EXIT',
        'rm -f "$run/marks"',
        ': > "$run/marks"',
        'head -c 4096 /dev/urandom > "$run/marks"',
        'rm -f "$run/marks"; mkdir "$run/marks"',
        'rm -f "$here/out"',
        'rm -f "$run/run.lock"; touch "$run/run.lock"',
        'rm -f "$run/outcome.json"; echo "[]" > "$run/outcome.json"',
        'rm -f "$run/plan.json" "$run/number" "$run/supervisor.log"',
        'n=3; while [ $n -le 9 ]; do eval "echo 0 >&$n" 2> /dev/null; eval "exec $n>&-"; n=$((n+1)); done',
    ],
)
async def test_a_tampering_child_gets_its_true_exit_code(nursery: Nursery, deed: str) -> None:
    number = await nursery.start(f"{HERE} echo before; {deed}; echo after; exit 7")
    settled = await nursery.end(number)
    assert (settled.status, settled.exit_code) == ("failed", 7)
