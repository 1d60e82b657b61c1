"""What a search over all logs found, as a reply: grouped by execution, as much as fits, and where to go on."""

from dataclasses import dataclass, field

from outlast.definitions.values import show
from outlast.storage.logs.lines import Line
from outlast.storage.logs.store_search import Place, Searched, StoreFound, StoreQuery
from outlast.storage.records import Execution
from outlast.tools.log_pages import Row, day_of, fenced, row_of
from outlast.tools.results import ROOM, weight
from outlast.tools.search_views import MOST_UNREAD, Run, group_view, runs_of, unread_text, unread_views
from outlast.tools.texts import joined, next_calls
from outlast.tools.views import View, started_at, time_text


@dataclass(slots=True)
class Group:
    """What is shown of one execution."""

    execution: Execution
    rows: list[Row] = field(default_factory=list[Row])
    matches: list[int] = field(default_factory=list[int])

    def view(self) -> View:
        view = group_view(self.execution)
        view["matches"] = [*self.matches]
        view["lines"] = [row.view for row in self.rows]
        return view


@dataclass(slots=True)
class SearchReply:
    query: StoreQuery
    found: StoreFound
    most: int
    """Bytes of the whole reply."""
    _groups: list[Group] = field(default_factory=list[Group])
    _cut: tuple[Place, int] | None = None
    """Where to go on with what does not fit, and how many executions are searched until there."""

    def build(self) -> tuple[str, View]:
        """The reply as text and as structured content."""
        unread = unread_views(self.found)
        told = unread[:MOST_UNREAD]
        self._fill(self.most - ROOM - 2 * weight([*told]))
        shown = sum(len(group.matches) for group in self._groups)
        searched = self._searched()
        view: View = {
            "executions": [group.view() for group in self._groups],
            "matches": shown,
            "searched": searched,
            "unread": [*told],
            "unread_total": len(unread),
            "omitted": self.found.matches - shown,
            "next_cursor": None if self._place is None else str(self._place),
        }
        text = joined(
            [
                self._headline(shown, searched),
                self._omission(),
                unread_text(unread),
                fenced([row for group in self._groups for row in (heading(group), *group.rows)]),
                self._next(),
            ]
        )
        return text, view

    @property
    def _place(self) -> Place | None:
        return self.found.place if self._cut is None else self._cut[0]

    def _searched(self) -> View:
        """Up to where everything that matches is in this reply."""
        place = self._place
        return {
            "executions": self.found.executions if self._cut is None else self._cut[1],
            "newest": self.found.newest,
            "removed": self.found.removed,
            "oldest": self.found.oldest if self._cut is None else self._cut[0].number,
            "to_line": None if place is None else place.before,
            "complete": place is None,
        }

    def _fill(self, room: int) -> None:
        for part in self.found.parts:
            if not part.found.matches:
                continue  # told as what was not searched: gaps must not take the room of matches
            following = part.found.searched_to + 1
            for run in runs_of(part.found, self.query.context):
                rows = self._rows(part, run, room)
                if not rows and self._groups:
                    self._cut = Place(part.execution.number, following), part.nth
                    return
                rows = rows or self._rows(part, lone(run), None)
                group = self._group(part.execution)
                room -= 0 if group.rows else weight(group_view(part.execution)) + weight(heading(group).text)
                room -= sum(weight(row.view) + weight(row.text) + 2 for row in rows)
                # The newest lines stand first; what surrounds a match reads downwards.
                group.rows += rows
                group.matches += run.matches[::-1]
                following = run.begin

    def _rows(self, part: Searched, run: Run, room: int | None) -> list[Row]:
        """A run's rows; none where they do not fit."""
        days = {day_of(entry) for entry in part.found.entries if isinstance(entry, Line)}
        pointed = run.matches if self.query.context else ()
        rows: list[Row] = []
        if room is not None:
            room -= 512  # the execution's heading
        for entry in run.entries:
            rows.append(row_of(entry, part.execution, dated=len(days) > 1, pointed=pointed))
            if room is not None:
                room -= weight(rows[-1].view) + weight(rows[-1].text) + 2
                if room < 0:
                    return []
        return rows

    def _group(self, execution: Execution) -> Group:
        if not self._groups or self._groups[-1].execution.number != execution.number:
            self._groups.append(Group(execution))
        return self._groups[-1]

    def _headline(self, shown: int, searched: View) -> str:
        lines = "line matches" if shown == 1 else "lines match"
        groups = sum(bool(group.matches) for group in self._groups)
        words = f"{shown:,} {lines} {show(self.query.pattern)}"
        words += f" in {groups:,} execution{'' if groups == 1 else 's'}" if groups else ""
        return f"{words}; {self._extent(searched)}"

    def _extent(self, searched: View) -> str:
        """How far the search came."""
        if self.found.newest is None:
            return "no execution of those asked for has printed anything" + (
                " behind the cursor" if self._place is not None else ""
            )
        count, oldest, to_line = searched["executions"], searched["oldest"], searched["to_line"]
        words = f"searched {count:,} execution{'' if count == 1 else 's'}, #{self.found.newest}"
        words += f" … #{oldest}" if oldest != self.found.newest else ""
        if to_line is not None:
            words += f" (down to line {to_line:,} of #{oldest})"
        removed = self.found.removed
        words += f", {removed:,} of them without a log, which was removed to save room" if removed else ""
        gone = self.found.gone_or_damaged
        words += f", {gone:,} of their lines gone or damaged and not searched" if gone else ""
        if self._place is None:
            return f"{words}, and there are no others to search"
        return f'{words}; {self._why()}: go on with cursor="{self._place}"'

    def _why(self) -> str:
        if self._cut is not None:
            return f"a reply has at most {self.most // 1024} KiB"
        match self.found.stopped:
            case "limit":
                return "the limit is reached"
            case "size":
                return "lines so long fill a search"
            case _:
                return "the time is up"

    def _omission(self) -> str | None:
        shown = sum(len(group.matches) for group in self._groups)
        left_out = self.found.matches - shown
        return f"{left_out:,} older matches were found too and are left out." if left_out else None

    def _next(self) -> str | None:
        first = next((group for group in self._groups if group.matches), None)
        if first is None:
            return None
        after = max(0, first.matches[0] - 11)
        return next_calls(f"get_logs({first.execution.number}, after={after}, limit=21)")


def lone(run: Run) -> Run:
    """The newest match of a run that is too large for a reply, without what stands around it."""
    if not run.matches:
        return run
    n = run.matches[-1]
    return Run([entry for entry in run.entries if isinstance(entry, Line) and entry.n == n], n, (n,))


def heading(group: Group) -> Row:
    execution = group.execution
    begun = time_text(started_at(execution))
    day = "" if begun is None else f" · {begun[:10]} {begun[11:16]} UTC"
    return Row(0, 0, {}, f"#{execution.number} {execution.workflow_id} · {execution.status}{day}")
