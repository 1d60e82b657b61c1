"""What is recorded for power cuts of whole runs: `python -m disk.running ROUNDS` runs commands over `$OUTLAST_HOME`
with real supervisors, and says in the file `acknowledged` what it was promised, after each promise.

Each line of that file is a JSON object: `number`, `id`, and of what is over `status`, `reason`, `exit_code`, `lines`.
"""

import json
import os
import sys

import anyio

from outlast.kernel.home import Home
from outlast.kernel.plan import Json
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime, open_runtime
from outlast.runtime.starting import StartRequest

TOLD = "acknowledged"
WORLD = "world-"
"""A command notes its starts in a file of this name and its own, which stands for what it does to the world: no
power cut takes that back."""
SCRIPT = f"""
echo $$ >> "$OUTLAST_HOME/{WORLD}$1"
i=1
while [ $i -le "$2" ]; do
  echo "line $i"
  i=$((i + 1))
  [ $((i % 40)) -eq 0 ] && sleep 0.06
done
exit "$3"
"""


class Caller:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._told = os.open(f"{runtime.store.home.root}/{TOLD}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def tell(self, **facts: Json) -> None:
        """Say what was promised."""
        os.write(self._told, json.dumps(facts).encode() + b"\n")

    async def run(self, turn: int) -> None:
        """One execution, from the request to the log in the store."""
        lines, code = 20 + turn * 37 % 300, (0, 0, 3)[turn % 3]
        argv: list[Json] = ["/bin/sh", "-c", SCRIPT, "work", str(turn), str(lines), str(code)]
        started = await self._runtime.execute(StartRequest(workflow_id="command", params={"argv": argv}))
        number = started.execution.number
        self.tell(number=number, id=started.execution.id, turn=turn)
        settled = (await self._runtime.wait(number, 60)).settled
        assert settled is not None
        self.tell(
            number=number, status=str(settled.status), reason=settled.reason, exit_code=settled.exit_code, lines=lines
        )


async def work(rounds: int) -> None:
    home = Home(os.environ["OUTLAST_HOME"])
    async with open_runtime(Options(home=home, trigger="cli", allow_command=True)) as runtime:
        caller = Caller(runtime)
        for first in range(0, rounds, 3):
            async with anyio.create_task_group() as group:
                for turn in range(first, min(first + 3, rounds)):
                    group.start_soon(caller.run, turn)
            await runtime.seal_all()


if __name__ == "__main__":
    anyio.run(work, int(sys.argv[1]))
