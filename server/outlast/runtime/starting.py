"""Starting an execution: from a request to a durable row with a live child behind it."""

import errno
import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from outlast.definitions.catalogue import Found
from outlast.definitions.compiling import CompileContext, compile_plan
from outlast.kernel import executions, faults
from outlast.kernel.database import identity, translated
from outlast.kernel.errors import InvalidInput, OutlastError, StoreError, StoreMoved, StoreUncertain
from outlast.kernel.executions import Created
from outlast.kernel.home import RunDirectory, sync_directory, write_durably
from outlast.kernel.ids import new_id
from outlast.kernel.plan import Json, Plan, Secrets
from outlast.runtime.cataloguing import Workflows
from outlast.runtime.library import Library
from outlast.runtime.options import Options
from outlast.runtime.provenance import git_state
from outlast.runtime.shielding import shielded
from outlast.runtime.supervisors import Supervisors
from outlast.storage import reading
from outlast.storage.logs.sealer import take_lock
from outlast.storage.store import Store

LOG = logging.getLogger(__name__)
MAX_KEY = 200
CLEARED_AT_MOST = 100
"""Times that a new run directory is made, a hundredth of a second apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What somebody asks to run."""

    workflow_id: str
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    idempotency_key: str | None = None
    """The same user's second request with the same key gets the first one's execution."""
    labels: Mapping[str, str] | None = None
    agent: str | None = None
    customer: str | None = None
    metadata: dict[str, Json] | None = None
    client: dict[str, Json] | None = None
    """The program that asks: name, version, session …"""
    by_agent: bool = False
    """Agents cannot start drafts."""

    def check(self) -> None:
        """Raise InvalidInput for what no store should be asked to keep."""
        for name in ("idempotency_key", "agent", "customer"):
            value = getattr(self, name)
            if value is not None and not (value.isprintable() and 0 < len(value) <= MAX_KEY):
                raise InvalidInput(f"{name}: must be 1 to {MAX_KEY} printable characters.")
        for key, value in (self.labels or {}).items():
            if not (key.isprintable() and 0 < len(key) <= MAX_KEY and value.isprintable() and len(value) <= MAX_KEY):
                raise InvalidInput(f"labels: {key[:40]!r} must be 1 to {MAX_KEY} printable characters, as its value.")


class Starter:
    """Creates executions and sees their supervisors started."""

    def __init__(
        self,
        options: Options,
        store: Store,
        store_id: str,
        library: Library,
        workflows: Workflows,
        supervisors: Supervisors,
    ) -> None:
        self._options = options
        self._store = store
        self._store_id = store_id
        self._library = library
        self._workflows = workflows
        self._supervisors = supervisors

    async def start(self, request: StartRequest) -> Created:
        """Create an execution and start it, or queue it where there is no slot.

        Nothing is left behind where this raises InvalidInput, NotFound, NotAllowed, Conflict or a StoreError; unless
        the error has a handle: then the store reported it when the row was durable, or cannot tell whether it is.
        From the moment the row is durable the start goes on whatever becomes of the caller.
        """
        request.check()
        found = await self._workflows.find(request.workflow_id)
        found.check_start(started_by_agent=request.by_agent)
        plan, secrets = await anyio.to_thread.run_sync(self._compile, request, found)
        return await shielded(lambda: self._create(plan, secrets))

    def _compile(self, request: StartRequest, found: Found) -> tuple[Plan, Secrets]:
        now = self._options.clock.now()
        with translated(self._options.home.library):
            launcher = self._library.launcher()
        plan, secrets = compile_plan(
            found.definition,
            request.params,
            CompileContext(
                execution_id=new_id(now),
                store_id=self._store_id,
                created_at=now,
                user=self._options.user,
                trigger=self._options.trigger,
                library=self._library.name,
                library_path=launcher.library,
                interpreter=launcher.interpreter,
                environment=self._options.environment,
                source=None if found.path is None else str(found.path),
                path=self._options.path,
                env_pass=self._options.env_pass,
                mask_tokens=self._options.mask_tokens,
                agent=request.agent,
                customer=request.customer,
                labels=request.labels,
                metadata=request.metadata,
                idempotency_key=request.idempotency_key,
            ),
        )
        git = git_state(Path(plan.steps[0].cwd))
        client = (request.client or {}) | ({"git": git} if git is not None else {})
        return plan._replace(client=client or None), secrets

    async def _create(self, plan: Plan, secrets: Secrets) -> Created:
        home = self._options.home
        run = home.run(plan.id)
        try:
            with translated(run.path):
                lock = await anyio.to_thread.run_sync(make_run_directory, run, plan, secrets)
            try:
                with translated(run.path):
                    faults.reach("start.prepared")
                created = await self._store.write(lambda c: executions.create(c, home, plan, self._options.clock.now()))
            finally:
                os.close(lock)
        except Exception as error:
            # Not when cancelled: the row may be durable all the same, and would find its directory gone.
            if await self._may_exist(plan.id, error):
                if isinstance(error, OutlastError):
                    error.handle_id = plan.id
            else:
                await anyio.to_thread.run_sync(remove, run)
            raise
        if created.already_existed:
            await anyio.to_thread.run_sync(remove, run)
            return created
        # From here on it exists: whatever goes wrong is no reason to say that it does not.
        try:
            faults.reach("start.recorded")
            await anyio.to_thread.run_sync(note_number, run, created.number)
            faults.reach("start.noted")
            await self._supervisors.start_all(created.claimed)
        except OSError as error:
            LOG.warning("#%d: it was not started yet, the next look will: %s", created.number, error)
        return created

    async def _may_exist(self, execution_id: str, error: Exception) -> bool:
        """Whether a row may have become durable though the store reported `error`; also where nobody can tell."""
        if isinstance(error, StoreMoved | StoreUncertain):
            return isinstance(error, StoreUncertain)
        try:
            return await self._store.read(lambda c: reading.knows(c, execution_id))
        except StoreError:
            return True


def make_run_directory(run: RunDirectory, plan: Plan, secrets: Secrets) -> int:
    """Make the run directory before the row: a row whose secrets are gone could never run.

    Returns the descriptor of its seal lock, held: until there is a row, that is what tells others that the directory
    is not abandoned, for it may look old to a clock that is wrong.
    """
    lock = occupied_directory(run)
    try:
        if secrets.env or secrets.mask:
            write_durably(run.secrets, secrets.encode())
        write_durably(run.plan, plan.encode())
        sync_directory(str(Path(run.path).parent))
    except BaseException:
        os.close(lock)
        raise
    return lock


def occupied_directory(run: RunDirectory) -> int:
    """A new run directory with its seal lock held. Made again where somebody cleared it away before it was held."""
    for _ in range(CLEARED_AT_MOST):
        Path(run.path).mkdir(mode=0o700, exist_ok=True)
        if (lock := take_lock(run)) is not None:
            if identity(run.seal_lock) == identity(lock):
                return lock
            os.close(lock)
        time.sleep(0.01)
    raise OSError(errno.EBUSY, "Somebody clears it away again and again", run.path)


def note_number(run: RunDirectory, number: int) -> None:
    """Leave the number in the run directory; where that fails, the supervisor does it."""
    try:
        Path(run.number).write_text(f"{number}\n")
    except OSError as error:
        LOG.warning("#%d: its number could not be noted: %s", number, error)


def remove(run: RunDirectory) -> None:
    shutil.rmtree(run.path, ignore_errors=True)
