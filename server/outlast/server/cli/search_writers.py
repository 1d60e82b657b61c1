"""What `search` has found, written while it is found: for people, as one JSON document, as a JSON object a line."""

from array import array
from typing import Protocol

from outlast.server.cli.lines import LineFormat
from outlast.server.cli.log_document import entry_view, json_of
from outlast.server.cli.screen import Screen
from outlast.server.cli.wording import moment
from outlast.storage.logs.lines import Line, joined_gaps
from outlast.storage.logs.store_search import Place, Searched
from outlast.storage.records import Execution
from outlast.tools.search_views import MOST_UNREAD, Run, group_view, runs_of
from outlast.tools.views import View, started_at


class Extent:
    """How far a search has come."""

    def __init__(self) -> None:
        self.matches = 0
        self.matching = 0
        """Executions with matches."""
        self.executions = 0
        self.newest: int | None = None
        self.oldest: int | None = None
        self.removed = self.damaged = 0
        """Without a log any more; and those that cannot be read."""
        self.unread: list[View] = []
        """What could not be searched."""
        self.place: Place | None = None

    def view(self) -> View:
        return {
            "matches": self.matches,
            "searched": {
                "executions": self.executions,
                "removed": self.removed,
                "newest": self.newest,
                "oldest": self.oldest,
                "to_line": None if self.place is None else self.place.before,
                "complete": self.place is None,
            },
            "unread": [*self.unread[:MOST_UNREAD]],
            "unread_total": len(self.unread),
            "omitted": 0,
            "next_cursor": None if self.place is None else str(self.place),
        }


class SearchWriter(Protocol):
    def write(self, part: Searched) -> None: ...

    def end(self, extent: Extent) -> None: ...


class People:
    """A heading for each execution, its lines below."""

    def __init__(self, screen: Screen, context: int, at: int) -> None:
        """`at`: now, µs."""
        self._screen = screen
        self._context = context
        self._at = at
        self._execution: Execution | None = None
        self._form: LineFormat | None = None

    def write(self, part: Searched) -> None:
        begun = self._form is None or self._execution is None or self._execution.number != part.execution.number
        if begun or self._form is None:
            if self._execution is not None:
                self._screen.line()
            self._execution = part.execution
            self._form = LineFormat(part.execution, colours=self._screen.colours)
            self._screen.line(self._heading(part.execution))
        for run in runs_of(part.found, self._context):
            if self._context and not begun:
                self._screen.line(self._screen.dim("--"))
            begun = False
            self._screen.write(self._form.text(joined_gaps(run.entries)))

    def end(self, extent: Extent) -> None:
        """Nothing: what was searched is told beside the answer."""

    def _heading(self, execution: Execution) -> str:
        began = started_at(execution)
        when = "" if began is None else f" · {moment(began, self._at)}"
        return f"#{execution.number} {execution.workflow_id} · {self._screen.status(execution.status)}{when}"


class Objects:
    """One JSON object for each line, with the execution that it is of."""

    def __init__(self, screen: Screen, context: int) -> None:
        self._screen = screen
        self._context = context

    def write(self, part: Searched) -> None:
        of = group_view(part.execution)
        for run in runs_of(part.found, self._context):
            for view in views_of(part.execution, run):
                self._screen.line(json_of(of | view))

    def end(self, extent: Extent) -> None:
        """Nothing: each line is whole."""


BEGINNING = '{"executions": ['


class Document:
    """One JSON document with the fields of the tool search_logs. Nothing is written before something was found."""

    def __init__(self, screen: Screen, context: int) -> None:
        self._screen = screen
        self._context = context
        self._number: int | None = None
        self._matches = array("q")
        self._begun = False

    def write(self, part: Searched) -> None:
        if part.execution.number != self._number:
            self._end_group()
            self._screen.write(", " if self._begun else BEGINNING)
            self._screen.write(f'{json_of(group_view(part.execution))[:-1]}, "lines": [')
            self._number, self._begun, first = part.execution.number, True, True
        else:
            first = False
        for run in runs_of(part.found, self._context):
            for view in views_of(part.execution, run):
                self._screen.write(f"{'' if first else ', '}{json_of(view)}")
                first = False
            self._matches.extend(run.matches[::-1])

    def end(self, extent: Extent) -> None:
        self._end_group()
        self._screen.line(f"{'' if self._begun else BEGINNING}], {json_of(extent.view())[1:]}")

    def _end_group(self) -> None:
        if self._number is not None:
            self._screen.write(f'], "matches": {self._matches.tolist()}}}')
            self._matches = array("q")


def views_of(execution: Execution, run: Run) -> list[View]:
    return [
        entry_view(execution, entry) | ({"matches": entry.n in run.matches} if isinstance(entry, Line) else {})
        for entry in joined_gaps(run.entries)
    ]
