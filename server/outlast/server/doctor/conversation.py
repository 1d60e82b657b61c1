"""A real server over standard input and output, started as a client would start it.

Its home is a temporary one: a server over the real home would take up executions and migrate the database.
"""

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

from outlast.kernel.plan import Json
from outlast.server.clients.launch import Launch
from outlast.server.doctor.findings import Finding, ok, problem, warning
from outlast.tools.readable import visible

SECONDS = 30.0
"""That the server may take for all of it."""
SLOW = 5.0
"""Seconds to the first reply from which people think that a client hangs."""
EXIT_WITHIN = 5.0
HELLO: dict[str, Json] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "outlast doctor", "version": "1"},
}
HANDED_ON = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TMPDIR")
"""The variables that clients give to servers, whatever else the shell has."""


class Failed(Exception):
    """The server did not answer as it should; the text says how, as a clause."""


class Spoken(NamedTuple):
    initialized: float
    """Seconds from the start of the process to its first reply; so is `listed`, from there to the tools."""
    listed: float
    tools: int
    ended: bool
    """Whether the process ended by itself when its input ended."""


def server_finding(launch: Launch, environ: Mapping[str, str]) -> Iterator[Finding]:
    command = [launch.command, *launch.arguments]
    words = " ".join(command)
    with tempfile.TemporaryDirectory(prefix="outlast-doctor-") as folder:
        errors = Path(folder, "stderr")
        env = {name: environ[name] for name in HANDED_ON if name in environ}
        env["OUTLAST_HOME"] = str(Path(folder, "home"))
        try:
            with errors.open("wb") as file:
                spoken = converse(command, env, file, SECONDS)
        except (Failed, OSError) as error:
            said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            more = f"; it said: {visible(said[0][:300])}" if said else ""
            reason = error.strerror if isinstance(error, OSError) else str(error)
            yield problem("server", f"{words} {reason}{more}", f"run {words} in a terminal and look at what it says")
            return
    times = f"initialize {spoken.initialized * 1000:.0f} ms, tools/list {spoken.listed * 1000:.0f} ms"
    if not spoken.tools:
        yield problem("server", f"{words} lists no tools", "install Outlast again")
    elif not spoken.ended:
        yield warning("server", f"{words} did not end within {EXIT_WITHIN:g} s ({times})", "report it, please")
    elif spoken.initialized > SLOW:
        yield warning("server", f"{words} is slow to start: {times}", "look at the disk and at what else runs here")
    else:
        yield ok("server", f"{words} answers: {times}, {spoken.tools} tools")


def converse(command: list[str], env: Mapping[str, str], errors: IO[bytes], seconds: float) -> Spoken:
    """Start a server, shake hands, ask for its tools, close its input. Raises Failed, OSError."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=dict(env), cwd=os.path.sep
    )
    talk = Talk(process, began + seconds)
    try:
        talk.ask(1, "initialize", HELLO)
        initialized = time.monotonic()
        talk.say({"method": "notifications/initialized"})
        tools = talk.ask(2, "tools/list", {}).get("tools")
        listed = time.monotonic()
        talk.close()
        return Spoken(
            initialized - began,
            listed - initialized,
            len(tools) if isinstance(tools, list) else 0,
            ended=ended(process),
        )
    finally:
        process.kill()
        process.wait()
        talk.close()


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process ends by itself in the time that it has."""
    try:
        process.wait(EXIT_WITHIN)
    except subprocess.TimeoutExpired:
        return False
    return True


class Talk:
    """One line after the other, each awaited for a bounded time."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout
        self._deadline = deadline
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="doctor", daemon=True).start()

    def _read(self) -> None:
        with self._from:
            for line in self._from:
                self._lines.put(line)
        self._lines.put(None)

    def say(self, message: dict[str, Json]) -> None:
        try:
            self._to.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            self._to.flush()
        except BrokenPipeError:
            raise Failed("ended at once") from None

    def ask(self, id: int, method: str, params: dict[str, Json]) -> dict[str, Json]:
        """The result of a request; what comes in between is not for us."""
        self.say({"id": id, "method": method, "params": params})
        while True:
            message = self._next(method)
            if message.get("id") == id:
                result = message.get("result")
                if not isinstance(result, dict):
                    raise Failed(f"answers {method} with {json.dumps(message.get('error'))[:300]}")
                return result

    def _next(self, method: str) -> dict[str, Json]:
        try:
            line = self._lines.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except queue.Empty:
            raise Failed(f"did not answer {method} in time") from None
        if line is None:
            raise Failed(f"ended before it answered {method}")
        try:
            message: object = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            shown = visible(line.decode("utf-8", "replace").strip()[:100])
            raise Failed(f"writes something else than messages to its output: {shown}")
        return cast("dict[str, Json]", message)

    def close(self) -> None:
        """Say that nothing more will come; the other side may be gone already."""
        with suppress(BrokenPipeError):
            self._to.close()
