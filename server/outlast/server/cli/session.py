"""What one command works with: the settings, the store or the runtime, the screen."""

import shlex
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

import click

from outlast.kernel.errors import StoreUnreachable
from outlast.kernel.home import Home
from outlast.server.cli.screen import Screen
from outlast.server.settings import Settings, read_settings

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from outlast.runtime.observer import Observer
    from outlast.runtime.runtime import Runtime
    from outlast.storage.store import Store

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])
P = ParamSpec("P")
TRIGGER = "cli"


class Opened(Generic[T_co]):
    """Something that lives on an event loop in a thread of its own. The main thread stays free for the screen, for
    Ctrl-C and for Ctrl-Z, all of which may block."""

    def __init__(self, portal: "BlockingPortal", it: T_co) -> None:
        self._portal = portal
        self._it = it

    @property
    def it(self) -> T_co:
        return self._it

    def call(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a coroutine function on the event loop; its result."""
        return self._portal.call(lambda: function(*args, **kwargs))


class Session:
    """One run of the command."""

    def __init__(self) -> None:
        self.flags: dict[str, str] = {}
        self.debug = False
        self.as_json = False
        self.archive: Path | None = None
        """What is asked about instead of the home's store."""

    @cached_property
    def settings(self) -> Settings:
        """Read when a command first needs them, so that --help works with wrong ones."""
        return read_settings(self.flags)

    @cached_property
    def screen(self) -> Screen:
        return Screen()

    @contextmanager
    def runtime(self) -> "Generator[Opened[Runtime]]":
        """For what starts executions or knows workflows."""
        # Only here: it takes 100 ms that other commands can do without.
        from outlast.runtime.runtime import open_runtime

        options = self.settings.options(TRIGGER, background=False)
        with opened(options.home, lambda: open_runtime(options), lambda it: it.store.lock_idle) as runtime:
            yield runtime

    @contextmanager
    def observer(self) -> "Generator[Opened[Observer]]":
        """For what asks about executions, or ends them."""
        from outlast.runtime.observer import open_archived, open_observer  # only here: --help does without

        options, archive = self.settings.options(TRIGGER, background=False), self.archive

        def open_it() -> "AbstractAsyncContextManager[Observer]":
            return open_observer(options) if archive is None else open_archived(options, archive)

        with opened(options.home, open_it, lambda it: it.store.lock_idle) as observer:
            yield observer

    def command(self, words: str) -> str:
        """A command that is useful next, about the same store: `outlast logs 142`."""
        name, _, rest = words.partition(" ")
        archive = "" if self.archive is None else f"--archive {shlex.quote(str(self.archive))} "
        return f"outlast {name} {archive}{rest}"

    @contextmanager
    def store(self) -> "Generator[Opened[Store]]":
        """The store alone, for what deals with it as a whole."""
        from outlast.storage.store import open_store  # only here: --help does without

        home = self.settings.home

        def open_it() -> "AbstractAsyncContextManager[Store]":
            home.create()
            return open_store(home)

        with opened(home, open_it, lambda it: it.lock_idle) as store:
            yield store


Idle = Callable[[], AbstractContextManager[None]]


@contextmanager
def opened(
    home: Home, open_it: Callable[[], AbstractAsyncContextManager[T]], idle_of: Callable[[T], Idle]
) -> Generator[Opened[T]]:
    """Open something over a home on an event loop of its own; closed on the way out."""
    # Only here: --help does without.
    from anyio.from_thread import start_blocking_portal

    from outlast.server.cli.suspending import suspendable

    with suspendable() as suspender, start_blocking_portal() as portal:
        with reachable(home):
            manager = portal.wrap_async_context_manager(open_it())
            it = manager.__enter__()
        suspender.opened(idle_of(it))
        try:
            yield Opened(portal, it)
        finally:
            # Without the exception: the task group inside would wrap it.
            manager.__exit__(None, None, None)


@contextmanager
def reachable(home: Home) -> Generator[None]:
    """A home that cannot be written is an error of the store."""
    try:
        yield
    except OSError as error:
        raise StoreUnreachable(
            f"{home.root} cannot be used: {error.strerror}.",
            next="set OUTLAST_HOME to a directory that you can write to",
        ) from error


def json_option(command: F) -> F:
    """--json: the answer, and any error, as one JSON document."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        ctx.ensure_object(Session).as_json |= value

    return click.option(
        "--json", is_flag=True, is_eager=True, expose_value=False, callback=remember, help="Answer in JSON."
    )(command)


def archive_option(command: F) -> F:
    """--archive: ask an archive instead of the home's store."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.ensure_object(Session).archive = Path(value).absolute()

    return click.option(
        "--archive",
        metavar="FILE",
        expose_value=False,
        callback=remember,
        help="Look into this archive (of outlast prune) instead.",
    )(command)


pass_session = click.make_pass_decorator(Session, ensure=True)
