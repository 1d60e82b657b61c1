"""Real servers and commands as processes, spoken to over their pipes; and the ways in which clients end servers."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from chaos.processes import Entry, below, entry, kill

TESTS = Path(__file__).parents[1]
PROGRAM = """
import os, sys
from chaos import listening
listening.arm(os.environ["OUTLAST_HOME"])
from outlast.server.cli import main
sys.argv[0] = "outlast"
main()
"""
PATIENCE = 90.0
"""Seconds for one answer."""


class Gone(Exception):
    """The server ended before it answered."""


class Refused(Exception):
    """A tool answered with an error; its code and message are the text."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer['code']}: {answer['message']}")
        self.answer = answer


class Server:
    """`outlast serve` in a session of its own, with a client that has shaken hands with it."""

    def __init__(self, home: str, *, code: Path | None = None) -> None:
        """`code`: source roots of another version that go before this one's. Raises Gone."""
        self.home = home
        with open(f"{home}/servers.stderr", "ab") as errors:
            self._process = subprocess.Popen(
                program("serve"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(home, code),
                start_new_session=True,
            )
        self._buffer = b""
        self._asked = 0
        self.request(
            "initialize",
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "chaos", "version": "1"}},
        )
        self._send({"method": "notifications/initialized"})

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a tool's answer. Raises Refused, Gone."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        content: dict[str, Any] = result["structuredContent"]
        if result.get("isError"):
            raise Refused(content)
        return content

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        deadline = time.monotonic() + PATIENCE
        while True:
            message = json.loads(self._line(deadline))
            if message.get("id") == self._asked:
                result: dict[str, Any] = message["result"]
                return result

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Gone from None

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no answer within {PATIENCE:g} s")
            data = os.read(fd, 1 << 16)
            if not data:
                raise Gone
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    # The ways to end it. Those that kill leave the pipes alone: another thread may be waiting for an answer.

    def leave(self) -> None:
        """As a client does that has nothing more to ask."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self.close()

    def kill(self) -> None:
        """SIGKILL to the server alone."""
        self._process.kill()
        self._process.wait()

    def kill_group(self, grace: float) -> None:
        """SIGTERM to its process group and SIGKILL after `grace` seconds, as MCP clients do."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        self._process.wait()

    def kill_tree(self) -> int:
        """SIGKILL to it and to whatever descends from it, found by walking parent pids until nothing is found; how
        many were killed."""
        victims = 0
        while found := [*below(self.pid), *([own] if (own := self.entry()) else [])]:
            victims += sum(kill(one) for one in found)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        self._process.wait()
        return victims

    def entry(self) -> Entry | None:
        """Its process; None once it has ended."""
        return None if self._process.poll() is not None else entry(self.pid)

    def close(self) -> None:
        """Close the pipes of a server that has ended and that nobody speaks to any more."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *arguments]


def environment(home: str, code: Path | None) -> dict[str, str]:
    path = [str(TESTS), *([] if code is None else [str(code)])]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("OUTLAST_")},
        "OUTLAST_HOME": home,
        "OUTLAST_ALLOW_COMMAND": "true",
        "PYTHONPATH": os.pathsep.join(path),
    }


def command(home: str, *arguments: str, code: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line over a home."""
    return subprocess.run(
        program(*arguments),
        env=environment(home, code),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
