"""A supervisor's life: take the run lock, take the execution over, see it to its end."""

import os
import signal
import sys

from outlast.kernel import faults, supervision
from outlast.kernel.clock import Clock
from outlast.kernel.database import Database
from outlast.kernel.home import RunDirectory, make_way, write_durably
from outlast.kernel.locks import RunLock
from outlast.kernel.plan import Plan, Secrets, decode_plan, decode_secrets
from outlast.kernel.process import identify
from outlast.kernel.spawning import ACK_FD, Ack, Launcher, send_ack
from outlast.kernel.status import ExecutionStatus
from outlast.supervisor.abandoning import abandon
from outlast.supervisor.execution import Execution
from outlast.supervisor.files import read_regular
from outlast.supervisor.libc import become_subreaper
from outlast.supervisor.log import log
from outlast.supervisor.loop import Loop
from outlast.supervisor.recorder import Recorder

LARGEST_PLAN = 64 << 20
"""Bytes of a plan or of secrets, far more than either may have."""


def main(path: str, *, acknowledged: bool) -> None:
    """Supervise the execution of a run directory; never returns."""
    os.closerange(ACK_FD + 1 if acknowledged else ACK_FD, 65536)
    os.umask(0o077)
    os.chdir("/")
    if acknowledged:
        os.set_inheritable(ACK_FD, False)
    # A child that survives a session's end must have a supervisor that does, too; `outlast cancel` is the way.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    run = RunDirectory(path)
    faults.reach("supervisor.born")
    make_way(run.run_lock)
    lock = RunLock.acquire(run.run_lock)
    if lock is None:
        finish(Ack("held"), acknowledged)
        return
    try:
        become_subreaper()
        supervise(run, lock, acknowledged=acknowledged)
    except BaseException as error:  # noqa: BLE001 (logged; an ordinary exit would close the store outside its lock)
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(70)


def supervise(run: RunDirectory, lock: RunLock, *, acknowledged: bool) -> None:
    clock = Clock()
    loop = Loop(clock)
    me = identify(os.getpid(), clock)
    assert me is not None, "this process is alive"
    lock.note(me)
    faults.reach("supervisor.locked")

    def stand_down() -> None:
        log("the store was migrated by a newer Outlast; its side takes over")
        lock.release()
        os._exit(0)

    recorder = Recorder(Database(run.home, lock_timeout=None), loop, stand_down)
    execution_id = os.path.basename(run.path)
    seen: list[supervision.Seen | None] = []
    recorder.read(lambda c: supervision.look(c, execution_id), seen.append)
    while not seen:
        loop.run_once()
    found = seen[0]
    problem = None if found is None else reason_not_to(found)
    if found is None or problem is not None:
        recorder.close()
        finish(Ack(problem or "gone"), acknowledged)
        return
    if not os.path.exists(run.number):
        with open(run.number, "w", encoding="ascii") as file:
            file.write(f"{found.number}\n")
    launcher = Launcher(sys.executable, sys.path[0])
    try:
        found, plan = plan_of(run, found)
    except (ValueError, TypeError, KeyError) as error:
        log(f"the plan cannot be read: {error}")
        abandon(run, found, me, recorder, loop, clock, launcher)
        finish(Ack("over"), acknowledged)
        return
    execution = Execution(
        run=run,
        seen=found,
        plan=plan,
        secrets=secrets_of(run),
        loop=loop,
        recorder=recorder,
        clock=clock,
        launcher=launcher,
        me=me,
        acknowledge=lambda ack: send_ack(ack) if acknowledged else None,
    )
    execution.take_over()
    while not execution.over:
        loop.run_once()
    recorder.close()
    # The interpreter's own exit would close what is left outside the store lock.
    os._exit(0)


def reason_not_to(seen: supervision.Seen) -> str | None:
    """Why there is nothing to supervise, as an Ack's result."""
    if seen.status.terminal:
        return "over"
    if seen.status is ExecutionStatus.PENDING and not seen.claimed:
        return "queued"
    return None


def plan_of(run: RunDirectory, seen: supervision.Seen) -> tuple[supervision.Seen, Plan]:
    """The plan as it was frozen: as the store has it, and the file beside it is mended where it is missing or
    different; from that file where the store's bytes are damaged. Raises ValueError where both are."""
    beside = read_regular(run.plan, LARGEST_PLAN) or b""
    make_way(run.plan)
    if seen.payload.sound():
        if beside != seen.payload.plan:
            write_durably(run.plan, seen.payload.plan)
        return seen, decode_plan(seen.payload.plan)
    log("the plan in the store is damaged")
    seen = seen._replace(payload=seen.payload.with_plan(beside))
    if not seen.payload.sound():
        raise ValueError("it is damaged in the store, and so is its copy")
    return seen, decode_plan(beside)


def secrets_of(run: RunDirectory) -> Secrets | None:
    """The secrets, None where the file is gone or says nothing of the kind."""
    try:
        return decode_secrets(read_regular(run.secrets, LARGEST_PLAN) or b"")
    except (ValueError, TypeError, RecursionError):
        return None


def finish(ack: Ack, acknowledged: bool) -> None:
    if acknowledged:
        send_ack(ack)
    os._exit(0)
