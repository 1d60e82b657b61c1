"""How long a server takes to be gone, whatever ends it and whatever it is stuck in."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from abuse.wire import BOUND, Broken, Wire, tool_call
from chaos.serving import environment, program
from outlast.kernel.home import Home

HELD = 'exec 3<&0; "$@" <&3 & echo $! > "$OUTLAST_HOME/server"; wait'
"""A parent whose end does not close the server's pipe: its other end stays open here."""
LOOP = """
import os, time
from outlast.server.opening import Opening
opened = Opening.runtime
async def stuck(self):
    await opened(self)
    open(os.environ["OUTLAST_HOME"] + "/stuck", "w").close()
    time.sleep(1000)
Opening.runtime = stuck
"""
QUERY = """
import os
from outlast.kernel.database import Database
def endless(self, connection, query):
    open(os.environ["OUTLAST_HOME"] + "/stuck", "w").close()
    connection.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i FROM n) SELECT max(i) FROM n").fetchall()
Database.read = endless
"""
HOLDER = """
import os, time
from outlast.kernel.database import Database
from outlast.kernel.home import Home
with Database(Home(os.environ["OUTLAST_HOME"])).lock.held(30):
    print("held", flush=True)
    time.sleep(1000)
"""
WAYS = ("end of input", "SIGTERM", "SIGINT", "SIGHUP", "parent gone")
"""What ends a server."""


class Victim(NamedTuple):
    wire: Wire
    """To its parent, and through that to it."""
    pid: int
    """Of the server itself."""

    def end(self, way: str) -> float:
        """End it in one of the WAYS; seconds until it was gone. Raises Broken when it is not within BOUND."""
        fd = os.pidfd_open(self.pid)
        try:
            begun = time.monotonic()
            if way == "end of input":
                self.wire.close_input()
            elif way == "parent gone":
                self.wire.process.kill()
            else:
                os.kill(self.pid, getattr(signal, way))
            if not select.select([fd], [], [], BOUND)[0]:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                raise Broken(f"still there {BOUND:g} s after: {way}")
            return time.monotonic() - begun
        finally:
            os.close(fd)


@contextmanager
def serving(home: Home, patch: str = "") -> Generator[Victim]:
    """A server that has shaken hands and was asked for something, below a parent of its own. `patch`: code that runs in
    it first."""
    noted = Path(home.root, "server")
    for left in (noted, Path(home.root, "stuck")):
        left.unlink(missing_ok=True)
    python, option, code, *arguments = program("serve")
    with Wire(home.root, ["/bin/sh", "-c", HELD, "sh", python, option, patch + code, *arguments]) as wire:
        wire.shake_hands()
        wire.send(tool_call("list_execution_history", {}, id="history"))
        yield Victim(wire, int(noted.read_text()))


@contextmanager
def idle(home: Home) -> Generator[Victim]:
    """It has answered everything."""
    with serving(home) as victim:
        victim.wire.answer("history")
        yield victim


@contextmanager
def stuck_loop(home: Home) -> Generator[Victim]:
    """Its event loop sits in a call that does not return."""
    with serving(home, LOOP) as victim:
        await_file(home.root + "/stuck")
        yield victim


@contextmanager
def long_query(home: Home) -> Generator[Victim]:
    """A reader sits in a query that does not end."""
    with serving(home, QUERY) as victim:
        await_file(home.root + "/stuck")
        yield victim


@contextmanager
def locked_store(home: Home) -> Generator[Victim]:
    """A process is stopped while it has the store's lock. The server waits to open the store."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(home.root, None)) as holder:
        try:
            assert holder.stdout is not None
            if not holder.stdout.readline():
                raise Broken("nobody can take the store's lock")
            holder.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
            with serving(home) as victim:
                victim.wire.ask("ping")
                yield victim
        finally:
            holder.kill()


CIRCUMSTANCES: dict[str, Callable[[Home], AbstractContextManager[Victim]]] = {
    "idle": idle,
    "stuck loop": stuck_loop,
    "long query": long_query,
    "locked store": locked_store,
}


def await_file(path: str) -> None:
    deadline = time.monotonic() + BOUND
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise Broken(f"{path} does not appear")
        time.sleep(0.005)
