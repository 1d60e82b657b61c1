"""The executions that are not over, as this process last saw them."""

from outlast.kernel.database import Connection, data_version
from outlast.kernel.ids import format_id, parse_handle
from outlast.kernel.permalinks import handle_of
from outlast.storage import reading
from outlast.storage.records import Execution
from outlast.storage.store import Store


class Live:
    """One immutable snapshot for each live execution, replaced whole when the store has changed.

    The store is the authority and this a cache: before an answer is given from memory the store's `data_version`
    is compared, which costs microseconds. What is over leaves the memory and is read from the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = -1
        self._snapshots: dict[int, Execution] = {}
        self._numbers: dict[str, int] = {}

    async def get(self, handle: str | int) -> Execution:
        """The execution as it is now. NotFound where there is none."""
        number = self._known(handle)
        version, execution = await self._store.read(lambda c: self._look(c, handle, number))
        if version != self._version:
            self._version = version
            self._snapshots.clear()
            self._numbers.clear()
        if execution.settled is None:
            self._snapshots[execution.number] = execution
            self._numbers[execution.id] = execution.number
        return execution

    def _look(self, connection: Connection, handle: str | int, number: int | None) -> tuple[int, Execution]:
        version = data_version(connection)
        if version == self._version and number is not None and (snapshot := self._snapshots.get(number)) is not None:
            return version, snapshot
        return version, reading.execution(connection, number or reading.number_of(connection, handle))

    def _known(self, handle: str | int) -> int | None:
        parsed = parse_handle(handle_of(handle))
        number = self._numbers.get(format_id(parsed)) if isinstance(parsed, bytes) else parsed
        return number if number in self._snapshots else None
