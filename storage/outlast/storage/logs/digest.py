"""A log as a table of templates: how often, from which line to which, one sample of each.

A digest takes in a log line by line from the beginning, in portions of any size: blocks, spools, or half of each give
the same digest. It is exact: each line is counted once, in one template, in `other` or as one that cannot be looked at.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

from outlast.kernel.errors import StoreDamaged
from outlast.kernel.plan import Json
from outlast.storage.logs.blocks import zstd
from outlast.storage.logs.folding import folded
from outlast.storage.logs.levels import ERROR, PLAIN, WARNING, Said, levels
from outlast.storage.logs.line_shapes import DIGITS, LONGEST, bare, outlines, shapes
from outlast.storage.logs.lines import LogGap, Piece
from outlast.storage.logs.stacks import Folds, Open, fold
from outlast.storage.logs.templates import Template, Templates

FORMAT = 1
"""Of what is stored, and of the rules that made it: one with another number is made anew."""
LONGEST_SAMPLE = 400
"""Bytes."""
KNOWN = 1 << 16
"""Outlines whose template is remembered."""
TAGS = {ERROR: b"\x01", WARNING: b"\x02"}
"""In front of outlines of errors and warnings; no outline of a line has these bytes."""
LEVELS = {tag: level for level, tag in TAGS.items()}
DROPPED = b"\x00"
LOOK_AGAIN = 16
"""Portions after which it is seen once more whether lines repeat before anything but digits is masked."""


class Portion(NamedTuple):
    """Consecutive lines of one spool."""

    first: int
    lines: Sequence[bytes]
    """Folded."""
    starts: Sequence[int]
    times: Sequence[int]
    """From which index on which time (µs) holds."""

    def at(self, index: int) -> int:
        return self.times[bisect_right(self.starts, index) - 1]


class Digest:
    def __init__(self) -> None:
        self.lines = 0
        """Taken in so far, from the beginning of the log."""
        self.unseen = 0
        """Of these, lines that cannot be looked at: dropped, gone or damaged."""
        self.said: dict[int, int] = {ERROR: 0, WARNING: 0}
        """Lines that are errors or warnings by themselves."""
        self._templates = Templates()
        self._open: dict[int, Open] = {}
        """By spool: the traceback that its latest lines are the beginning of."""
        self._under: dict[int, Template] = {}
        """By spool: the error that its latest line is, or is a frame of."""
        self._raw: dict[bytes, Template] = {}
        self._outlined: dict[bytes, Template] = {}
        """What is known of lines whose digits are 0, and of outlines."""
        self._varied = 0
        """Portions left in which lines are taken to differ before they are outlined."""

    def templates(self) -> list[Template]:
        """All of them, and what found no room: its text is empty."""
        rows = [template for template in self._templates if template.count]
        for opened in self._open.values():
            unfinished = Template(ERROR, shapes(outline_of(opened), telling=True), b"", 0, 0, 0, 0)
            unfinished.add(1, *span(opened))
            rows.append(unfinished)
        return rows + list(self._templates.other.values())

    def take(self, pieces: Iterable[Piece | LogGap]) -> None:
        """Take in the next lines."""
        run: list[Piece] = []
        for piece in pieces:
            seen = piece if isinstance(piece, Piece) and not piece.hidden else None
            if run and (seen is None or seen.spool != run[0].spool):
                self._take(run)
                run = []
            if seen is None:
                count = piece.last - piece.first + 1
                self.lines += count
                self.unseen += count
            else:
                run.append(seen)
        if run:
            self._take(run)

    def _take(self, run: list[Piece]) -> None:
        spool, first = run[0].spool, run[0].first
        text = folded(b"".join([p.data if p.data.endswith(b"\n") else p.data + b"\n" for p in run]))
        lines = text.split(b"\n")
        lines.pop()
        portion = Portion(first, lines, [piece.first - first for piece in run], [piece.at for piece in run])
        said = levels(text)
        errors = [line for line, level in said if level == ERROR]
        self.said[ERROR] += len(errors)
        self.said[WARNING] += len(said) - len(errors)
        under = self._under.pop(spool, None)
        folds = fold(lines, errors, first, portion.at, self._open.pop(spool, None), under=under is not None)
        if folds.unnamed is not None:
            self._add_unnamed(folds.unnamed)
        if under is not None and folds.under:
            extend(under.root, folds.under, portion, folds.under - 1)
        keys, table = self._keys(lines, said, folds)
        add_all(portion, keys, table)
        for block in folds.blocks:
            template = table[keys[block.named]].root
            if block.first < template.first:
                template.first, template.first_at = block.first, block.first_at
            extend(template, block.lines - 1, portion, block.last)
        self.lines += len(lines)
        if folds.open is not None:
            self._open[spool] = folds.open
        elif folds.under == len(lines) and under is not None:
            self._under[spool] = under
        else:
            last = next((b.named for b in folds.blocks if b.last == len(lines) - 1), len(lines) - 1)
            if keys[last].startswith(TAGS[ERROR]):
                self._under[spool] = table[keys[last]]

    def _add_unnamed(self, opened: Open) -> None:
        """A traceback that ended without its last line; its first one stands for it."""
        (template,) = self._of([TAGS[ERROR] + outline_of(opened)])
        template.add(1, *span(opened))

    def _keys(
        self, lines: Sequence[bytes], said: Sequence[Said], folds: Folds
    ) -> tuple[list[bytes], dict[bytes, Template]]:
        """A key for each line, and the templates by key; DROPPED for lines that are counted otherwise."""
        if max(map(len, lines)) > LONGEST:
            lines = [line[:LONGEST] for line in lines]
        keys = b"\n".join(lines).translate(DIGITS).split(b"\n")
        for index, level in said:
            keys[index] = TAGS[level] + keys[index]
        for block in folds.blocks:
            if not keys[block.named].startswith(TAGS[ERROR]):
                keys[block.named] = TAGS[ERROR] + keys[block.named].removeprefix(TAGS[WARNING])
        for dropped in folds.dropped:
            for index in dropped:
                keys[index] = DROPPED
        if self._varied:
            self._varied -= 1
            keys = bare(b"\n".join(keys)).split(b"\n")
            return keys, self._fill(self._outlined, keys)
        distinct = dict.fromkeys(keys)
        if len(distinct) * 2 > len(keys):
            self._varied = LOOK_AGAIN
        new = [key for key in distinct if key not in self._raw and key != DROPPED]
        if new:
            outlined = bare(b"\n".join(new)).split(b"\n")
            known = self._fill(self._outlined, outlined)
            if len(self._raw) > KNOWN:
                self._raw = {key: self._raw[key] for key in distinct if key in self._raw}
            self._raw.update((key, known[outline]) for key, outline in zip(new, outlined, strict=True))
        return keys, self._raw

    def _fill(self, table: dict[bytes, Template], outlines: Sequence[bytes]) -> dict[bytes, Template]:
        """The table with the templates of outlines, as far as they were not in it."""
        if len(table) > KNOWN:
            table.clear()
        new = [key for key in dict.fromkeys(outlines) if key not in table and key != DROPPED]
        table.update(zip(new, self._of(new), strict=True))
        return table

    def _of(self, outlines: Sequence[bytes]) -> list[Template]:
        """The templates of tagged outlines, in the order in which the lines came."""
        kinds = [LEVELS.get(outline[:1], PLAIN) for outline in outlines]
        shaped = {level: iter(self._shaped(outlines, kinds, level)) for level in set(kinds)}
        return [self._templates.of(level, next(shaped[level])) for level in kinds]

    def _shaped(self, outlines: Sequence[bytes], kinds: Sequence[int], level: int) -> list[bytes]:
        tag = len(TAGS.get(level, b""))
        mine = b"\n".join([line[tag:] for line, kind in zip(outlines, kinds, strict=True) if kind == level])
        return shapes(mine, telling=level != PLAIN).split(b"\n")

    def encode(self) -> bytes:
        document: Json = {
            "lines": self.lines,
            "unseen": self.unseen,
            "said": [self.said[WARNING], self.said[ERROR]],
            "templates": self._templates.document(),
            "open": [[spool, *text_of(opened)] for spool, opened in self._open.items()],
            "under": [[spool, self._templates.place_of(template)] for spool, template in self._under.items()],
        }
        return zstd.compress(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(), level=3)

    @classmethod
    def decode(cls, data: bytes) -> "Digest":
        """Raises StoreDamaged where it is not what `encode` makes."""
        digest = cls()
        try:
            document: dict[str, Any] = json.loads(zstd.decompress(data))
            digest.lines, digest.unseen = int(document["lines"]), int(document["unseen"])
            digest.said[WARNING], digest.said[ERROR] = map(int, document["said"])
            digest._templates = Templates.read(document["templates"])
            digest._open = {int(spool): open_of(opened) for spool, *opened in document["open"]}
            roots = list(digest._templates)
            digest._under = {int(spool): roots[place] for spool, place in document["under"]}
        except (ValueError, TypeError, KeyError, IndexError, zstd.ZstdError) as error:
            raise StoreDamaged(f"a digest cannot be read: {error}", next="ask again: it is made anew") from error
        return digest


def outline_of(opened: Open) -> bytes:
    return outlines(opened.header[:LONGEST])


def span(opened: Open) -> tuple[int, int, int, int, int, bytes]:
    """What to add to a template for it."""
    sample = opened.header[:LONGEST_SAMPLE]
    return opened.lines, opened.first, opened.first_at, opened.last, opened.last_at, sample


def text_of(opened: Open) -> list[Json]:
    header, *numbers, prefix = opened
    return [header.decode("latin-1"), *numbers, None if prefix is None else prefix.decode("latin-1")]


def open_of(row: Json) -> Open:
    header, *numbers, prefix = cast("Any", row)
    first, first_at, lines, last, last_at = map(int, numbers)
    prefix = None if prefix is None else prefix.encode("latin-1")
    return Open(header.encode("latin-1"), first, first_at, lines, last, last_at, prefix)


def add_all(portion: Portion, keys: Sequence[bytes], table: dict[bytes, Template]) -> None:
    """Count lines under their templates."""
    counts = Counter(keys)
    indexes = range(len(keys))
    firsts, lasts = dict(zip(reversed(keys), reversed(indexes), strict=True)), dict(zip(keys, indexes, strict=True))
    for key, count in counts.items():
        if key == DROPPED:
            continue
        first, last = firsts[key], lasts[key]
        table[key].root.add(
            count,
            count,
            portion.first + first,
            portion.at(first),
            portion.first + last,
            portion.at(last),
            portion.lines[first][:LONGEST_SAMPLE],
        )


def extend(template: Template, lines: int, portion: Portion, last: int) -> None:
    """Further lines belong to an appearance, up to the one at index `last`."""
    template.lines += lines
    if portion.first + last > template.last:
        template.last, template.last_at = portion.first + last, portion.at(last)
