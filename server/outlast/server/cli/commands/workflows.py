"""`outlast workflows`."""

import json
import os
from pathlib import Path

import click

from outlast.definitions.catalogue import Catalogue, Found
from outlast.definitions.discovery import discover
from outlast.definitions.documents import FORMATS
from outlast.definitions.executables import Executables
from outlast.definitions.explaining import Finding
from outlast.definitions.loading import Unloadable, load_file
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.template import new_workflow
from outlast.definitions.values import show as shown
from outlast.kernel.errors import Conflict, InvalidDefinition, InvalidInput
from outlast.kernel.plan import Json
from outlast.runtime.cataloguing import SCAN_SECONDS
from outlast.runtime.runtime import Runtime
from outlast.server.cli.ending import ExitCode
from outlast.server.cli.screen import Column
from outlast.server.cli.session import TRIGGER, Opened, Session, json_option, pass_session
from outlast.server.cli.wording import moment, now
from outlast.storage.history import Filter
from outlast.storage.records import Summary
from outlast.tools.expectations import expectation
from outlast.tools.readable import visible, visible_lines
from outlast.tools.texts import usual_words
from outlast.tools.views import summary_view
from outlast.tools.workflow_views import parameter_words

COLUMNS = (Column("id"), Column("name"), Column("status"), Column("last"), Column("when"))
LAST = 3
"""The column with the status of the latest execution."""


@click.group(short_help="List, show, check and create workflows.")
def workflows() -> None:
    """List, show, check and create workflows."""


