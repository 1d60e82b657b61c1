"""What chaos runs execute: commands that keep their own record of what they did."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

from outlast.kernel.plan import Json

SCRIPT = """
echo $$ >> "$1"
i=1
while [ $i -le "$2" ]; do
  echo "line $i of $2"
  i=$((i + 1))
  [ $((i % 40)) -eq 0 ] && sleep 0.01
done
until [ ! -e "$1-wait" ]; do sleep 0.02; done
exit "$3"
"""


@dataclass(slots=True)
class Work:
    """A command that notes each of its starts in a file, prints numbered lines and exits with a known code."""

    starts: Path
    """Also names the work: it is the idempotency key."""
    lines: int
    code: int
    handle: str | None = None
    """The execution's id, once a server has said it."""
    number: int | None = None
    ends_by: str = "itself"
    """`itself`; `child`: its command is killed, `wrapper`: all of it is; `power`: so is the machine; `cancel`;
    `perhaps`: somebody asked for its cancel and was not answered."""
    least: int = 0
    """Lines that it had printed when it was ended: each of them must be readable."""

    @property
    def key(self) -> str:
        return self.starts.name

    def request(self) -> dict[str, Json]:
        """The arguments of execute_workflow."""
        argv: list[Json] = ["sh", "-c", SCRIPT, "work", str(self.starts), str(self.lines), str(self.code)]
        return {"workflow_id": "command", "params": {"argv": argv}, "idempotency_key": self.key}

    def expected(self) -> list[bytes]:
        """Its lines, where it came to its end."""
        return [b"line %d of %d" % (i, self.lines) for i in range(1, self.lines + 1)]

    def pids(self) -> list[int]:
        """The command's process, once for each of its starts."""
        return [int(line) for line in self.starts.read_text().split()] if self.starts.exists() else []

    def note_printed(self) -> None:
        """It is about to be ended: count what it has printed so far."""
        for path in self.starts.parent.glob(f"runs/{self.handle}/steps/run/1/out"):
            self.least = path.read_bytes().count(b"\n")

    def hold(self) -> None:
        """It does not end before `let_end`, whenever it has printed all."""
        os.close(os.open(f"{self.starts}-wait", os.O_CREAT | os.O_WRONLY, 0o600))

    def let_end(self) -> None:
        Path(f"{self.starts}-wait").unlink(missing_ok=True)


def random_work(home: str, chance: random.Random, index: int, *, longest: int = 4000) -> Work:
    return Work(Path(home, f"work-{index}"), chance.randrange(1, longest), chance.choice([0, 0, 3, 77]))
