"""Commands that have a terminal."""

import os
import pty
import subprocess
import sys

from commandline import SECONDS


class Terminal:
    """A command with a terminal for its input and output."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._fd, other = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "outlast", *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            env=environment | {"TERM": "xterm", "COLUMNS": "100", "OUTLAST_ALLOW_COMMAND": "true"} | variables,
        )
        os.close(other)
        self.seen = ""

    def read_until(self, text: str) -> None:
        """Read until the terminal has shown `text`. faulthandler_timeout bounds the wait."""
        while text not in self.seen:
            more = os.read(self._fd, 65536)
            assert more, self.seen
            self.seen += more.decode()

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def rest(self) -> str:
        """Everything that was shown, once the command is over."""
        while True:
            try:
                more = os.read(self._fd, 65536)
            except OSError:  # Linux: nobody has the other side open any more
                break
            if not more:
                break
            self.seen += more.decode()
        self.process.wait(timeout=SECONDS)
        return self.seen

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=SECONDS)
        os.close(self._fd)


def show(terminals: list[Terminal], *arguments: str, **variables: str) -> Terminal:
    terminal = Terminal(*arguments, **variables)
    terminals.append(terminal)
    return terminal