@workflows.command("list", short_help="List what can be started, and what was skipped.")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the workflows that can be started, how each last went, and which files were skipped and why."""
    with session.runtime() as runtime:
        catalogue = runtime.call(runtime.it.workflows.catalogue)
        latest = {name: latest_of(runtime, name) for name in catalogue.workflows}
    if session.as_json:
        session.screen.json(catalogue_view(catalogue, latest))
        return
    screen, at = session.screen, now()
    if catalogue.workflows:
        rows = [row_of(found.definition, latest[name], at) for name, found in catalogue.workflows.items()]
        screen.table(COLUMNS, rows, status=LAST)
    else:
        screen.line(f"There are no workflows yet in {', '.join(map(str, catalogue.directories))}.")
        screen.line("next: outlast demo | outlast workflows new ID")
    for skipped in catalogue.skipped:
        screen.line(f"skipped: {visible(str(skipped.path))} {visible_lines(skipped.reason)}")


def latest_of(runtime: Opened[Runtime], workflow_id: str) -> Summary | None:
    page = runtime.call(lambda: runtime.it.history(Filter(workflow_id=workflow_id), limit=1))
    return page.executions[0] if page.executions else None


def row_of(definition: WorkflowDefinition, latest: Summary | None, at: int) -> list[str]:
    last = "" if latest is None else str(latest.status)
    when = "" if latest is None else moment(latest.started_at or latest.created_at, at)
    return [definition.id, definition.title, definition.status, last, when]


def catalogue_view(catalogue: Catalogue, latest: dict[str, Summary | None]) -> Json:
    return {
        "workflows": [
            {
                "workflow_id": name,
                "name": found.definition.title,
                "description": found.definition.description,
                "status": found.definition.status,
                "path": None if found.path is None else str(found.path),
                "last_execution": None if (last := latest[name]) is None else summary_view(last),
            }
            for name, found in catalogue.workflows.items()
        ],
        "skipped": [{"path": str(one.path), "reason": one.reason} for one in catalogue.skipped],
        "directories": [str(directory) for directory in catalogue.directories],
    }


@workflows.command("show", short_help="Show a workflow's parameters and how it usually goes.")
@click.argument("workflow_id", metavar="ID")
@json_option
@pass_session
def show(session: Session, workflow_id: str) -> None:
    """Show what the workflow ID runs, its parameters, and how long it usually takes."""
    with session.runtime() as runtime:
        found = runtime.call(runtime.it.workflows.find, workflow_id)
        expected = expectation(runtime.call(runtime.it.outcomes, workflow_id))
    definition, screen = found.definition, session.screen
    if session.as_json:
        view: dict[str, Json] = {
            "workflow_id": definition.id,
            "name": definition.title,
            "status": definition.status,
        }
        view |= {
            "path": None if found.path is None else str(found.path),
            "version": definition.version_hash(),
        }
        view |= {"definition": json.loads(definition.canonical()), "runs": None, "success_percent": None}
        view["usual_seconds"] = None
        if expected is not None:
            view |= {"runs": expected.runs, "success_percent": expected.percent}
            view["usual_seconds"] = None if expected.usual is None else expected.usual / 1_000_000
        screen.json(view)
        return
    screen.line(f"{definition.id} · {definition.title} · {definition.status}")
    if definition.description:
        screen.line(visible_lines(definition.description.rstrip()))
    for label, text in facts(found):
        screen.line(f"{screen.dim(label.ljust(11))} {text}")
    if definition.params:
        screen.line(screen.dim("parameters"))
    for name, parameter in definition.params.items():
        screen.line(f"  {name}: {parameter_words(parameter)}")
    if expected is not None:
        screen.line(f"{screen.dim('so far'.ljust(11))} {usual_words(expected)}")
    screen.line(f"next: {example(definition)}")


def facts(found: Found) -> list[tuple[str, str]]:
    definition = found.definition
    does = next(
        (kind, value) for kind in ("run", "shell", "python") if (value := getattr(definition, kind)) is not None
    )
    lines = [(does[0], visible_lines(does[1].rstrip()) if isinstance(does[1], str) else shown(does[1], 1000))]
    if definition.timeout is not None:
        lines.append(("timeout", f"{definition.timeout:g} s"))
    if definition.events != "none":
        lines.append(("events", definition.events))
    if definition.concurrency is not None:
        lines.append(("one at a time", f"{definition.concurrency.key}, else {definition.concurrency.on_conflict}"))
    lines.append(("version", definition.version_hash()[:12]))
    lines.append(("file", "built in" if found.path is None else visible(str(found.path))))
    return lines


def example(definition: WorkflowDefinition) -> str:
    given = [f"-p {name}=…" for name, parameter in definition.params.items() if parameter.must_be_given]
    return " ".join(["outlast run", definition.id, *given])


@workflows.command("validate", short_help="Say everything that is wrong with workflow files.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@pass_session
@click.pass_context
def validate(ctx: click.Context, session: Session, files: tuple[Path, ...]) -> None:
    """Check each FILE and say everything that is wrong with it. The exit code is 2 when anything is.

    An executable that is marked as a workflow is asked for its metadata.
    """
    views: list[Json] = []
    wrong = False
    screen = session.screen
    for path in files:
        workflow_id, findings, said = checked(session, path)
        wrong = wrong or bool(findings)
        problems: list[Json] = [{"line": one.line, "field": one.field, "message": one.message} for one in findings]
        views.append({"path": str(path), "workflow_id": workflow_id, "problems": problems})
        if session.as_json:
            continue
        if findings:
            screen.note(visible_lines(said))
        else:
            screen.line(visible(said))
    if session.as_json:
        screen.json({"files": views})
    ctx.exit(ExitCode.USAGE if wrong else ExitCode.DONE)


def checked(session: Session, path: Path) -> tuple[str | None, list[Finding], str]:
    """The id of the workflow in a file, what is wrong with it, and both in words."""
    try:
        definition = definition_in(session, path)
    except Unloadable as error:
        return None, error.findings, error.message
    except InvalidDefinition as error:
        return None, [Finding(error.message)], error.message
    if rivalled := rivalled_by(session, path):
        return definition.id, [rivalled], f"{path}: {rivalled}"
    return definition.id, [], f"{path}: ok, workflow {definition.id}"


def definition_in(session: Session, path: Path) -> WorkflowDefinition:
    """The workflow of a definition file or an executable. Raises InvalidDefinition with everything that is wrong."""
    if path.suffix in FORMATS or not (path.is_file() and os.access(path, os.X_OK)):
        return load_file(path)
    return Executables(environment=os.environ, path=session.settings.path).examine(path)


def rivalled_by(session: Session, path: Path) -> Finding | None:
    """Why a sound file is skipped where it lies: its id belongs to another one."""
    place = path.absolute()
    options = session.settings.options(TRIGGER, background=False)
    if place.parent not in options.directories:
        return None
    catalogue = discover(options.directories, allow_command=options.allow_command, seconds=SCAN_SECONDS)
    for skipped in catalogue.skipped:
        if skipped.path == place and skipped.workflow_id is not None:
            return Finding(skipped.reason)
    return None


@workflows.command("new", short_help="Write a workflow file to start from.")
@click.argument("workflow_id", metavar="ID")
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="Where; default: `workflows` in the home.")
@json_option
@pass_session
def new(session: Session, workflow_id: str, directory: Path | None) -> None:
    """Write ID.yaml, a draft to start from. A file that is there is never overwritten."""
    text = new_workflow(workflow_id)
    home = session.settings.home
    if directory is None:
        home.create()
        directory = Path(home.workflows)
    path = directory.absolute() / f"{workflow_id}.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Conflict(
            f"{path} exists already.", code="file_exists", next=f"choose another id, or edit {path}"
        ) from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", next="--dir DIRECTORY") from None
    if session.as_json:
        session.screen.json({"workflow_id": workflow_id, "path": str(path)})
    else:
        session.screen.line(str(path))
        session.screen.line(f"next: edit it, outlast workflows validate {path}, outlast run {workflow_id}")
    if os.fspath(directory) not in searched(session):
        session.screen.note(f"{directory} is not searched for workflows; the setting workflow_dirs adds it.")


def searched(session: Session) -> set[str]:
    return {session.settings.home.workflows, *map(str, session.settings.workflow_dirs)}
