"""One attempt of one step: its directory, its wrapper process, and what its files say happened."""

import json
import os
import signal
from typing import NamedTuple

from outlast.kernel.clock import Clock
from outlast.kernel.files import unlock
from outlast.kernel.home import AttemptDirectory, RunDirectory, sync_directory
from outlast.kernel.marks import EVENT, MERGED, STDERR, STDOUT, Spool
from outlast.kernel.plan import Json, Plan, Secrets
from outlast.kernel.process import ProcessId, identify_child
from outlast.supervisor.command import problem_with, resolve
from outlast.supervisor.evidence import WRAPPER_FD, Evidence, held_by
from outlast.supervisor.files import disarranged, is_at, open_regular, read_regular

WRAPPER = r"""
attempt=$1; cwd=$2; shift 2
{ read -r boot < /proc/sys/kernel/random/boot_id; read -r stat < /proc/$$/stat; } 2> /dev/null
set -C
echo "$$ ${boot:--} ${stat##*) }" > "$attempt/started" || exit 125
set +C
cd "$cwd" || exit 125
trap : HUP INT QUIT TERM USR1 USR2
( exec "$@" 2>&3 3>&- 4>&- )
code=$?
echo "$code" >&4
exit "$code"
"""
"""Claims the start by an exclusive create, so that two supervisors start one child; records the exit code for
whichever supervisor is there to read it, on a descriptor that it has had from the beginning: a child may have removed
the file or put a FIFO in its place. The traps keep it alive until then (a subshell sets them back to default, so the
child has none). Both files are one short write: present as a whole or empty. Its own messages go to supervisor.log."""

START_FIELD = 2 + 19
"""Where `started` holds the start time: after pid and boot id come the fields of /proc/<pid>/stat from the third."""
MAX_STARTED = 4096
MAX_OUTPUT = 256 * 1024


class Started(NamedTuple):
    """What the `started` file says."""

    process: ProcessId | None
    """None while the file is empty, or when a settling supervisor created it so that nothing can start any more."""
    sealed: bool
    """Whether it was created to keep everybody from starting."""


