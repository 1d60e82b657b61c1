"""Supervising one execution: take it over, start or follow its attempt, stop it when asked, settle it."""

import os
import signal
from collections.abc import Callable

from outlast.kernel import supervision
from outlast.kernel.claims import Claim
from outlast.kernel.clock import Clock, elapsed, read
from outlast.kernel.errors import StartFailed
from outlast.kernel.home import RunDirectory
from outlast.kernel.marks import MarkWriter
from outlast.kernel.plan import Plan, Secrets
from outlast.kernel.process import ProcessId, identify, identify_child
from outlast.kernel.spawning import Ack, Launcher
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Ending, Outcome, Request, Seen
from outlast.supervisor import outcomes
from outlast.supervisor.arrivals import Arrivals
from outlast.supervisor.attempt import Attempt
from outlast.supervisor.following import follow
from outlast.supervisor.log import log
from outlast.supervisor.loop import Loop
from outlast.supervisor.recorder import Recorder
from outlast.supervisor.tree import Tree
from outlast.supervisor.verdict import read_outcome, write_outcome

ASK_EVERY = 1.0
"""Seconds between looks for requests; a nudge by SIGUSR1 brings the next one forward."""
FIRST_SWEEP, SLOWEST_SWEEP = 0.05, 0.25
"""Seconds between two looks at what is left; each reads the whole process table."""
STARTED_POLL = 0.05
RETRY_DISK = 1.0


