"""Lines of a log as one JSON document with the fields of the tool get_logs, written while they are read."""

import json

from outlast.kernel.permalinks import permalink
from outlast.server.cli.screen import Screen
from outlast.server.cli.selecting import Entries, Selection, first_of, last_of
from outlast.storage.logs.lines import Entry, LogGap
from outlast.storage.logs.reader import LogCount
from outlast.storage.records import Execution
from outlast.tools.log_views import gap_view, line_view, meaning_of
from outlast.tools.views import View


class LogDocument:
    """Nothing is written before the first lines are there or it is ended: an error before that stands alone."""

    def __init__(self, screen: Screen, execution: Execution, selection: Selection) -> None:
        self._screen = screen
        self._execution = execution
        self._selection = selection
        self._begun = False
        self._first: int | None = None
        self._seen = selection.after or (0 if selection.before is None else selection.before - 1)

    def write(self, entries: Entries) -> None:
        if not entries:
            return
        views = ", ".join(json_of(entry_view(self._execution, entry)) for entry in entries)
        self._screen.write(f"{', ' if self._begun else self._head()}{views}")
        self._first = self._first or first_of(entries[0])
        self._begun = True
        self._seen = last_of(entries[-1])

    def end(self, count: LogCount) -> None:
        """Say what there is in all, and how to go on. `count`: of before the lines were read, if it was final then."""
        wanted = self._selection
        to_the_end = wanted.before is None and (wanted.last is None or wanted.after is None)
        over = count.final and (to_the_end or self._seen >= count.lines)
        rest: View = {
            "log_lines": count.lines,
            "log_lines_final": count.final,
            "omitted": 0,
            "next_cursor": None if over else self._seen,
            "permalink": permalink(self._execution.number, self._first, self._seen) if self._first else None,
        }
        self._screen.line(f"{'' if self._begun else self._head()}], {json_of(rest)[1:]}")

    def _head(self) -> str:
        head: View = {"handle_id": self._execution.id, "number": self._execution.number}
        return f'{json_of(head)[:-1]}, "lines": ['


def entry_view(execution: Execution, entry: Entry) -> View:
    if isinstance(entry, LogGap):
        return gap_view(entry)
    return line_view(entry, execution, meaning_of(entry, execution))


def json_of(view: View) -> str:
    return json.dumps(view, ensure_ascii=False)
