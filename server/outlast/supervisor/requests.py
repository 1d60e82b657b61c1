"""What others want of a running supervisor: looked for every second, and at once when nudged."""

from collections.abc import Callable

from outlast.kernel import supervision
from outlast.kernel.supervision import Request
from outlast.supervisor.loop import Loop
from outlast.supervisor.recorder import Recorder

ASK_EVERY = 1.0
"""Seconds between two looks; SIGUSR1 brings the next one forward."""


class Requests:
    """Asks the store whenever somebody has committed to it."""

    def __init__(
        self, recorder: Recorder, loop: Loop, cancel: Callable[[str], None], superseded: Callable[[], None]
    ) -> None:
        """`cancel` gets the name of who asks for the end; `superseded` means that another supervisor is the one."""
        self._recorder = recorder
        self._loop = loop
        self._cancel = cancel
        self._superseded = superseded
        self._of: tuple[int, int] | None = None
        self._asking = False

    def begin(self, number: int, epoch: int) -> None:
        """Look from now on, for this execution in this epoch."""
        self._of = number, epoch
        self._loop.after(ASK_EVERY, self._ask_regularly)

    def end(self) -> None:
        self._of = None

    def ask(self) -> None:
        """Look now."""
        if self._of is None or self._asking:
            return
        number, epoch = self._of
        self._asking = True
        self._recorder.read(
            lambda c: supervision.request(c, number, epoch) if self._recorder.changed(c) else "unchanged",
            self._asked,
        )

    def _ask_regularly(self) -> None:
        if self._of is not None:
            self.ask()
            self._loop.after(ASK_EVERY, self._ask_regularly)

    def _asked(self, request: "Request | str | None") -> None:
        self._asking = False
        if self._of is None or not isinstance(request, Request):
            return  # unchanged; or the row is gone: the child goes on, and its end is written to a file
        if not request.current:
            self._superseded()
        elif request.cancel_by is not None:
            self._cancel(request.cancel_by)
