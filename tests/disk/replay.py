"""What a disk holds after the power was cut at some moment of a record.

What was not synced may be there or not. As hard as a file system may be: a name is only durable once its directory
was synced, whatever happened to the file; only metadata of one operation (the two halves of a rename) stay together.
"""

import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from disk.recording import Kind, Operation

SECTOR = 512
MODELS = ("nothing", "prefix", "sectors")
"""Of what was not synced: nothing was kept; the first so many operations were, and of the write behind them some of its
beginning; any sectors of its writes, any of its truncations and any of its names."""


class Change(NamedTuple):
    """A change of a file's content (`data` at `offset`; None: cut or extended to that size), not synced yet."""

    at: int
    """Its place in the record."""
    offset: int
    data: bytes | None


class Naming(NamedTuple):
    """A change of names that happens as a whole or not at all: (directory, name) → node, None where it goes."""

    at: int
    names: dict[tuple[int, str], int | None]


class File:
    """A file's durable content, and what has happened to it since."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.pending: list[Change] = []

    def sync(self) -> None:
        for change in self.pending:
            apply(self.durable, change)
        self.pending.clear()


class Disk:
    """The state of everything below a root after the operations that were fed to it."""

    ROOT = -1

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.count = 0
        """Operations so far."""
        self._nodes: dict[int, int] = {}
        """Inode number → where in the record the file or directory was made that has it now: its name in here."""
        self._files: dict[int, File] = {}
        self._now: dict[int, dict[str, int]] = {self.ROOT: {}}
        """What programs see: the names in each directory."""
        self._durable: dict[int, dict[str, int]] = {self.ROOT: {}}
        self._namings: list[Naming] = []

    def feed(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            self._do(operation)
            self.count += 1

    def image(self, target: Path, model: str, chance: random.Random) -> None:
        """Write what is left after a cut now into an empty directory."""
        keeps = Keeping(model, chance, self._pending())
        names = {directory: dict(entries) for directory, entries in self._durable.items()}
        for naming in self._namings:
            if keeps.whole(naming.at):
                rename(names, naming)
        self._lay(self.ROOT, names, target, keeps)

    def seen(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """The files directly below the root whose names begin so, as programs see them now."""
        for name, node in self._now[self.ROOT].items():
            if name.startswith(prefix) and node in self._files:
                file = self._files[node]
                content = bytearray(file.durable)
                for change in file.pending:
                    apply(content, change)
                yield name, bytes(content)

    def _lay(self, directory: int, names: dict[int, dict[str, int]], target: Path, keeps: "Keeping") -> None:
        for name, node in names.get(directory, {}).items():
            path = target / name
            if node in self._now:
                path.mkdir(mode=0o700)
                self._lay(node, names, path, keeps)
            elif node in self._files:
                file = self._files[node]
                content = bytearray(file.durable) if file.pending else file.durable
                for change in file.pending:
                    for kept in keeps.parts(change, len(content)):
                        apply(content, kept)
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as laid:
                    laid.write(content)

    def _pending(self) -> list[int]:
        """The places in the record of all that is not durable."""
        changes = [change.at for file in self._files.values() for change in file.pending]
        return sorted(changes + [naming.at for naming in self._namings])

    def _do(self, operation: Operation) -> None:
        if operation.kind in (Kind.CREATE, Kind.MKDIR):
            # Inode numbers come again, while the old file's name may still be on the disk.
            self._nodes[operation.inode] = self.count
        node = self._nodes.get(operation.inode)
        match operation.kind:
            case Kind.CREATE:
                self._files[self.count] = File()
                self._name({operation.path: node})
            case Kind.MKDIR:
                self._now[self.count], self._durable[self.count] = {}, {}
                self._name({operation.path: node})
            case Kind.UNLINK:
                self._name({operation.path: None})
            case Kind.SYNC if operation.path == self.root:
                self._sync_names(self.ROOT)
            case _ if node is None:
                return  # it was there before the record began, or was made unseen
            case Kind.WRITE:
                self._files[node].pending.append(Change(self.count, operation.offset, operation.data))
            case Kind.TRUNCATE:
                self._files[node].pending.append(Change(self.count, operation.offset, None))
            case Kind.LINK:
                self._name({operation.second: node})
            case Kind.RENAME:
                self._name({operation.path: None, operation.second: node})
            case Kind.SYNC if node in self._files:
                self._files[node].sync()
            case Kind.SYNC:
                self._sync_names(node)

    def _name(self, changes: dict[str, int | None]) -> None:
        names: dict[tuple[int, str], int | None] = {}
        for path, node in changes.items():
            parent = self._directory(os.path.dirname(path))
            if parent is not None:
                names[parent, os.path.basename(path)] = node
        naming = Naming(self.count, names)
        self._namings.append(naming)
        rename(self._now, naming)

    def _directory(self, path: str) -> int | None:
        """The node of a directory as programs see it; None outside of the root."""
        if path != self.root and not path.startswith(self.root + "/"):
            return None
        node = self.ROOT
        for name in path.removeprefix(self.root).split("/"):
            if name:
                node = self._now[node][name]
        return node

    def _sync_names(self, directory: int) -> None:
        waiting: list[Naming] = []
        for naming in self._namings:
            if any(changed == directory for changed, _ in naming.names):
                rename(self._durable, naming)
            else:
                waiting.append(naming)
        self._namings = waiting


class Keeping:
    """Which of the operations that were not synced a cut leaves, in one image."""

    def __init__(self, model: str, chance: random.Random, pending: list[int]) -> None:
        self._model = model
        self._chance = chance
        kept = pending[: chance.randrange(len(pending) + 1)] if model == "prefix" else []
        self._before = kept[-1] + 1 if kept else 0
        self._torn = next(iter(pending[len(kept) :]), None) if model == "prefix" else None
        """The operation that was under way."""
        self._share = chance.choice((0.05, 0.5, 0.95))

    def whole(self, at: int) -> bool:
        """Whether an operation is kept that no cut can divide."""
        return self._chance.random() < self._share if self._model == "sectors" else at < self._before

    def parts(self, change: Change, size: int) -> list[Change]:
        """What is left of a change of content, in a file of that size."""
        if change.at == self._torn and change.data is not None:
            return [change._replace(data=change.data[: self._reach(change.offset, len(change.data), size)])]
        if self._model != "sectors" or change.data is None:
            return [change] if self.whole(change.at) else []
        kept: list[Change] = []
        start, end = change.offset, change.offset + len(change.data)
        while start < end:
            stop = min(end, start - start % SECTOR + SECTOR)
            if self.whole(change.at):
                kept.append(Change(change.at, start, change.data[start - change.offset : stop - change.offset]))
            start = stop
        return kept

    def _reach(self, offset: int, length: int, size: int) -> int:
        """How many bytes of a write were kept: whole sectors of what overwrites, any number of what appends (the size
        of the file, which says how many count, is the file system's own)."""
        if offset >= size:
            return self._chance.randrange(length + 1)
        ends = range(offset - offset % SECTOR + SECTOR, offset + length, SECTOR)
        return self._chance.choice([offset, *ends]) - offset


def apply(content: bytearray, change: Change) -> None:
    end = change.offset if change.data is None else change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if change.data is None:
        del content[end:]
    else:
        content[change.offset : end] = change.data


def rename(names: dict[int, dict[str, int]], naming: Naming) -> None:
    for (directory, name), node in naming.names.items():
        if node is None:
            names[directory].pop(name, None)
        else:
            names[directory][name] = node
