"""`outlast demo`."""

from pathlib import Path

import click

from outlast.definitions.discovery import discover
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.parameters import parse_cli_params
from outlast.kernel.errors import Conflict, InvalidInput
from outlast.kernel.plan import Json
from outlast.kernel.record import MODE
from outlast.server.cli.demos import Placed, place
from outlast.server.cli.session import Session, json_option, pass_session, reachable

PROJECT = "project"
"""The parameter that is this directory where nothing else is said."""
SCAN_SECONDS = 5.0


@click.command(short_help="Put a few workflows in place to try things with.")
@click.option(
    "--run",
    "then_run",
    is_flag=True,
    help="Then run one through a server, kill the server, read on from another.",
)
@click.option(
    "--workflow",
    "workflow_id",
    default="wheel",
    show_default=True,
    metavar="ID",
    help="With --run: which one.",
)
@click.option("-p", "--param", "words", multiple=True, metavar="NAME=VALUE", help="With --run: a parameter.")
@click.option(
    "--history",
    "with_history",
    is_flag=True,
    help="Instead, add three records to the history: one completed, one failed, one running.",
)
@click.option("--remove", is_flag=True, help="With --history: take exactly these out again.")
@json_option
@pass_session
@click.pass_context
def demo(
    ctx: click.Context,
    session: Session,
    then_run: bool,
    workflow_id: str,
    words: tuple[str, ...],
    with_history: bool,
    remove: bool,
) -> None:
    """Put a few workflows into the home: wheel, line-count, disk-report and slow-count.

    Files that you have changed stay as they are. With --history nothing runs: what is added are records of what
    another engine might have run, with steps and artifacts.
    """
    if words and not then_run:
        raise click.UsageError("-p is for --run.", ctx)
    if remove and not with_history:
        raise click.UsageError("--remove is for --history.", ctx)
    if with_history and then_run:
        raise click.UsageError("--history and --run exclude each other.", ctx)
    if with_history:
        tell_history(session, remove=remove)
        return
    settings, screen = session.settings, session.screen
    with reachable(settings.home):
        settings.home.create()
    placed = place(Path(settings.home.workflows))
    kept = [str(path) for path, what in placed.items() if what is Placed.KEPT]
    if session.as_json:
        screen.json({"files": [{"path": str(path), "result": what.value} for path, what in placed.items()]})
    else:
        for path, what in placed.items():
            screen.line(f"{what}: {path}")
    if then_run:
        ctx.exit(show_it(session, workflow_id, words))
    if kept:
        raise Conflict(
            f"{', '.join(kept)}: changed since the demo put it there, so it was not overwritten.",
            code="file_was_changed",
            next="remove or rename it, then outlast demo",
        )
    if not session.as_json:
        screen.line("next: outlast run --wait disk-report | outlast run slow-count | outlast workflows list")


def tell_history(session: Session, *, remove: bool) -> None:
    """Add the demo's records or remove them, and say what became of each."""
    # Only here: the store is not needed for the rest.
    from outlast.server.cli import seeding

    with session.observer() as observer:
        seeded = observer.call(seeding.remove if remove else seeding.seed, observer.it)
    changed, unchanged = ("removed", "not there") if remove else ("added", "already there")
    screen = session.screen
    if session.as_json:
        screen.json(
            {
                "executions": [
                    {
                        "handle_id": one.handle_id,
                        "number": one.number,
                        "workflow_id": one.workflow_id,
                        "result": changed if one.changed else unchanged,
                    }
                    for one in seeded
                ]
            }
        )
        return
    for one in seeded:
        number = "" if one.number is None else f" #{one.number}"
        screen.line(f"{changed if one.changed else unchanged}:{number} {one.workflow_id}")
    if remove:
        screen.line("next: outlast demo --history")
    else:
        screen.line(f"next: outlast history --mode {MODE} | outlast show {seeded[0].number}")
        screen.line("to remove them: outlast demo --history --remove")


def show_it(session: Session, workflow_id: str, words: tuple[str, ...]) -> int:
    """Run a workflow through servers of its own; the exit code."""
    settings, screen = session.settings, session.screen
    directories = (Path(settings.home.workflows), *settings.workflow_dirs)
    catalogue = discover(directories, allow_command=settings.allow_command, seconds=SCAN_SECONDS)
    params = params_of(catalogue.find(workflow_id).definition, words)
    # Only here: MCP takes half a second to import.
    import anyio

    from outlast.server.tour import tour

    def out(text: str) -> None:
        screen.line(text)
        screen.flush()

    code = anyio.run(tour, settings.home, workflow_id, params, out)
    with session.observer() as observer:
        observer.call(observer.it.seal_all)
    return code


def params_of(definition: WorkflowDefinition, words: tuple[str, ...]) -> dict[str, Json]:
    params = parse_cli_params(definition, words)
    if PROJECT in definition.params and PROJECT not in params:
        here = Path.cwd()
        if not any((here / name).is_file() for name in ("pyproject.toml", "setup.py")):
            raise InvalidInput(
                f"project: {here} is no Python project: it has no pyproject.toml or setup.py.",
                next=f"outlast demo --run -p {PROJECT}=DIRECTORY",
            )
        params[PROJECT] = str(here)
    return params
