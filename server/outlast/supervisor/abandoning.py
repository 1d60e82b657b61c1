"""An execution whose plan cannot be read: nothing can be started or followed any more, and that is said."""

from outlast.kernel import supervision
from outlast.kernel.claims import Claim
from outlast.kernel.clock import Clock, read
from outlast.kernel.home import RunDirectory
from outlast.kernel.process import ProcessId
from outlast.kernel.spawning import Launcher
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Ending, Outcome, Seen
from outlast.supervisor.loop import Loop
from outlast.supervisor.orphans import Orphans
from outlast.supervisor.recorder import Recorder
from outlast.supervisor.stopping import Stopping
from outlast.supervisor.succession import start_next
from outlast.supervisor.tree import Tree

REASON = "its plan cannot be read by this version of Outlast"


def abandon(
    run: RunDirectory, seen: Seen, me: ProcessId, recorder: Recorder, loop: Loop, clock: Clock, launcher: Launcher
) -> None:
    """Take it over, end what carries its marker and settle it: failed when it had not begun, else lost."""
    begun = seen.status is not ExecutionStatus.PENDING
    rule = supervision.adopt if begun else supervision.begin
    outcome = Outcome(ExecutionStatus.LOST if begun else ExecutionStatus.FAILED, REASON)
    over: list[bool] = []

    def taken_over(epoch: int | None) -> None:
        if epoch is None:
            over.append(False)
            return
        execution_id = run.path.rpartition("/")[2]
        Stopping(Tree(execution_id, None, [], clock), Orphans(), loop, lambda: settle(epoch)).at_once()

    def settle(epoch: int) -> None:
        recorder.write(lambda c: supervision.settle(c, seen, epoch, outcome, Ending(), read(clock)), settled)

    def settled(claims: list[Claim] | None) -> None:
        start_next(launcher, run.home, claims)
        over.append(True)

    recorder.write(lambda c: rule(c, seen, me, read(clock)), taken_over)
    while not over:
        loop.run_once()
    recorder.close()
