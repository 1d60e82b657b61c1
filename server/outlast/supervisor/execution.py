"""Supervising one execution: take it over, start or follow its attempt, stop it when asked, settle it."""

import os
import signal
from collections.abc import Callable

from outlast.kernel import faults, supervision
from outlast.kernel.claims import Claim
from outlast.kernel.clock import Clock, Moment, elapsed, read
from outlast.kernel.files import unlock
from outlast.kernel.home import RunDirectory, make_way
from outlast.kernel.marks import MarkWriter
from outlast.kernel.plan import Plan, Secrets
from outlast.kernel.process import ProcessId, identify_child
from outlast.kernel.spawning import Ack, Launcher
from outlast.kernel.status import ExecutionStatus
from outlast.kernel.supervision import Outcome, Seen
from outlast.supervisor import outcomes
from outlast.supervisor.arrivals import Arrivals
from outlast.supervisor.attempt import Attempt
from outlast.supervisor.files import disarranged, modified_at
from outlast.supervisor.following import follow
from outlast.supervisor.log import log
from outlast.supervisor.loop import Loop
from outlast.supervisor.masking import ending_of
from outlast.supervisor.moments import moment_of_end, moment_of_start
from outlast.supervisor.orphans import Orphans
from outlast.supervisor.recorder import Recorder
from outlast.supervisor.requests import Requests
from outlast.supervisor.stopping import Stopping
from outlast.supervisor.succession import start_next
from outlast.supervisor.tree import Tree
from outlast.supervisor.verdict import leave_if_gone, read_outcome, write_outcome

