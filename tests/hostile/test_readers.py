"""What a child leaves in the place of files that others read keeps nobody waiting and no other execution from care."""

import pytest

from hostile.nursery import Nursery
from waiting import until

RUN = 'run="${OUTLAST_EVENTS%/steps/*}"'
PUT = {
    "FIFO": "mkfifo",
    "link": "ln -s /etc/passwd",
    "loop": "ln -s marks",
    "directory": "mkdir",
}
FILES = ("secrets.json", "marks", "plan.json", "number")
WAIT = "until [ -e go ]; do sleep 0.02; done"


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
async def test_logs_and_states_of_all_are_told_whatever_stands_in_a_run_directory(nursery: Nursery, put: str) -> None:
    deeds = " ".join(f'rm -f "$run/{name}"; (cd "$run" && {put} {name});' for name in FILES)
    odd = await nursery.start(f"echo one; {RUN}; {deeds} : > odd; {WAIT}; exit 3")
    plain = await nursery.start(f"echo two; {WAIT}; exit 4")
    await until(nursery.file("odd").exists)
    for number, lines in ((odd, ["one"]), (plain, ["two"])):
        assert await nursery.lines(number) in (lines, [])
    nursery.file("go").touch()
    assert (await nursery.end(plain)).exit_code == 4
    assert await nursery.lines(plain) == ["two"]
    assert (await nursery.end(odd)).exit_code == 3
    assert await nursery.lines(odd) == ["one"]
