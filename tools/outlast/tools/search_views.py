"""What a search over all logs found, in the order in which it is shown."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from outlast.storage.logs.lines import Entry, Line, LogGap
from outlast.storage.logs.search import LogSearch
from outlast.storage.logs.store_search import StoreFound
from outlast.storage.records import Execution
from outlast.tools.log_views import gap_text
from outlast.tools.readable import visible
from outlast.tools.views import View, started_at, time_text

MOST_UNREAD = 10
"""Things that could not be searched, of which an answer says why."""


class Run(NamedTuple):
    """Lines that are shown together: a match, or matches, with what stands around; or what could not be looked at."""

    entries: Sequence[Entry]
    """Ascending."""
    begin: int
    """Its lowest match, or the first line of a gap: what was searched behind it stands in earlier runs."""
    matches: tuple[int, ...]


def runs_of(found: LogSearch, context: int) -> Iterator[Run]:
    """What is shown together, the newest first."""
    matches = set(found.matches)
    entries = [
        entry
        for entry in found.entries
        if isinstance(entry, Line) or not any(gap.first <= entry.first <= gap.last for gap in found.gaps)
    ]
    groups: list[list[Entry]] = []
    for entry in sorted([*entries, *found.gaps], key=first_of):
        if groups and context and not alone(entry, found) and not alone(groups[-1][-1], found):
            before = groups[-1][-1]
            if last_of(before) + 1 == first_of(entry):
                groups[-1].append(entry)
                continue
        groups.append([entry])
    for group in reversed(groups):
        hits = tuple(entry.n for entry in group if isinstance(entry, Line) and entry.n in matches)
        yield Run(group, hits[0] if hits else first_of(group[0]), hits)


def alone(entry: Entry, found: LogSearch) -> bool:
    """Whether it says what could not be looked at, rather than what stands around a match."""
    return isinstance(entry, LogGap) and entry in found.gaps


def first_of(entry: Entry) -> int:
    return entry.first if isinstance(entry, LogGap) else entry.n


def last_of(entry: Entry) -> int:
    return entry.last if isinstance(entry, LogGap) else entry.n


def group_view(execution: Execution) -> View:
    """Which execution lines are of."""
    return {
        "handle_id": execution.id,
        "number": execution.number,
        "workflow_id": execution.workflow_id,
        "status": execution.status.value,
        "start_time": time_text(started_at(execution)),
    }


def unread_views(found: StoreFound) -> list[View]:
    """What of executions in which nothing was found could not be searched: all of them, or some of their lines."""
    views = [unread_view(one.number, visible(one.why)) for one in found.unread]
    for part in found.parts:
        if not part.found.matches:
            number = part.execution.number
            views += [unread_view(number, f"#{number} {gap_text(gap)}") for gap in part.found.gaps]
    return views


def unread_view(number: int, reason: str) -> View:
    return {"number": number, "reason": reason}


def unread_text(views: Sequence[View]) -> str | None:
    """The same in one sentence."""
    if not views:
        return None
    told = "; ".join(str(view["reason"]).rstrip(".") for view in views[:MOST_UNREAD])
    more = f"; and {len(views) - MOST_UNREAD:,} more" if len(views) > MOST_UNREAD else ""
    return f"not searched: {told}{more}"