STARTED_POLL = 0.05
EMPTY_STARTED_PATIENCE = 2_000_000
"""µs after which a `started` file without content, and nobody who carries the execution's marker, means that its
wrapper died before anything ran."""
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
        me: ProcessId,
        acknowledge: Callable[[Ack], None],
    ) -> None:
        self.over = False
        self._run = run
        self._seen = seen
        self._plan = plan
        self._secrets = secrets or Secrets({}, [])
        self._loop = loop
        self._recorder = recorder
        self._clock = clock
        self._launcher = launcher
        self._me = me
        self._acknowledge: Callable[[Ack], None] | None = acknowledge
        self._epoch = seen.epoch
        self._attempt = Attempt(run, plan, self._secrets, step_no=1, number=1, clock=clock)
        self._orphans = Orphans(self._buried)
        self._requests = Requests(recorder, loop, self._cancel, self._stand_down)
        self._child: ProcessId | None = None
        self._seen_alive = self._spawned = False
        self._wait_status: int | None = None
        self._killed = False
        """Whether our own wrapper was, while `started` named nobody."""
        self._cause: tuple[ExecutionStatus, str] | None = None
        self._stopping: Stopping | None = None
        self._recorded = False
        self._ended = False
        self._settling = False
        self._empty_since: int | None = None

    # Taking over

    def take_over(self) -> None:
        """Claim the right to write for this execution; everything else follows from whether that worked."""
        # Ready for a nudge before anybody can learn this pid: the signal's default would end the process.
        self._loop.on_signal(signal.SIGCHLD, self._orphans.bury)
        self._loop.on_signal(signal.SIGUSR1, self._requests.ask)
        self._unlock()  # what its child has locked would look as if it were not there
        self._judge_lost_directory()
        make_way(self._run.marks)
        self._marks = MarkWriter(self._run.marks)
        rule = supervision.begin if self._seen.status is ExecutionStatus.PENDING else supervision.adopt
        moment = self._start_moment()
        self._recorder.write(lambda c: rule(c, self._seen, self._me, moment), self._taken_over)

    def _unlock(self) -> None:
        """Take back the rights that the child has taken away."""
        with disarranged():
            make_way(self._run.path, directory=True)
            self._attempt.unlock()
            for path in (self._run.marks, self._run.outcome):
                unlock(path)

    def _judge_lost_directory(self) -> None:
        """The marks file comes before the row says running: without one, and without a started attempt, the run
        directory was lost. The verdict is left at once, so that no successor takes the empty directory for a start.
        """
        if self._seen.status is ExecutionStatus.PENDING or os.path.exists(self._run.marks):
            return
        if self._attempt.seal_start() and read_outcome(self._run) is None:
            write_outcome(self._run, Outcome(ExecutionStatus.LOST, "its run directory is gone"))

    def _start_moment(self) -> Moment:
        """Now; or when its attempt really started, for an execution whose row was put back into a restored store."""
        put_back = self._seen.status is ExecutionStatus.PENDING
        return moment_of_start(self._attempt.directory, self._clock) if put_back else read(self._clock)

    def _taken_over(self, epoch: int | None) -> None:
        if epoch is None:
            self._stand_down()
            return
        faults.reach("supervisor.claimed")
        self._epoch = epoch
        self._arrivals = Arrivals(self._marks, self._loop, self._clock)
        self._requests.begin(self._seen.number, epoch)
        self._set_timeout()
        verdict = read_outcome(self._run)
        by = self._seen.cancel_requested_by
        ended_by_itself = self._attempt.exit_code() is not None and not self._seen.stopping
        if verdict is not None and self._can_be_given(verdict):
            self._settle_again(outcomes.borne_out(verdict, self._attempt.exit_code()))
        elif by is not None and not ended_by_itself:
            self._cancel(by)
        elif self._seen.stopping:
            self._stop_for(ExecutionStatus.TIMEOUT, timed_out(self._limit()))
        elif self._start_forgotten():
            self._settle(Outcome(ExecutionStatus.LOST, "host restarted"))
        else:
            self._go_on()

    def _start_forgotten(self) -> bool:
        """Whether an attempt was recorded in an earlier boot and its files know of no start: a power cut may have
        taken them, and to start again could do its work twice."""
        attempted = self._seen.attempted_boot
        return attempted not in (None, self._clock.boot_id()) and self._attempt.seal_start()

    def _can_be_given(self, verdict: Outcome) -> bool:
        """Whether a supervisor can have given this verdict, and no child: none but `lost`, before which everything is
        ended, is given while the wrapper lives."""
        if verdict.status is ExecutionStatus.LOST:
            return True
        boot_id = self._clock.boot_id()
        started = self._attempt.started()
        if started is not None and started.process is not None and started.process.alive(boot_id):
            return False
        return self._attempt.evidence.wrapper(self._plan.id, boot_id) is None

    def _settle_again(self, verdict: Outcome) -> None:
        """An earlier supervisor had seen the end and could not say so any more."""
        settle = self._lose if verdict.status is ExecutionStatus.LOST else self._settle
        started = self._attempt.started()
        if started is not None and not started.sealed:
            self._record_attempt(lambda _allowed: settle(verdict))
            self._follow_spools()
        else:
            settle(verdict)

    def _go_on(self) -> None:
        """Start the attempt, or follow it, or see how it ended: whatever its files call for."""
        started = self._attempt.started()
        code = self._attempt.exit_code()
        if (started is None or started.process is None) and (wrapper := self._living_wrapper()) is not None:
            self._follow(wrapper)  # what it has not written itself is no exit code
        elif code is not None and (started is None or started.process is None):
            # It ran, whatever somebody has made of the file that says who.
            self._follow_spools()
            self._settle(outcomes.of_exit(code))
        elif started is None and self._seen.child_recorded and not os.path.exists(self._attempt.directory.exitcode):
            # Its files were there before that process was: they were removed, and it may have done its work.
            self._lose(Outcome(ExecutionStatus.LOST, "the files of its attempt are gone"))
        elif started is None:
            self._prepare_start()
        elif started.sealed:
            self._settle(Outcome(ExecutionStatus.FAILED, "never started: it was being stopped before it began"))
        elif started.process is not None:
            self._follow(started.process)
        elif self._start_died():
            self._settle_nameless()
        else:
            self._say(Ack("running"))  # nobody needs to wait for what its files will say
            self._loop.after(STARTED_POLL, self._go_on)

    def _living_wrapper(self) -> ProcessId | None:
        """Who runs the attempt that an earlier supervisor started, where its `started` does not say so (yet)."""
        if self._seen.status is ExecutionStatus.PENDING or self._spawned:
            return None
        return self._attempt.evidence.wrapper(self._plan.id, self._clock.boot_id())

    def _start_died(self) -> bool:
        """Whether `started` has been empty for long, as this process saw it, and nobody is there to fill it."""
        now = self._clock.boottime()
        if self._empty_since is None:
            self._empty_since = now
        return now - self._empty_since >= EMPTY_STARTED_PATIENCE and not self._tree().members()

    def _settle_nameless(self) -> None:
        """Nobody is there who has named itself. What has printed had done so and was robbed of its name; what somebody
        killed may have been, too."""
        self._follow_spools()
        if self._killed or any(self._marks.end(spool.pack()) for spool in self._attempt.spools):
            same_boot = self._seen.attempted_boot in (None, self._clock.boot_id())
            self._lose(outcomes.of_end(None, None, claimed=True, same_boot=same_boot))
        else:
            self._settle(Outcome(ExecutionStatus.FAILED, "never started: its wrapper died while starting"))

    # Starting and following

    def _prepare_start(self) -> None:
        step = self._attempt.step
        missing = [name for name in step.secret_env if name not in self._secrets.env.get(step.id, {})]
        if missing:
            self._settle(Outcome(ExecutionStatus.FAILED, f"never started: its secrets are gone ({', '.join(missing)})"))
        else:
            self._record_attempt(self._start)

    def _record_attempt(self, then: Callable[[bool], None]) -> None:
        self._recorded = True
        number, attempt = self._seen.number, self._attempt
        began = modified_at(attempt.directory.started) or self._clock.now()
        self._recorder.write(
            lambda c: supervision.start_attempt(c, number, self._epoch, attempt.step_no, attempt.number, began), then
        )

    def _start(self, allowed: bool) -> None:
        if not allowed:
            self._stand_down()
            return
        if self._cause is not None or self._settling:
            return  # asked to stop while the store was being told; the start is sealed
        faults.reach("supervisor.attempting")
        problem = self._attempt.problem()
        if problem is not None:
            self._settle(Outcome(ExecutionStatus.FAILED, problem))
            return
        try:
            self._attempt.make_spools()
            self._attempt.write_params()
            self._follow_spools()  # held before anything runs that could remove them
            pid = self._attempt.spawn()
        except OSError as error:
            # E2BIG, EAGAIN, ENOSPC …: nothing runs.
            self._settle(Outcome(ExecutionStatus.FAILED, f"the command could not be started: {error.strerror}"))
            return
        faults.reach("supervisor.spawned")
        self._spawned = True
        self._follow(identify_child(pid, self._clock))

    def _follow(self, child: ProcessId) -> None:
        self._child = child
        self._seen_alive = child.alive(self._clock.boot_id())
        if not self._spawned:
            self._attempt.evidence.follow(child, self._clock.boot_id())
            self._attempt.make_spools()
            self._follow_spools()
        if not self._recorded:  # adopted, or put back into a restored store
            self._record_attempt(lambda _allowed: None)
        number, attempt = self._seen.number, self._attempt
        self._recorder.write(
            lambda c: supervision.record_child(c, number, self._epoch, attempt.step_no, attempt.number, child),
            lambda recorded: self._recorded_child(child) if recorded else self._stand_down(),
        )
        follow(child, self._loop, self._clock, self._child_ended)

    def _follow_another(self, child: ProcessId | None) -> None:
        """The wrapper that was followed may have run nothing: go on with who did, as soon as that is known (None)."""
        self._killed = self._wait_status is not None and os.WIFSIGNALED(self._wait_status)
        self._child, self._wait_status, self._spawned = child, None, False
        if child is None:
            self._go_on()
        else:
            self._follow(child)

    def _recorded_child(self, child: ProcessId) -> None:
        faults.reach("supervisor.recorded")
        # One that has ended already is told of when that is durable; of one that was just started nobody waits for it.
        if not self._settling and (self._spawned or child.alive(self._clock.boot_id())):
            self._say(Ack("running", child.pid))

    def _follow_spools(self) -> None:
        for spool in self._attempt.spools:
            held = None if self._child is None else self._attempt.held_spool(spool, self._child)
            self._arrivals.follow(spool, self._attempt.spool_path(spool), held)

    def _buried(self, pid: int, status: int) -> None:
        """What our own wrapper, or an orphaned one, says with its end is kept."""
        if self._child is not None and pid == self._child.pid:
            self._wait_status = status

    def _child_ended(self) -> None:
        faults.reach("supervisor.ended")
        self._orphans.bury()
        started = self._attempt.started()
        # Who has recorded an exit code had claimed the start, whatever has become of the file that says so.
        if self._attempt.exit_code() is None and started is not None:
            if started.process is not None and started.process != self._child:
                # Another supervisor's wrapper won the start; ours ended without running anything.
                self._follow_another(started.process)
                return
            if not started.sealed and started.process is None and not self._stopping_or_settling():
                # Somebody claimed the start and has not named itself: another wrapper just before it runs the
                # command, or ours on a full disk. Time and the process table tell.
                self._follow_another(None)
                return
        self._ended = True
        if self._stopping_or_settling():
            return  # whoever stops it settles when nothing is left
        assert self._child is not None, "it has ended"
        outcome = outcomes.of_end(
            self._attempt.exit_code(),
            self._wait_status,
            claimed=started is not None and started.process is not None,
            same_boot=self._child.boot_id == self._clock.boot_id(),
        )
        if outcome.status is ExecutionStatus.LOST:
            self._lose(outcome)
        else:
            self._settle(outcome)

    def _lose(self, outcome: Outcome) -> None:
        """Nobody can know how it would have ended; what is left of it must not go on unseen."""
        self._stopping = Stopping(self._tree(), self._orphans, self._loop, lambda: self._settle_lost(outcome))
        self._cause = (outcome.status, outcome.reason)
        self._stopping.at_once()

    def _settle_lost(self, outcome: Outcome) -> None:
        remains = self._stopping is not None and self._stopping.found
        self._settle(outcomes.with_remains_ended(outcome) if remains else outcome)

    def _stopping_or_settling(self) -> bool:
        return self._cause is not None or self._settling

    # Stopping

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

    def _cancel(self, by: str) -> None:
        self._stop_for(ExecutionStatus.CANCELLED, f"cancelled by {by}")

    def _stop_for(self, status: ExecutionStatus, reason: str) -> None:
        """End the attempt. The first cause counts; a child that has ended by itself keeps its outcome."""
        if self._cause is not None or self._ended or self._settling:
            return
        self._cause = (status, reason)
        number, epoch = self._seen.number, self._epoch
        self._recorder.write(lambda c: supervision.start_stopping(c, number, epoch, self._clock.now()), lambda _: None)
        self._stop()

    def _stop(self) -> None:
        """Stop what runs, or keep it from starting; where somebody claimed the start before, learn who."""
        assert self._cause is not None, "only called while stopping"
        status, reason = self._cause
        before = Outcome(status, f"{reason} before it started")
        try:
            sealed = self._child is None and self._attempt.seal_start()
        except OSError as error:
            log(f"stopping: {error}")
            leave_if_gone(self._run.home)
            self._loop.after(RETRY_DISK, self._stop)
            return
        if sealed:
            self._settle(before)
            return
        started = self._attempt.started()
        if self._child is None and started is not None and started.process is not None:
            self._follow(started.process)
        if self._child is not None:
            self._stopping = Stopping(self._tree(), self._orphans, self._loop, self._stopped)
            self._stopping.politely(self._plan.kill_grace)
            faults.reach("supervisor.stopping")
        elif started is None or started.sealed or self._start_died():
            self._settle(before)
        else:
            self._loop.after(STARTED_POLL, self._stop)

    def _stopped(self) -> None:
        assert self._cause is not None, "only called while stopping"
        status, reason = self._cause
        killed = self._stopping is not None and self._stopping.killed
        self._settle(outcomes.of_stop(status, reason, self._attempt.exit_code(), killed=killed))

    def _tree(self) -> Tree:
        paths = [self._attempt.spool_path(spool) for spool in self._attempt.spools]
        return Tree(self._plan.id, self._child, paths, self._clock, seen_alive=self._seen_alive)

    # Settling

    def _settle(self, outcome: Outcome) -> None:
        """Make everything durable, then say how it ended."""
        self._settling = True
        self._requests.end()
        leave_if_gone(self._run.home)
        try:
            self._unlock()
            with disarranged():
                self._attempt.seal_start()
            self._arrivals.finish()
            self._attempt.sync()
            faults.reach("supervisor.synced")
            with disarranged():
                write_outcome(self._run, outcome)
            faults.reach("supervisor.judged")
        except OSError as error:
            log(f"settling: {error}")
            leave_if_gone(self._run.home)
            self._loop.after(RETRY_DISK, lambda: self._settle(outcome))
            return
        by_itself = self._cause is None
        leftovers = self._tree().leftovers() if by_itself and self._child is not None else None
        ending = ending_of(*self._attempt.output(), leftovers, self._secrets.mask)
        # What was stopped ends now, whenever its exit code came.
        moment = moment_of_end(self._attempt.evidence.recorded_at(), self._clock) if by_itself else read(self._clock)
        self._recorder.write(
            lambda c: supervision.settle(c, self._seen, self._epoch, outcome, ending, moment), self._settled
        )

    def _settled(self, claims: list[Claim] | None) -> None:
        if claims is not None:
            faults.reach("supervisor.settled")
        # None: the row is gone, or another epoch's. Whoever restores it finds the verdict in the run directory.
        start_next(self._launcher, self._run.home, claims)
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
            faults.reach("supervisor.acknowledged")


def timed_out(limit: float | None) -> str:
    return "timed out" if limit is None else f"timed out after {limit:g} s"
