"""In which order a digest shows its templates: each error once by what it says, then what else there is."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from outlast.storage.logs.levels import ERROR, WARNING
from outlast.storage.logs.templates import Template
from outlast.tools.readable import shown

RARE = 3
"""Appearances up to which a template is a rare one."""
OTHER = "(lines of further shapes, for which there was no room)"

# What is wrong, from the name of the error on.
MESSAGE = re.compile(
    r"(?:(?:[A-Za-z_][\w$]*(?:\.|::))*[A-Za-z_$][\w$]*(?:Error|Exception|Warning|Interrupt|Exit)\b"
    r"|\b[a-z]+\.error\b|\b(?:[Ee]rror|ERROR|[Ff]atal|FATAL|[Pp]anic|CRITICAL)\b).*"
)
# Lines that say where an error is, or that there are some: what it says stands in another line, if anywhere.
POINTS = re.compile(
    r"\S+:(?:\d+|<num>): [\w.]+|.*\bFAILED\b *(?:\[.*)?|FAILED [^ ]*|=+ .* =+|_+ .* _+|-+ .* -+|\s*--- FAIL.*|FAIL\t.*"
    r"|.*(?:exit(?:ed)?(?: with)?(?: code| status)|returned) \S+|.*\b(?:\d+|<num>) (?:failed|errors?|failures?)\b.*"
)
NUMBER = re.compile(r"\d+(?:[.,_]\d+)*")


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    templates: Sequence[Template]
    share: Fraction
    """How much of the room that is left it may take before the others are served."""
    naming: bool = False
    """Each of its templates names an error."""


def sections(templates: Sequence[Template]) -> list[Section]:
    """All templates, those that matter first."""
    errors = latest(template for template in templates if template.level == ERROR)
    warnings = latest(template for template in templates if template.level == WARNING)
    plain = [template for template in templates if template.level not in (ERROR, WARNING)]
    rare = latest(template for template in plain if template.count <= RARE)
    usual = sorted((t for t in plain if t.count > RARE), key=lambda t: (-t.count, t.first))
    naming = naming_ones(errors)
    names = set(map(id, naming))
    rest = [template for template in errors if id(template) not in names]
    found = (
        Section("errors, the latest first", naming, Fraction(1), naming=True),
        Section("warnings, the latest first", warnings, Fraction(2, 3)),
        Section("more lines about errors, the latest first", rest, Fraction(1, 3)),
        Section("rare lines, the latest first", rare, Fraction(1, 2)),
        Section("the rest, by count", usual, Fraction(1)),
    )
    return [section for section in found if section.templates]


def latest(templates: Iterable[Template]) -> list[Template]:
    """Sorted by their last appearance, the latest first."""
    return sorted(templates, key=lambda template: (-template.last, template.first))


def naming_ones(errors: Sequence[Template]) -> list[Template]:
    """One template for each thing that errors say, in the order in which they came; if none says anything, all."""
    best: dict[str, Template] = {}
    for template in errors:
        said = message_of(template)
        if said is not None and (said not in best or template.count > best[said].count):
            best[said] = template
    whole = [said for said in best if not said.endswith("...")]
    names = {
        id(template)
        for said, template in best.items()
        if not said.endswith("...") or not any(other.startswith(said.rstrip(".")) for other in whole)
    }
    return [template for template in errors if id(template) in names] or list(errors)


def message_of(template: Template) -> str | None:
    """What an error says, without the numbers; None where its lines only point at something."""
    text = " ".join(shown(template.text).text.split())
    if template.other or not text:
        return text
    _, dash, tail = text.partition(" - ")
    if text.startswith("FAILED ") and dash:
        text = tail
    elif POINTS.fullmatch(text):
        return None
    found = MESSAGE.search(text)
    return NUMBER.sub("<num>", found[0] if found is not None else text)


def words_of(template: Template) -> str:
    """A template as a row shows it: of what appeared once the line itself."""
    if template.other:
        return OTHER
    return " ".join(shown(template.sample if template.count == 1 else template.text).text.split()) or "(blank)"