class Attempt:
    """Runs at most once, whoever asks and however often."""

    def __init__(
        self, run: RunDirectory, plan: Plan, secrets: Secrets, step_no: int, number: int, clock: Clock
    ) -> None:
        self.plan = plan
        self.step = plan.steps[step_no - 1]
        self.step_no = step_no
        self.number = number
        self.directory: AttemptDirectory = run.attempt(self.step.id, number)
        self.evidence = Evidence(self.directory.exitcode)
        self._run = run.path
        self._home = run.home.root
        self._secrets = secrets
        self._clock = clock

    @property
    def spools(self) -> list[Spool]:
        streams = [STDOUT, STDERR, EVENT] if self.plan.streams == "separate" else [MERGED, EVENT]
        return [Spool(self.step_no, self.number, stream) for stream in streams]

    def spool_path(self, spool: Spool) -> str:
        return self.directory.spool(spool.stream)

    def held_spool(self, spool: Spool, wrapper: ProcessId) -> int | None:
        """The file that a living wrapper prints this spool to, where it is not the one at its path any more."""
        number = {MERGED: 1, STDOUT: 1, STDERR: 3}.get(spool.stream)
        path = self.spool_path(spool)
        fd = None if number is None else held_by(wrapper, number, path, self._clock.boot_id())
        if fd is not None and is_at(path, fd):
            os.close(fd)
            return None
        return fd

    def problem(self) -> str | None:
        """Why the step's command cannot start; None when it can."""
        return problem_with(self.step.argv, self.step.cwd, self.step.env.get("PATH", ""))

    def make_spools(self) -> None:
        """Make the directory and the empty spools; those that are there stay as they are."""
        os.makedirs(self.directory.path, exist_ok=True)
        for spool in self.spools:
            # A FIFO that the child has put there would be waited for, a link be followed.
            if not os.path.lexists(path := self.spool_path(spool)):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

    def write_params(self) -> None:
        """Leave the parameters where a Python workflow looks for them, before anything runs."""
        with open(self.directory.params, "w", encoding="utf-8") as file:
            json.dump(self.plan.params, file, ensure_ascii=False)

    def spawn(self) -> int:
        """Start the wrapper; its pid, which is also its session and its process group."""
        step, directory = self.step, self.directory
        program = resolve(step.argv[0], step.cwd, step.env.get("PATH", "")) or step.argv[0]
        out = self.directory.spool(STDOUT)
        err = self.directory.spool(STDERR if self.plan.streams == "separate" else MERGED)
        append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", WRAPPER, "outlast", directory.path, step.cwd, program, *step.argv[1:]],
            self.environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, out, append, 0o600),
                (os.POSIX_SPAWN_OPEN, 3, err, append, 0o600),
                (os.POSIX_SPAWN_DUP2, self.evidence.make(), WRAPPER_FD),
            ],
            # A session, and with it a group, of its own: were it the supervisor's, that one's death would have the
            # kernel send HUP to the whole group where anybody in it is stopped.
            setsid=True,
            setsigmask=[],
            setsigdef=[s for s in signal.valid_signals() if s not in (signal.SIGKILL, signal.SIGSTOP)],
        )

    def environment(self) -> dict[str, str]:
        """The child's environment: the plan's, the secrets', and what names this attempt and its files."""
        directory = self.directory
        return {
            **self.step.env,
            **self._secrets.env.get(self.step.id, {}),
            # A nested `outlast` means the same store, whatever the variables of this one came from.
            "OUTLAST_HOME": self._home,
            "OUTLAST_EXECUTION_ID": self.plan.id,
            "OUTLAST_STEP": self.step.id,
            "OUTLAST_ATTEMPT": str(self.number),
            "OUTLAST_IDEMPOTENCY_KEY": f"{self.plan.id}/{self.step.id}",
            "OUTLAST_OUTPUT": directory.output,
            "OUTLAST_EVENTS": directory.spool(EVENT),
            "OUTLAST_PARAMS": directory.params,
        }

    def started(self) -> Started | None:
        """Who claimed the start; None when nobody has."""
        data = read_regular(self.directory.started, MAX_STARTED)
        if data is None:
            return None
        text = data.decode("ascii", "replace")
        if text == "sealed\n":
            return Started(None, True)
        fields = text.split()
        if not text.endswith("\n") or not fields or not fields[0].isdigit():
            return Started(None, False)
        if (
            len(fields) <= START_FIELD or not fields[START_FIELD].isdigit()
        ):  # no /proc: the pid alone, and what is known of it now
            return Started(identify_child(int(fields[0]), self._clock), False)
        return Started(ProcessId(int(fields[0]), int(fields[START_FIELD]), fields[1]), False)

    def seal_start(self) -> bool:
        """Keep everybody from ever starting this attempt; False when somebody has claimed or sealed it before."""
        os.makedirs(self.directory.path, exist_ok=True)
        try:
            fd = os.open(self.directory.started, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        try:
            os.write(fd, b"sealed\n")
        finally:
            os.close(fd)
        return True

    def exit_code(self) -> int | None:
        """The recorded exit code; None while there is none."""
        return self.evidence.exit_code()

    def output(self) -> tuple[dict[str, Json] | None, str | None]:
        """What the child left as its output; or what it is instead of an output, where it cannot be taken."""
        data = read_regular(self.directory.output, MAX_OUTPUT + 1)
        if data is None:
            return None, "not a file" if os.path.lexists(self.directory.output) else None
        if not data.strip():
            return None, None
        if len(data) > MAX_OUTPUT:
            return None, f"larger than {MAX_OUTPUT // 1024} KiB"
        try:
            value: Json = json.loads(data)
            # Read leniently, kept strictly: no NaN, nothing that is not text.
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            return None, f"not JSON: {error}"
        return (value, None) if isinstance(value, dict) else (None, "not a JSON object")

    def sync(self) -> None:
        """Make what the child left durable, names included, before anybody is told that it ended."""
        self.evidence.sync()
        for spool in self.spools:
            fd = open_regular(self.spool_path(spool), links=False)
            if fd is None:
                continue
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        with disarranged():
            for path in reversed(self._directories()):
                if os.path.isdir(path):  # the child may have removed it
                    sync_directory(path)

    def unlock(self) -> None:
        """Give us the rights to the directories and files that the child has taken away."""
        files = (self.directory.started, self.directory.exitcode, *map(self.spool_path, self.spools))
        for path in (*self._directories(), *files):
            unlock(path)

    def _directories(self) -> list[str]:
        """From the run directory down to the attempt's own."""
        paths = [self.directory.path]
        while len(paths[0]) > len(self._run):
            paths.insert(0, os.path.dirname(paths[0]))
        return paths
