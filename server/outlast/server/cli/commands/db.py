"""`outlast db`: the database as a whole."""

from pathlib import Path

import click

from outlast.kernel.errors import StoreDamaged
from outlast.server.cli.ending import ExitCode
from outlast.server.cli.session import Session, json_option, pass_session
from outlast.server.cli.wording import counted
from outlast.storage import maintenance
from outlast.tools.readable import visible


@click.group(short_help="Back up, restore and check the database.")
def db() -> None:
    """Back up, restore and check the database. All of it works while executions are running, restore apart."""


@db.command(short_help="Copy the database.")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@json_option
@pass_session
def backup(session: Session, path: Path | None) -> None:
    """Copy the database to PATH, or into `backups` in the home, where the newest ones stay (setting backups_kept)."""
    with session.store() as store:
        target = None if path is None else path.absolute()
        written = store.call(maintenance.backup, store.it, target, session.settings.backups_kept)
    if session.as_json:
        session.screen.json({"path": str(written), "bytes": written.stat().st_size})
    else:
        session.screen.line(f"{written} ({written.stat().st_size:,} bytes)")
        session.screen.line(f"next: outlast db restore {written}  (brings this state back)")


@db.command(short_help="Put a backup in the database's place.")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
@pass_session
def restore(session: Session, path: Path) -> None:
    """Put the backup PATH in the database's place. What is there now is backed up first.

    Refused while anything runs. Servers that are open see the restored state.
    """
    screen = session.screen
    previous: Path | None = None
    try:
        with session.store() as store:
            restored = store.call(maintenance.restore, store.it, path.absolute())
    except StoreDamaged:
        previous = maintenance.set_aside(session.settings.home, path.absolute())
        if not session.as_json:
            screen.line(f"The damaged database was moved to {previous}")
        with session.store() as store:
            restored = store.call(maintenance.restore, store.it, path.absolute())
    if session.as_json:
        screen.json(
            {
                "executions": restored.executions,
                "reinserted": list(restored.reinserted),
                "lost": list(restored.lost),
                "missing": list(restored.missing),
                "previous": str(previous or restored.previous),
            }
        )
        return
    screen.line(
        f"Restored: {counted(restored.executions, 'execution')}. What was there before: {previous or restored.previous}"
    )
    for numbers, what in (
        (restored.reinserted, "newer than the backup, found in their run directories"),
        (restored.lost, "live in the backup, what became of them is not known"),
        (restored.missing, "newer than the backup, gone; their numbers are not given again"),
    ):
        if numbers:
            screen.line(f"{', '.join(f'#{number}' for number in numbers)}: {what}")


@db.command(short_help="Check that the database is what was written.")
@json_option
@pass_session
@click.pass_context
def check(ctx: click.Context, session: Session) -> None:
    """Read everything and check it. The exit code is 5 when something is damaged."""
    with session.store() as store:
        report = store.call(maintenance.check, store.it)
    if session.as_json:
        session.screen.json(
            {
                "problems": list(report.problems),
                "executions": report.executions,
                "sqlite_version": report.sqlite_version,
            }
        )
    else:
        for problem in report.problems:
            session.screen.line(visible(problem))
        verdict = counted(len(report.problems), "problem") if report.problems else "sound"
        session.screen.line(f"{verdict}: {counted(report.executions, 'execution')}, SQLite {report.sqlite_version}")
        if report.problems:
            session.screen.line("next: outlast db restore PATH  (backups are in `backups` in the home)")
    ctx.exit(ExitCode.UNREACHABLE if report.problems else ExitCode.DONE)


@db.command(short_help="Give the room of removed executions back to the disk.")
@json_option
@pass_session
def compact(session: Session) -> None:
    """Write the database anew without what is free in it. Whoever writes waits meanwhile, servers at most ten seconds;
    as much room as the database takes is needed for a while.
    """
    with session.store() as store:
        before, after = store.call(maintenance.compact, store.it)
    if session.as_json:
        session.screen.json({"bytes_before": before, "bytes": after})
    else:
        session.screen.line(f"{after:,} bytes, {max(0, before - after):,} fewer than before")
