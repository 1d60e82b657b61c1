"""Starting supervisors: detached from whoever starts them, with an environment of their own."""

import fcntl
import json
import os
import select
import signal
import time
from typing import NamedTuple

from outlast.kernel.errors import StartFailed
from outlast.kernel.home import RunDirectory, make_way

ACK_FD = 3
"""Where a supervisor finds the pipe on which it says once how its start went."""
ACK_TIMEOUT = 20.0


class Launcher(NamedTuple):
    """What supervisors are started with."""

    interpreter: str
    library: str
    """Directory that holds the packages outlast.kernel and outlast.supervisor."""

    def spawn(self, run: RunDirectory, ack: int | None) -> None:
        """Start a supervisor for a run directory; returns once it is nobody's child.

        A shell puts it into the background and ends at once, so killers that walk parent pids lose the trail; it
        leaves the session by itself. (Forking in Python instead costs 3 ms more: the copied pages.) Raises
        StartFailed where the interpreter cannot be started.
        """
        if not os.access(self.interpreter, os.X_OK):
            raise StartFailed(
                f"No supervisor could be started: {self.interpreter} is not there any more.",
                next="restart Outlast from where it is installed now",
            )
        make_way(run.supervisor_log)  # opening a FIFO there would wait for ever
        actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, run.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ]
        if ack is not None:
            actions.append((os.POSIX_SPAWN_DUP2, ack, ACK_FD))
        # A name of its own in the marker: when this start happens inside another execution, cancelling that one
        # spares this one.
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "OUTLAST_EXECUTION_ID": os.path.basename(run.path),
        }
        try:
            pid = os.posix_spawn(
                "/bin/sh",
                ["/bin/sh", "-c", '"$@" &', "outlast", *self.command(run), *([] if ack is None else ["ack"])],
                environment,
                file_actions=actions,
                setpgroup=0,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP],
            )
        except OSError as error:
            raise StartFailed(f"No supervisor could be started: {error}.") from error
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            return  # whoever started this process has it ignore SIGCHLD: the kernel has buried the shell

    def command(self, run: RunDirectory) -> list[str]:
        return [self.interpreter, "-I", "-S", self.library + "/outlast/supervisor/__main__.py", run.path]

    def start(self, run: RunDirectory, timeout: float = ACK_TIMEOUT) -> "Ack":
        """Start a supervisor and wait for its word. Blocks; Ack.result is `silent` when it gave none in time."""
        reader, low = os.pipe()
        # Not below ACK_FD + 1: duplicating a descriptor onto itself would leave it close-on-exec.
        writer = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10)
        os.close(low)
        try:
            try:
                self.spawn(run, writer)
            finally:
                os.close(writer)
            return read_ack(reader, timeout)
        finally:
            os.close(reader)


class Ack(NamedTuple):
    """What a supervisor says of its start.

    `result`: `running` (the child lives, its pid is durable), `over` (settled, perhaps at once), `held` (another
    supervisor lives), `queued` (nothing claimed it), `gone` (no such row), `silent` (it died or said nothing).
    """

    result: str
    pid: int | None = None


def read_ack(fd: int, timeout: float) -> Ack:
    data = b""
    deadline = time.monotonic() + timeout
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLHUP)
    while not data.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return Ack("silent")
        piece = os.read(fd, 4096)
        if not piece:
            return Ack("silent")
        data += piece
    return Ack(**json.loads(data))


def send_ack(ack: Ack) -> None:
    """Say it on ACK_FD; whoever asked may have gone."""
    try:
        os.write(ACK_FD, json.dumps(ack._asdict()).encode() + b"\n")
    except BrokenPipeError:
        return
    finally:
        os.close(ACK_FD)
