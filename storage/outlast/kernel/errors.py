"""Everything that can go wrong on purpose.

OutlastError
├── InvalidInput             a field of the caller's is wrong; nothing was started
│   ├── UnknownParameter
│   └── InvalidDefinition    a workflow file does not load
├── NotFound                 execution_not_found, workflow_not_found …
├── NotAllowed               settings, trust or state forbid it
├── Conflict                 idempotency_conflict, concurrency_conflict, execution_is_live …
├── StartFailed              the execution exists and says itself why it did not start
└── StoreError               the database
    ├── StoreBusy            somebody held the store lock for too long
    ├── StoreFull            the disk or a size limit is reached
    ├── StoreDamaged         a checksum or SQLite says that bytes are not what was written
    ├── StoreTooNew          a newer Outlast wrote it: restart this one
    ├── StoreUncertain       a disk that fails all the time: what was refused may be there after a crash
    └── StoreUnreachable     missing rights, read-only file
        └── StoreMoved       the database is no longer the file that was opened; nothing was written
"""


class OutlastError(Exception):
    """An error with a stable `code`, a sentence for the reader and `next`, the next useful call."""

    code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, next: str | None = None, handle_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.next = next
        self.handle_id = handle_id


class InvalidInput(OutlastError):
    code = "invalid_input"


class UnknownParameter(InvalidInput):
    code = "unknown_parameter"


class InvalidDefinition(InvalidInput):
    code = "invalid_definition"


class NotFound(OutlastError):
    code = "not_found"


class NotAllowed(OutlastError):
    code = "not_allowed"


class Conflict(OutlastError):
    code = "conflict"


class StartFailed(OutlastError):
    code = "start_failed"


class StoreError(OutlastError):
    code = "store_error"


class StoreBusy(StoreError):
    code = "store_busy"


class StoreFull(StoreError):
    code = "store_full"


class StoreDamaged(StoreError):
    code = "store_damaged"


class StoreTooNew(StoreError):
    code = "outlast_was_upgraded"


class StoreUncertain(StoreError):
    pass


class StoreUnreachable(StoreError):
    code = "store_unreachable"


class StoreMoved(StoreUnreachable):
    pass
