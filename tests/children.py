"""The processes of an execution, as a test gets at them."""

from pathlib import Path

from outlast.kernel.clock import Clock
from outlast.kernel.home import Home
from outlast.kernel.process import ProcessId, identify_child
from outlast.storage.records import Execution
from waiting import until


async def wrapper_of(home: Home, execution: Execution) -> ProcessId:
    """The wrapper of the attempt, which claims its start a moment after it is acknowledged; it may have ended."""
    started = Path(home.run(execution.id).attempt("run", 1).started)
    await until(lambda: started.exists() and started.read_text().endswith("\n"))
    fields = started.read_text().split()
    found = identify_child(int(fields[0]), Clock())
    return found._replace(start=int(fields[21]))
