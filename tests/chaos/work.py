"""What the chaos runs execute, and how to tell afterwards whether it happened exactly once and left every line."""

from dataclasses import dataclass
from pathlib import Path

from outlast.kernel.errors import OutlastError
from outlast.kernel.plan import Json
from outlast.runtime.logbooks import LogQuery
from outlast.runtime.runtime import Runtime
from outlast.storage.logs.lines import Line

SCRIPT = """
echo $$ >> "$1"
i=1
while [ $i -le "$2" ]; do
  echo "line $i of $2"
  i=$((i + 1))
  [ $((i % 40)) -eq 0 ] && sleep 0.01
done
exit "$3"
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A command that notes each of its starts in a file, prints numbered lines and exits with a known code."""

    starts: Path
    lines: int
    code: int

    def params(self) -> dict[str, Json]:
        return {"argv": ["sh", "-c", SCRIPT, "work", str(self.starts), str(self.lines), str(self.code)]}

    def expected(self) -> list[bytes]:
        return [b"line %d of %d" % (i, self.lines) for i in range(1, self.lines + 1)]

    def times_started(self) -> int:
        return len(self.starts.read_text().split()) if self.starts.exists() else 0


async def verdict(runtime: Runtime, handle: str | int, work: Work, seconds: float = 30) -> list[str]:
    """What is wrong with an execution that should have run to its true end; empty when nothing is."""
    wrong: list[str] = []
    try:
        execution = await runtime.wait(handle, seconds)
    except OutlastError as error:
        return [f"{handle}: {error.message}"]
    state = execution.settled
    if state is None:
        return [f"#{execution.number} is still {execution.status} after {seconds} s"]
    expected = "completed" if work.code == 0 else "failed"
    if (state.status, state.exit_code) != (expected, work.code):
        wrong.append(f"#{execution.number} is {state.status} ({state.exit_code}, {state.reason}), not {expected}")
    if work.times_started() != 1:
        wrong.append(f"#{execution.number} was started {work.times_started()} times")
    printed: list[bytes] = []
    numbers: list[int] = []
    while True:
        page = await runtime.logs(execution, LogQuery(limit=1000, after=len(numbers)))
        lines = [entry for entry in page.entries if isinstance(entry, Line)]
        if len(lines) != len(page.entries):
            wrong.append(f"#{execution.number} has gaps in its log: {page.entries}")
        if not lines:
            break
        printed += [line.data for line in lines]
        numbers += [line.n for line in lines]
    if printed != work.expected():
        wrong.append(f"#{execution.number} has {len(printed)} lines, not the {work.lines} that were printed")
    if numbers != list(range(1, len(numbers) + 1)):
        wrong.append(f"#{execution.number} has line numbers with holes")
    return wrong
