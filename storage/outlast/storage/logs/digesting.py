"""Making digests: of what is sealed once and for good, of the rest whenever somebody asks.

The digest of a long log's blocks is kept in the store and taken further by whoever seals, apart from sealing and in
short rounds; so is, by block, how many lines are errors and warnings. What is not in it yet (a short log, the end of a
long one, what is still in spools) is taken in by the reader that is asked, and remembered there for the next time.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from outlast.kernel import digests, seals
from outlast.kernel.digests import BlockLevels, StoredDigest
from outlast.kernel.errors import StoreDamaged
from outlast.storage.logs.digest import FORMAT, Digest
from outlast.storage.logs.filters import LogFilter, Sieve
from outlast.storage.logs.levels import ERROR, RULES, WARNING
from outlast.storage.logs.lines import LogGap
from outlast.storage.logs.sealed import SealedLog
from outlast.storage.logs.spools import SpoolLog
from outlast.storage.logs.view import LogCount, View

FEWEST_LINES = 50_000
"""Sealed lines that are not in a stored digest before it is taken further: fewer are taken in faster than stored."""


EVERYTHING = Sieve(LogFilter(), [])


@dataclass(frozen=True, slots=True)
class Digested:
    """What is known of a log after bounded reading."""

    digest: Digest
    seen: int
    """Lines from the beginning on that were looked at."""
    whole: bool
    """There is no line behind them so far."""
    count: LogCount


@dataclass(slots=True)
class Remembered:
    """Digests of one log, or of one step of it. Lines in blocks stay as they are; what is in spools may be gone before
    it is sealed, so what comes from them is apart."""

    sealed: Digest
    newest: Digest | None = None
    """With the lines that were in the spools."""
    begun: int = 0
    """Where these begin."""
    spools: SpoolLog | None = None
    """Where they were read."""

    def look(self, view: View, sieve: Sieve, enough: Callable[[], bool]) -> Digested:
        """Take in what came since the last look."""
        digest = self.sealed
        done = take_in(digest, View(view.blocks, view.sealed, None, final=False), sieve, enough)
        if done and view.count > view.sealed:
            if self.newest is None or self.begun != view.sealed or self.spools is not view.spools:
                self.newest, self.begun, self.spools = Digest.decode(digest.encode()), view.sealed, view.spools
            digest = self.newest
            done = take_in(digest, view, sieve, enough)
        return Digested(digest, digest.lines, done and view.whole, LogCount(view.count, view.final))


def take_in(digest: Digest, view: View, sieve: Sieve, enough: Callable[[], bool]) -> bool:
    """Take in the lines that a digest does not have yet, a stretch at a time until it is enough; whether it was all."""
    low = digest.lines + 1
    for stretch in view.forward(low) if digest.lines < view.count else ():
        digest.take(window.content() for window in view.windows(stretch, low, view.count, sieve))
        digest.lines = stretch.last
        if enough():
            break
    return digest.lines >= view.count


def load(connection: sqlite3.Connection, number: int) -> tuple[StoredDigest | None, Digest]:
    """The stored digest, and what it says; a new one where there is none that can be used."""
    row = digests.look(connection, number)
    if row is None or row.format != FORMAT:
        return row, Digest()
    try:
        return row, Digest.decode(row.data)
    except StoreDamaged:
        return row, Digest()  # made anew, and then put in its place


@dataclass(slots=True)
class Digesting:
    """Taking the stored digest of one execution further. Rounds may be as short as one likes; what was done in them is
    lost if nobody keeps it."""

    number: int
    seen: StoredDigest | None
    digest: Digest
    blocks: list[BlockLevels] = field(default_factory=list[BlockLevels])
    """Counted since the last time it was kept."""

    @classmethod
    def begin(cls, connection: sqlite3.Connection, number: int) -> "Digesting":
        return cls(number, *load(connection, number))

    def behind(self, connection: sqlite3.Connection) -> int:
        """Sealed lines that are not in it yet."""
        seal = seals.look(connection, self.number)
        return 0 if seal is None else max(0, seal.lines - self.digest.lines)

    def advance(self, connection: sqlite3.Connection, enough: Callable[[], bool]) -> bool:
        """Take in sealed blocks until it is enough; whether it was all."""
        seal = seals.look(connection, self.number)
        if seal is None or seal.lines <= self.digest.lines:
            return True
        view = View(SealedLog(connection, self.number), seal.lines, None, final=False)
        low = self.digest.lines + 1
        for stretch in view.forward(low):
            before = dict(self.digest.said)
            contents = [window.content() for window in view.windows(stretch, low, seal.lines, EVERYTHING)]
            self.digest.take(contents)
            self.digest.lines = stretch.last
            if not any(isinstance(content, LogGap) for content in contents):  # nobody knows what damage hides
                errors, warnings = (self.digest.said[level] - before[level] for level in (ERROR, WARNING))
                self.blocks.append(BlockLevels(stretch.first, RULES, errors, warnings))
            if enough():
                break
        return self.digest.lines >= seal.lines

    def row(self) -> StoredDigest:
        """What is to be stored now."""
        return digests.stored(self.number, FORMAT, self.digest.lines, self.digest.encode())

    def keep(self, connection: sqlite3.Connection, row: StoredDigest) -> bool:
        """Store `row` and what was counted; one rule in a write transaction."""
        return digests.keep(connection, self.number, self.seen, row, self.blocks)

    def kept(self, row: StoredDigest) -> None:
        """`row` is stored."""
        self.seen = row
        self.blocks.clear()
