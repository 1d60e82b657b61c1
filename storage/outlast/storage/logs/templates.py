"""The templates of a log: shapes with what stands under them, and similar ones as one with `<*>` where they differ.

What is merged depends only on which shapes came first, never on counts, on blocks or on when somebody looked: a log
has the same templates however it is read. Room is bounded, for errors, warnings and the rest apart; what comes when
its room is full counts as `other`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import eq
from typing import Any, cast

from outlast.kernel.plan import Json
from outlast.storage.logs.levels import ERROR, PLAIN, WARNING

ANY = b"<*>"
MOST = {ERROR: 1000, WARNING: 500, PLAIN: 2000}
"""Templates of one level."""
MOST_ALIKE = {ERROR: 16, WARNING: 8, PLAIN: 8}
"""That many similar templates stay apart: each may be something of its own. With one more they are one shape with a
variable word."""
LOOKED_AT = 256
"""Templates with as many words, the latest ones, that a new one is compared with."""
MOST_WORDS = 64
"""Templates with more are not merged."""
MOST_MERGES = 4000
"""So that what is remembered stays bounded, whatever is printed."""


@dataclass(slots=True, eq=False)
class Template:
    level: int
    text: bytes
    sample: bytes
    """Its first line, folded and cut."""
    first: int
    last: int
    """Line numbers: of the first line of its first appearance and of the last line of its last."""
    first_at: int
    last_at: int
    """µs since the epoch."""
    count: int = 0
    """Appearances."""
    lines: int = 0
    """That they consist of: more than `count` where blocks of lines are folded into their last one."""
    into: "Template | None" = None
    """What it was merged into."""
    words: tuple[bytes, ...] = ()
    merged: bool = False
    """It stands for several shapes."""
    other: bool = False
    """It stands for whatever found no room."""

    @property
    def root(self) -> "Template":
        template = self
        while template.into is not None:
            template = template.into
        return template

    def add(self, count: int, lines: int, first: int, first_at: int, last: int, last_at: int, sample: bytes) -> None:
        """Take in further appearances; `sample` is the one on line `first`."""
        if not self.count or first < self.first:
            self.first, self.first_at, self.sample = first, first_at, sample
        if not self.count or last > self.last:
            self.last, self.last_at = last, last_at
        self.count += count
        self.lines += lines


@dataclass(slots=True)
class Alike:
    """Templates with one level and one number of words."""

    members: list[Template] = field(default_factory=list[Template])
    """In the order in which they came."""
    variable: dict[tuple[int, ...], dict[tuple[bytes, ...], tuple[int, Template]]] = field(
        default_factory=dict[tuple[int, ...], dict[tuple[bytes, ...], tuple[int, Template]]]
    )
    """By the places of variable words, and by the words with `<*>` there: the how manieth it was, and the template."""


class Templates:
    def __init__(self) -> None:
        self._exact: dict[tuple[int, bytes], Template] = {}
        self._alike: dict[tuple[int, int], Alike] = {}
        self._room = dict(MOST)
        self._merges = 0
        self.other: dict[int, Template] = {}
        """By level: what found no room."""

    def __iter__(self) -> Iterator[Template]:
        for alike in self._alike.values():
            yield from alike.members

    def of(self, level: int, text: bytes) -> Template:
        """The template of a shape. One that is new has no appearances yet."""
        exact = self._exact.get((level, text))
        if exact is not None:
            return exact
        words = tuple(text.split(b" "))
        alike = self._alike.get((level, len(words)))
        if alike is not None and (found := matching(alike, words)) is not None:
            return found.root
        if not self._room[level]:
            return self._other(level)
        return self._new(level, text, words)

    def _other(self, level: int) -> Template:
        return self.other.setdefault(level, Template(level, b"", b"", 0, 0, 0, 0, other=True))

    def _new(self, level: int, text: bytes, words: tuple[bytes, ...]) -> Template:
        template = Template(level, text, b"", 0, 0, 0, 0, words=words)
        alike = self._alike.setdefault((level, len(words)), Alike())
        alike.members.append(template)
        self._exact[level, text] = template
        self._room[level] -= 1
        mergeable = 1 < len(words) <= MOST_WORDS and self._merges < MOST_MERGES
        if mergeable and (places := variable_places(alike, template)):
            self._merge(alike, template, places)
        return template.root

    def _merge(self, alike: Alike, template: Template, places: tuple[int, ...]) -> None:
        """One template instead of all that are `template` but for the words at some places."""
        words = with_any(template.words, places)
        merged = Template(template.level, b" ".join(words), b"", 0, 0, 0, 0, words=words, merged=True)
        parts = [member for member in alike.members if with_any(member.words, places) == words]
        if len(parts) < 2:
            return
        for part in parts:
            part.into = merged
            self._exact.pop((part.level, part.text), None)
            if part.count:
                merged.add(
                    part.count, part.lines, part.first, part.first_at, part.last, part.last_at, part.sample
                )  # fmt: skip
        alike.members = [member for member in alike.members if member.into is None] + [merged]
        self._room[template.level] += len(parts) - 1
        self._remember(alike, words, places, merged)

    def document(self) -> Json:
        """All of it as JSON."""
        roots = list(self)
        places = {id(template): place for place, template in enumerate(roots)}
        merges = [
            (age, level, spots, words, places[id(template.root)])
            for (level, _), alike in self._alike.items()
            for spots, texts in alike.variable.items()
            for words, (age, template) in texts.items()
        ]
        return {
            "templates": [row_of(template) for template in roots],
            "merges": [
                [level, list(spots), b" ".join(words).decode("latin-1"), place]
                for _, level, spots, words, place in sorted(merges, key=lambda merge: merge[0])
            ],
            "other": [row_of(template) for template in self.other.values()],
        }

    @classmethod
    def read(cls, document: Json) -> "Templates":
        """What `document` was made of. Raises ValueError, KeyError, TypeError or IndexError where it is not that."""
        made, told = cls(), cast("Any", document)
        rows: list[Json] = told["templates"]
        roots = [template_of(row) for row in rows]
        for template in roots:
            made._alike.setdefault((template.level, len(template.words)), Alike()).members.append(template)
            made._room[template.level] -= 1
            if not template.merged:
                made._exact[template.level, template.text] = template
        merges: list[tuple[int, list[int], str, int]] = told["merges"]
        for level, spots, text, place in merges:
            words = tuple(text.encode("latin-1").split(b" "))
            made._remember(made._alike[level, len(words)], words, tuple(spots), roots[place])
        for row in told["other"]:
            template = template_of(row)
            template.other = True
            made.other[template.level] = template
        return made

    def place_of(self, template: Template) -> int:
        """Where a template stands among all of them, also in what `read` makes of the document."""
        return list(self).index(template.root)

    def _remember(self, alike: Alike, words: tuple[bytes, ...], places: tuple[int, ...], merged: Template) -> None:
        self._merges += 1
        alike.variable.setdefault(places, {})[words] = (self._merges, merged)


def row_of(template: Template) -> Json:
    one = template
    text, sample = one.text.decode("latin-1"), one.sample.decode("latin-1")
    return [one.level, text, sample, one.first, one.last, one.first_at, one.last_at, one.count, one.lines, one.merged]


def template_of(row: Json) -> Template:
    level, text, sample, first, last, first_at, last_at, count, lines, merged = cast("Any", row)
    if level not in MOST:
        raise ValueError(f"{level} is no level")
    shape = text.encode("latin-1")
    return Template(
        level,
        shape,
        sample.encode("latin-1"),
        int(first),
        int(last),
        int(first_at),
        int(last_at),
        int(count),
        int(lines),
        words=tuple(shape.split(b" ")),
        merged=bool(merged),
    )


def matching(alike: Alike, words: tuple[bytes, ...]) -> Template | None:
    """The oldest merged template that these words belong to: what once matched it still does."""
    found = [
        known for places, texts in alike.variable.items() if (known := texts.get(with_any(words, places))) is not None
    ]
    return min(found, key=lambda known: known[0])[1] if found else None


def with_any(words: tuple[bytes, ...], places: tuple[int, ...]) -> tuple[bytes, ...]:
    masked = list(words)
    for place in places:
        masked[place] = ANY
    return tuple(masked)


def variable_places(alike: Alike, template: Template) -> tuple[int, ...]:
    """Where the words of the templates that are like this one vary; nowhere while they are few."""
    words = template.words
    enough = (len(words) + 1) // 2
    similar = [member.words for member in alike.members[-LOOKED_AT:] if sum(map(eq, member.words, words)) >= enough]
    most = MOST_ALIKE[template.level]
    if len(similar) <= most:
        return ()
    places = tuple(place for place, found in enumerate(zip(*similar, strict=True)) if len(set(found)) > most // 2)
    return places if len(places) < len(words) else ()
