"""Whatever rules are applied in whatever order: limits, counters, checksums, events and terminal states hold."""

import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outlast.kernel import claims, executions, supervision, texts
from outlast.kernel.checksums import check_execution
from outlast.kernel.errors import Conflict
from outlast.kernel.home import Home
from outlast.kernel.status import EXECUTION_MOVES, ExecutionStatus
from outlast.kernel.supervision import Ending, Outcome
from outlast.storage.history import Filter, page
from stored import SUPERVISOR, Hands, plan_of

KEYS = st.sampled_from([None, None, "a", "b"])
TERMINAL = {status for status in ExecutionStatus if status.terminal}
NUMBERS = st.integers(1, 9)
OUTCOMES = st.sampled_from(
    [
        Outcome(ExecutionStatus.COMPLETED, "exit code 0", 0),
        Outcome(ExecutionStatus.FAILED, "exit code 3", 3),
        Outcome(ExecutionStatus.CANCELLED, "cancelled"),
        Outcome(ExecutionStatus.TIMEOUT, "over its time"),
        Outcome(ExecutionStatus.LOST, "the host restarted"),
    ]
)


class Lives(RuleBasedStateMachine):
    @initialize(limit=st.integers(1, 3))
    def open(self, limit: int) -> None:
        self.home = Home(tempfile.mkdtemp(prefix="ol-"))
        self.home.create()
        self.hands = Hands(self.home)
        # Durability is shown elsewhere; here it would only cost time.
        self.hands.connection.execute("PRAGMA synchronous = OFF")
        self.limit = limit
        self.hands.limit(limit)
        self.seen: dict[int, supervision.Seen] = {}
        self.before: dict[int, ExecutionStatus] = {}
        self.settled: dict[int, dict[str, object]] = {}
        self.highest = 0

    def teardown(self) -> None:
        if hasattr(self, "hands"):
            fits = texts.fits(self.hands.connection)
            self.hands.close()
            shutil.rmtree(self.home.root)
            assert fits, "the index of words is that of its texts"

    @rule(key=KEYS, on_conflict=st.sampled_from(["queue", "reject", "cancel_running"]), request=KEYS)
    def create(self, key: str | None, on_conflict: str, request: str | None) -> None:
        plan = plan_of(at=self.hands.tick(), concurrency_key=key, on_conflict=on_conflict, idempotency_key=request)
        known = set(self.hands.statuses())
        if on_conflict == "reject" and self.taken(key) and not self.used(request):
            with pytest.raises(Conflict, match="is not over yet"):
                self.hands.create(plan)
            assert set(self.hands.statuses()) == known
            return
        created = self.hands.create(plan)
        if created.already_existed:
            assert created.number in known
        else:
            assert created.number > self.highest, "a number was given twice"
            self.highest = created.number

    def taken(self, key: str | None) -> bool:
        held = "SELECT 1 FROM executions WHERE concurrency_key = ? AND ended_at IS NULL"
        return self.hands.rows(held, key) != []

    def used(self, request: str | None) -> bool:
        return self.hands.rows("SELECT 1 FROM executions WHERE idempotency_key = ?", request) != []

    @rule(number=NUMBERS)
    def look(self, number: int) -> None:
        """A supervisor reads its row; what it does with that may come much later."""
        if number in self.hands.statuses():
            self.seen[number] = self.hands.look(number)

    @precondition(lambda self: bool(self.seen))
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        seen = self.seen[data.draw(st.sampled_from(sorted(self.seen)))]
        if seen.status is not ExecutionStatus.PENDING:
            return
        self.hands.tick()
        epoch = self.hands.write(lambda c: supervision.begin(c, seen, SUPERVISOR, self.hands.moment()))
        if epoch is not None:
            assert self.hands.write(lambda c: supervision.start_attempt(c, seen.number, epoch, 1, 1, self.hands.now))

    @precondition(lambda self: bool(self.seen))
    @rule(data=st.data())
    def adopt(self, data: st.DataObject) -> None:
        seen = self.seen[data.draw(st.sampled_from(sorted(self.seen)))]
        self.hands.write(lambda c: supervision.adopt(c, seen, SUPERVISOR, self.hands.moment()))

    @precondition(lambda self: bool(self.seen))
    @rule(data=st.data(), outcome=OUTCOMES)
    def settle(self, data: st.DataObject, outcome: Outcome) -> None:
        seen = self.seen[data.draw(st.sampled_from(sorted(self.seen)))]
        if seen.status is ExecutionStatus.PENDING and outcome.status not in EXECUTION_MOVES[seen.status]:
            return
        self.hands.tick()
        try:
            following = self.hands.write(
                lambda c: supervision.settle(c, seen, seen.epoch, outcome, Ending(), self.hands.moment())
            )
        except ValueError:
            assert self.hands.statuses()[seen.number] == "pending"
            return
        if following is not None:
            assert self.hands.statuses()[seen.number] == outcome.status

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        if number in self.hands.statuses():
            self.hands.write(lambda c: executions.cancel(c, number, "ada", self.hands.tick()))

    @rule(number=NUMBERS)
    def reclaim(self, number: int) -> None:
        if number in self.hands.statuses():
            seen = self.hands.row(number)["claimed_at"]
            if isinstance(seen, int):
                self.hands.write(lambda c: claims.reclaim(c, number, seen, self.hands.tick()))

    @rule()
    def fill(self) -> None:
        self.hands.write(lambda c: claims.claim_next(c, self.hands.tick()))

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        status = self.hands.statuses().get(number)
        if status is None:
            return
        if not ExecutionStatus(status).terminal:
            with pytest.raises(Conflict, match="only an execution that is over"):
                self.hands.write(lambda c: executions.delete(c, number))
            return
        self.hands.write(lambda c: executions.delete(c, number))
        for memory in (self.seen, self.before, self.settled):
            memory.pop(number, None)

    @invariant()
    def rows_are_sound(self) -> None:
        for number in self.hands.statuses():
            check_execution(self.hands.connection, number)
        assert self.hands.rows("PRAGMA foreign_key_check") == []

    @invariant()
    def executions_are_found_by_their_own_words(self) -> None:
        assert texts.wrong(self.hands.connection) == []

    @invariant()
    def no_more_run_than_may_and_each_key_once(self) -> None:
        held = self.hands.rows(
            "SELECT concurrency_key FROM executions"
            " WHERE ended_at IS NULL AND (status <> 'pending' OR claimed_at IS NOT NULL)"
        )
        assert len(held) <= self.limit
        keys = [key for (key,) in held if key is not None]
        assert len(keys) == len(set(keys))

    @invariant()
    def moves_are_moves_and_the_last_word_stays(self) -> None:
        for number in self.hands.statuses():
            row = self.hands.row(number)
            status = ExecutionStatus(str(row["status"]))
            before = self.before.get(number, status)
            assert status is before or status in EXECUTION_MOVES[before], (before, status)
            if before.terminal:
                assert row == self.settled[number]
            if status.terminal:
                self.settled[number] = row
                assert [kind for kind in self.hands.events(number) if kind in TERMINAL] == [status]
                ended, begun = row["ended_at"], row["started_at"] or row["created_at"]
                assert isinstance(ended, int)
                assert isinstance(begun, int)
                assert ended >= begun
            self.before[number] = status

    @invariant()
    def totals_are_true(self) -> None:
        statuses = list(self.hands.statuses().values())
        assert page(self.hands.connection, Filter()).total == len(statuses)
        for status in ExecutionStatus:
            assert page(self.hands.connection, Filter(status=status)).total == statuses.count(status)
        assert page(self.hands.connection, Filter(user="ada")).total == len(statuses)
        assert page(self.hands.connection, Filter(workflow_id="report")).total == len(statuses)


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
