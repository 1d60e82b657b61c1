"""An attempt whose start somebody has claimed is theirs until it is certain that nothing runs."""

from pathlib import Path

from outlast.kernel.home import Home, write_durably
from stored import hands_on, plan_of, processes

SUPERVISOR = """
import subprocess
from outlast.supervisor.attempt import Attempt
from outlast.supervisor.main import main

OTHER = '''
until [ -e "$1/go" ]; do sleep 0.02; done
read -r boot < /proc/sys/kernel/random/boot_id; read -r stat < /proc/$$/stat
echo "$$ $boot ${stat##*) }" > "$1/started"
until [ -e "$1/end" ]; do sleep 0.02; done
echo 9 > "$1/exitcode"
'''
spawn = Attempt.spawn

def another_was_faster(attempt):
    # The wrapper of an earlier supervisor has made the file and has not named itself in it.
    directory = attempt.directory.path
    open(attempt.directory.started, "x").close()
    subprocess.Popen(["/bin/sh", "-c", OTHER, "other", directory], env=attempt.environment())
    say("claimed")
    return spawn(attempt)

Attempt.spawn = another_was_faster
main(hear(), acknowledged=False)
"""


def test_a_wrapper_that_loses_the_start_waits_for_who_has_won_it(home: Home) -> None:
    plan = plan_of()
    with hands_on(home) as hands:
        number = hands.create(plan).number
        run = home.run(plan.id)
        Path(run.path).mkdir()
        write_durably(run.plan, plan.encode())
        attempt = run.attempt("run", 1)
        with processes(SUPERVISOR) as [supervisor]:
            supervisor.hears(run.path)
            assert supervisor.says() == "claimed"
            Path(attempt.path, "go").touch()
            Path(attempt.path, "end").touch()
            assert supervisor.says() == "", "its end"
        row = hands.row(number)
        assert (row["status"], row["exit_code"]) == ("failed", 9)