class Execution:
    """One step and one attempt of it, so far; every method runs on the loop's thread."""

    def __init__(
        self,
        *,
        run: RunDirectory,
        seen: Seen,
        plan: Plan,
        secrets: Secrets | None,
        loop: Loop,
        recorder: Recorder,
        clock: Clock,
        launcher: Launcher,
        acknowledge: Callable[[Ack], None],
    ) -> None:
        self.over = False
        self._run = run
        self._seen = seen
        self._plan = plan
        self._secrets = secrets
        self._loop = loop
        self._recorder = recorder
        self._clock = clock
        self._launcher = launcher
        self._acknowledge: Callable[[Ack], None] | None = acknowledge
        self._epoch = seen.epoch
        self._ours = False
        self._attempt = Attempt(run, plan, secrets or Secrets({}, []), step_no=1, number=1, clock=clock)
        self._child: ProcessId | None = None
        self._ended = False
        self._stop: tuple[ExecutionStatus, str] | None = None
        self._killing = False
        self._empty_sweeps = 0
        self._sweep_after = FIRST_SWEEP
        self._asking = False
        self._settling = False

    def take_over(self) -> None:
        """Claim the right to write for this execution; everything else follows from whether that worked."""
        me = identify(os.getpid(), self._clock)
        assert me is not None, "this process is alive"
        rule = supervision.begin if self._seen.status is ExecutionStatus.PENDING else supervision.adopt
        # Ready for a nudge before anybody can learn this pid: the signal's default would end the process.
        self._loop.on_signal(signal.SIGCHLD, reap)
        self._loop.on_signal(signal.SIGUSR1, self._ask)
        # The marks file comes before the row says running: a running execution without one has lost its directory.
        self._directory_lost = self._seen.status is not ExecutionStatus.PENDING and not os.path.exists(self._run.marks)
        self._marks = MarkWriter(self._run.marks)
        self._recorder.write(lambda c: rule(c, self._seen, me, read(self._clock)), self._taken_over)

    def _taken_over(self, epoch: int | None) -> None:
        if epoch is None:
            self._say(Ack("held"))
            self.over = True
            return
        self._epoch = epoch
        self._ours = True
        self._arrivals = Arrivals(self._marks, self._loop, self._clock)
        self._loop.after(ASK_EVERY, self._ask_regularly)
        self._set_timeout()
        if self._directory_lost:
            self._settle(Outcome(ExecutionStatus.LOST, "its run directory is gone"))
            return
        verdict = read_outcome(self._run)
        if verdict is not None:
            self._settle_again(verdict)
            return
        by = self._seen.cancel_requested_by
        ended_by_itself = self._attempt.exit_code() is not None and not self._seen.stopping
        if by is not None and not ended_by_itself:
            self._stop_for(ExecutionStatus.CANCELLED, f"cancelled by {by}")
        elif self._seen.stopping:
            self._stop_for(ExecutionStatus.TIMEOUT, timed_out(self._limit()))
        else:
            self._go_on()

    def _settle_again(self, verdict: Outcome) -> None:
        """An earlier supervisor had seen the end and could not say so any more."""
        for spool in self._attempt.spools:
            if os.path.exists(self._attempt.spool_path(spool)):
                self._arrivals.follow(spool, self._attempt.spool_path(spool))
        self._settle(verdict)

    def _go_on(self) -> None:
        """Start the attempt, or follow it, or see how it ended: whatever its files call for."""
        started = self._attempt.started()
        if started is None:
            self._prepare_start()
        elif started.sealed:
            self._settle(Outcome(ExecutionStatus.FAILED, "never started: it was being stopped before it began"))
        elif started.process is None:
            if self._attempt.empty_for_long():
                self._settle(Outcome(ExecutionStatus.FAILED, "never started: its wrapper died while starting"))
            else:
                self._loop.after(STARTED_POLL, self._go_on)
        else:
            self._follow(started.process)

    def _prepare_start(self) -> None:
        secrets = self._secrets or Secrets({}, [])
        missing = [n for s in self._plan.steps for n in s.secret_env if n not in secrets.env.get(s.id, {})]
        if missing:
            self._settle(Outcome(ExecutionStatus.FAILED, f"never started: its secrets are gone ({', '.join(missing)})"))
            return
        attempt = self._attempt
        self._recorder.write(
            lambda c: supervision.start_attempt(
                c, self._seen.number, self._epoch, attempt.step_no, attempt.number, self._clock.now()
            ),
            self._start,
        )

    def _start(self, allowed: bool) -> None:
        if not allowed:
            self._stand_down()
            return
        if self._stop is not None:
            return  # asked to stop while the store was being told; _stop_for has sealed the start
        problem = self._attempt.problem()
        if problem is not None:
            self._settle(Outcome(ExecutionStatus.FAILED, problem))
            return
        try:
            self._attempt.make_spools()
            self._attempt.write_params()
            pid = self._attempt.spawn()
        except OSError as error:
            # E2BIG, EAGAIN, ENOSPC …: nothing runs.
            self._settle(Outcome(ExecutionStatus.FAILED, f"the command could not be started: {error.strerror}"))
            return
        self._follow(identify_child(pid, self._clock))

    def _follow(self, child: ProcessId) -> None:
        self._child = child
        attempt = self._attempt
        attempt.make_spools()
        for spool in attempt.spools:
            self._arrivals.follow(spool, attempt.spool_path(spool))
        self._recorder.write(
            lambda c: supervision.record_child(
                c, self._seen.number, self._epoch, attempt.step_no, attempt.number, child
            ),
            lambda recorded: self._say(Ack("running", child.pid)) if recorded else self._stand_down(),
        )
        follow(child, self._loop, self._clock, self._child_ended)

    def _child_ended(self) -> None:
        started = self._attempt.started()
        if started is not None and started.process is not None and started.process != self._child:
            # Another supervisor's wrapper won the start; ours ended without running anything.
            self._follow(started.process)
            return
        self._ended = True
        if self._stop is not None:
            return  # the sweep settles when nothing is left
        code = self._attempt.exit_code()
        if code is not None:
            self._settle(outcomes.of_exit(code))
            return
        assert self._child is not None
        outcome = outcomes.of_interruption(self._child.boot_id == self._clock.boot_id())
        self._stop = (outcome.status, outcome.reason)
        self._killing = True
        self._sweep()

    def _set_timeout(self) -> None:
        limit = self._limit()
        if limit is None:
            return
        started = self._seen.started
        past = 0.0 if started is None else (elapsed(started, read(self._clock)) - self._seen.parked_us) / 1e6
        self._loop.after(max(0.0, limit - past), lambda: self._stop_for(ExecutionStatus.TIMEOUT, timed_out(limit)))

    def _limit(self) -> float | None:
        """Seconds that the execution, and with it its one attempt, may take."""
        limits = [s for s in (self._plan.timeout, self._attempt.step.timeout) if s is not None]
        return min(limits, default=None)

    def _ask_regularly(self) -> None:
        self._ask()
        self._loop.after(ASK_EVERY, self._ask_regularly)

    def _ask(self) -> None:
        if not self._ours or self._asking or self._settling:
            return
        self._asking = True
        number, epoch = self._seen.number, self._epoch
        self._recorder.read(
            lambda c: supervision.request(c, number, epoch) if self._recorder.changed(c) else "unchanged",
            self._asked,
        )

    def _asked(self, request: "Request | str | None") -> None:
        self._asking = False
        if not isinstance(request, Request) or self._settling:
            return  # unchanged; or the row is gone: the child goes on, and its end is written to a file
        if not request.current:
            self._stand_down()
        elif request.cancel_by is not None:
            self._stop_for(ExecutionStatus.CANCELLED, f"cancelled by {request.cancel_by}")

    def _stop_for(self, status: ExecutionStatus, reason: str) -> None:
        """End the attempt. The first cause counts; a child that has ended by itself keeps its outcome."""
        if self._stop is not None or self._ended or self._settling:
            return
        self._stop = (status, reason)
        number, epoch = self._seen.number, self._epoch
        self._recorder.write(lambda c: supervision.start_stopping(c, number, epoch, self._clock.now()), lambda _: None)
        if self._child is not None:
            self._terminate()
        elif self._attempt.seal_start():
            self._settle(Outcome(status, f"{reason} before it started"))
        else:
            self._stop_unknown()

    def _terminate(self) -> None:
        self._tree().signal(signal.SIGTERM)
        self._loop.after(self._plan.kill_grace, self._lose_patience)
        self._loop.after(FIRST_SWEEP, self._sweep)

    def _stop_unknown(self) -> None:
        """Somebody claimed the start before us: learn who, then stop that."""
        started = self._attempt.started()
        assert started is not None, "sealing the start failed because it exists"
        assert self._stop is not None, "only called while stopping"
        if started.process is not None:
            self._follow(started.process)
            self._terminate()
        elif started.sealed or self._attempt.empty_for_long():
            status, reason = self._stop
            self._settle(Outcome(status, f"{reason} before it started"))
        else:
            self._loop.after(STARTED_POLL, self._stop_unknown)

    def _lose_patience(self) -> None:
        self._killing = True

    def _sweep(self) -> None:
        """Look until nothing of the attempt is left, killing once the grace is over."""
        if self._settling:
            return
        tree = self._tree()
        alive = tree.kill() if self._killing else len(tree.members())
        # Twice empty: a process that forked while the table was read shows up in the second look.
        self._empty_sweeps = 0 if alive else self._empty_sweeps + 1
        if self._empty_sweeps < 2:
            self._sweep_after = min(SLOWEST_SWEEP, self._sweep_after * 1.5)
            self._loop.after(FIRST_SWEEP if not alive else self._sweep_after, self._sweep)
            return
        assert self._stop is not None
        status, reason = self._stop
        self._settle(outcomes.of_stop(status, reason, self._attempt.exit_code(), self._killing))

    def _tree(self) -> Tree:
        paths = [self._attempt.spool_path(spool) for spool in self._attempt.spools]
        return Tree(self._plan.id, self._child, paths, self._clock)

    def _settle(self, outcome: Outcome) -> None:
        """Make everything durable, then say how it ended."""
        self._settling = True
        try:
            self._attempt.seal_start()
            self._arrivals.finish()
            self._attempt.sync()
            write_outcome(self._run, outcome)
        except OSError as error:
            log(f"settling: {error}")
            self._loop.after(RETRY_DISK, lambda: self._settle(outcome))
            return
        output, problem = self._attempt.output()
        leftovers = self._tree().leftovers() if self._stop is None and self._child is not None else None
        ending = Ending(output, problem, leftovers)
        self._recorder.write(
            lambda c: supervision.settle(c, self._seen, self._epoch, outcome, ending, read(self._clock)),
            self._settled,
        )

    def _settled(self, claims: list[Claim] | None) -> None:
        # None: the row is gone, or another epoch's. Whoever restores it finds the outcome in the run directory.
        for claim in claims or []:
            try:
                self._launcher.spawn(self._run.home.run(claim.id), None)
            except StartFailed as error:
                log(f"#{claim.number}: {error.message}")
        self._say(Ack("over"))
        self.over = True

    def _stand_down(self) -> None:
        """Another supervisor is the one now: write nothing more and leave the child alone."""
        self._say(Ack("held"))
        self.over = True

    def _say(self, ack: Ack) -> None:
        if self._acknowledge is not None:
            self._acknowledge(ack)
            self._acknowledge = None


def timed_out(limit: float | None) -> str:
    return "timed out" if limit is None else f"timed out after {limit:g} s"


def reap() -> None:
    """Bury ended children, adopted orphans included."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
