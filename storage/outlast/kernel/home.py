"""Where everything lies below $OUTLAST_HOME."""

import os
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

from outlast.kernel import marks


class Home(NamedTuple):
    """`$OUTLAST_HOME`, for its owner alone."""

    root: str

    @property
    def database(self) -> str:
        return self.root + "/executions.db"

    @property
    def store_lock(self) -> str:
        return self.root + "/store.lock"

    @property
    def retention_lock(self) -> str:
        """Whoever removes old executions holds it; it tells when that was last done by itself."""
        return self.root + "/retention.lock"

    @property
    def numbers(self) -> str:
        """The highest execution number that may have been given, so that a restored backup gives none twice."""
        return self.root + "/numbers"

    @property
    def runs(self) -> str:
        return self.root + "/runs"

    @property
    def library(self) -> str:
        return self.root + "/lib"

    @property
    def workflows(self) -> str:
        return self.root + "/workflows"

    @property
    def executables(self) -> str:
        """What executables said that were asked which workflow they are; only a memory."""
        return self.root + "/executables.json"

    @property
    def backups(self) -> str:
        return self.root + "/backups"

    @property
    def config(self) -> str:
        return self.root + "/config.toml"

    @property
    def server_log(self) -> str:
        return self.root + "/server.log"

    def run(self, execution_id: str) -> "RunDirectory":
        return RunDirectory(f"{self.runs}/{execution_id}")

    def create(self) -> None:
        """Make the directories, readable by nobody else."""
        for path in (self.root, self.runs, self.library, self.workflows, self.backups):
            os.makedirs(path, mode=0o700, exist_ok=True)


class RunDirectory(NamedTuple):
    """The files of one live execution."""

    path: str

    @property
    def plan(self) -> str:
        return self.path + "/plan.json"

    @property
    def secrets(self) -> str:
        return self.path + "/secrets.json"

    @property
    def marks(self) -> str:
        return self.path + "/marks"

    @property
    def run_lock(self) -> str:
        return self.path + "/run.lock"

    @property
    def seal_lock(self) -> str:
        return self.path + "/seal.lock"

    @property
    def outcome(self) -> str:
        """The verdict of its supervisor, written before the store is told: whoever finishes the job says the same."""
        return self.path + "/outcome.json"

    @property
    def number(self) -> str:
        """The execution's number in decimal, for the day when its row is missing from a restored database."""
        return self.path + "/number"

    @property
    def supervisor_log(self) -> str:
        return self.path + "/supervisor.log"

    @property
    def home(self) -> Home:
        return Home(os.path.dirname(os.path.dirname(self.path)))

    def attempt(self, step_id: str, attempt: int) -> "AttemptDirectory":
        return AttemptDirectory(f"{self.path}/steps/{step_id}/{attempt}")


class AttemptDirectory(NamedTuple):
    """The files of one attempt: who started, what it printed, how it ended."""

    path: str

    @property
    def started(self) -> str:
        """`pid boot_id start_ticks` of the wrapper; created exclusively, so an attempt starts at most once."""
        return self.path + "/started"

    @property
    def exitcode(self) -> str:
        """Made empty before the wrapper starts; its first line is the decimal exit code, anything else counts as
        absent."""
        return self.path + "/exitcode"

    @property
    def output(self) -> str:
        """What the child writes as the step's output: a JSON object."""
        return self.path + "/output.json"

    @property
    def params(self) -> str:
        """The parameters as one JSON object, for Python workflows."""
        return self.path + "/params.json"

    @property
    def events(self) -> str:
        return self.spool(marks.EVENT)

    def spool(self, stream: int) -> str:
        return f"{self.path}/{marks.STREAM_FILES[stream]}"


def make_way(path: str, *, directory: bool = False) -> None:
    """Put aside what a child has left where a file (or directory) of ours belongs and what is none: a FIFO, a link …"""
    ours = S_ISDIR if directory else S_ISREG
    try:
        if ours(os.lstat(path).st_mode):
            return
        os.rename(path, f"{path}.{os.getpid()}.replaced")
    except (FileNotFoundError, NotADirectoryError):
        return


def write_durably(path: str, data: bytes) -> None:
    """Write a whole file beside its place, make it durable, then put it there: readers see all of it or nothing."""
    aside = f"{path}.{os.getpid()}.tmp"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(aside, path)
    sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
