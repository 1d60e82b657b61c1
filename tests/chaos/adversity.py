"""Everything else that happens to a home: processes that stop, reused pids, wrong clocks, other boots, upgrades,
restored backups, many servers at once.

As the scenarios of killing.py: each takes an arena and how many executions (here often: rounds) to make.
"""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from chaos import inspection
from chaos.arena import Arena, leader_of
from chaos.arming import arm, disarm
from chaos.processes import commands, entry, send, supervisors
from chaos.serving import Gone, Refused, Server, command
from chaos.work import Work
from outlast.kernel.home import Home

DAYS_400 = 400 * 86400 * 1_000_000
OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
SOURCES = Path(__file__).parents[2]
STOPPED_FOR = 12.0
"""Seconds: more than any limit that a look from outside could have (5 s for a mute supervisor, 5 s between looks)."""


def race_for_adoption(arena: Arena, runs: int) -> None:
    """Five servers find a dead supervisor in the same moment: one of them replaces it, and the command is not started
    again."""
    with ExitStack() as stack, ThreadPoolExecutor(5) as pool:
        servers = [stack.enter_context(arena.server()) for _ in range(5)]
        for _ in range(runs):
            work = arena.running(servers[0])
            for epoch in (1, 2):
                if not arena.kill_supervisor(work):
                    arena.wrong(f"{work.key} has no supervisor")
                list(pool.map(lambda one, work=work: one.call("get_status", handle_id=work.handle), servers))
                arena.until(lambda work=work: bool(supervisors(arena.home, work.handle or "-")), "somebody adopts")
                found = inspection.state(arena.home, work.handle or "")
                if found != ("running", epoch + 1):
                    arena.wrong(f"{work.key} is {found} after {epoch} deaths of its supervisor")
            work.let_end()


def stop_supervisors(arena: Arena, runs: int) -> None:
    """A stopped supervisor (a debugger, a frozen container) is alive: nobody settles its execution or takes it over,
    though the command has long ended; once it goes on it tells the truth."""
    with arena.server() as server:
        works = [arena.running(server) for _ in range(min(runs, 4))]
        stopped = [one for work in works for one in supervisors(arena.home, work.handle or "-")]
        for one in stopped:
            send(one, signal.SIGSTOP)
        for work in works:
            work.let_end()
        deadline = time.monotonic() + STOPPED_FOR
        while time.monotonic() < deadline:  # time itself is the subject
            for work in works:
                answer = server.call("get_status", handle_id=work.handle)
                if answer["status"] != "running" or inspection.state(arena.home, work.handle or "")[1] != 1:
                    arena.wrong(f"{work.key} is {answer['status']} while its supervisor is stopped (I9)")
                    return
            time.sleep(0.25)
        for one in stopped:
            send(one, signal.SIGCONT)


def reboot(arena: Arena, runs: int) -> None:
    """The machine goes down under running executions and comes up as another boot: those are lost and say so, one that
    had ended has its exit code, none is started again, and no process of the new boot is signalled for its pid."""
    with arena.server() as server:
        works = [arena.running(server) for _ in range(runs)]
    ended, bystander = works[::3], subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        arena.kill_supervisors()
        for work in works:
            if work in ended:
                leader = leader_of(work)
                work.let_end()
                arena.until(lambda leader=leader: entry(leader.pid) is None, "its wrapper ends")
            else:
                work.ends_by = "power"
                work.note_printed()
                arena.kill_group(work)
                reuse_pid(arena, work, bystander.pid)
        arm(Home(arena.home), boot_id=OTHER_BOOT)
        arena.until(lambda: not commands(arena.home), "everything is gone")
        with arena.server() as server:
            for work in works:
                server.call("get_status", handle_id=work.handle, wait_seconds=45)
        if bystander.poll() is not None:
            arena.wrong("a process that had nothing to do with it was ended (I11)")
    finally:
        bystander.kill()
        bystander.wait()
        disarm(Home(arena.home))


def give_pids_to_others(arena: Arena, runs: int) -> None:
    """Supervisor and command die, and the command's pid belongs to somebody else when the next supervisor comes: it
    says lost, and leaves that process and its group alone."""
    with arena.server() as server:
        for _ in range(runs):
            work = arena.running(server)
            work.ends_by = "wrapper"
            work.note_printed()
            bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
            try:
                arena.kill_supervisor(work)
                arena.kill_group(work)
                reuse_pid(arena, work, bystander.pid)
                server.call("get_status", handle_id=work.handle, wait_seconds=45)
                if bystander.poll() is not None:
                    arena.wrong(f"the process that has the pid of {work.key} by now was ended (I11)")
            finally:
                bystander.kill()
                bystander.wait()


def reuse_pid(arena: Arena, work: Work, pid: int) -> None:
    """As if the number of the wrapper had been given to another process meanwhile."""
    started = Path(arena.home, "runs", work.handle or "", "steps/run/1/started")
    _, rest = started.read_text().split(" ", 1)
    started.write_text(f"{pid} {rest}")


def turn_clocks(arena: Arena, runs: int) -> None:
    """The wall clock is 400 days ahead, then 400 days behind, while executions are started, adopted and settled."""
    home = Home(arena.home)
    try:
        for ahead in (DAYS_400, -DAYS_400, 0):
            before = [work for work in arena.works if work.number is not None][-runs:]
            arm(home, now=ahead)
            arena.kill_supervisors()
            with arena.server() as server:
                for work in before:
                    server.call("get_status", handle_id=work.handle)
                    work.let_end()
                for work in [arena.running(server) for _ in range(runs)][::2]:
                    work.let_end()
                    answer = server.call("get_status", handle_id=work.handle, wait_seconds=45)
                    if not 0 <= answer["duration_seconds"] < 120:
                        arena.wrong(f"{work.key} took {answer['duration_seconds']} s by a clock that is wrong")
    finally:
        disarm(home)


def upgrade(arena: Arena, runs: int) -> None:
    """A newer Outlast migrates the database under yesterday's servers and supervisors: those write nothing more, the
    commands go on, and the newer one takes them over."""
    newer = newer_source(Path(arena.home, "newer"))
    with arena.server() as old:
        works = [arena.running(old) for _ in range(runs)]
        arena.code = newer
        with arena.server() as new:
            answer = new.call("get_status", handle_id=works[0].handle)
            if answer["status"] != "running":
                arena.wrong(f"{works[0].key} is {answer['status']} after the migration")
            for tool, arguments in (
                ("execute_workflow", arena.work().request()),
                ("cancel_execution", {"handle_id": 1}),
            ):
                try:
                    arena.wrong(f"the older server still writes: {old.call(tool, **arguments)}")
                except Refused as error:
                    if error.answer["code"] != "outlast_was_upgraded":
                        arena.wrong(f"{tool} of the older server says {error}")
            for work in works:
                work.let_end()
            for work in works:
                new.call("get_status", handle_id=work.handle, wait_seconds=45)


def newer_source(folder: Path) -> Path:
    """A source root with the kernel as a later release could be: one migration more."""
    kernel = folder / "outlast/kernel"
    shutil.copytree(SOURCES / "storage/outlast/kernel", kernel, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(path.name for path in (kernel / "migrations").iterdir())
    (kernel / f"migrations/{int(last[:4]) + 1:04d}_later.sql").write_text("CREATE TABLE later (x INTEGER) STRICT;\n")
    return folder


def restore_backups(arena: Arena, runs: int) -> None:
    """An older backup is put back: what it does not know is put back from its run directory, or its number is named."""
    backup = f"{arena.home}/copy.db"
    with arena.server() as server:
        for work in [arena.running(server) for _ in range(runs)]:
            work.let_end()
            server.call("get_status", handle_id=work.handle, wait_seconds=45)
        taken = command(arena.home, "db", "backup", backup)
        later = [arena.running(server) for _ in range(runs)]
        refused = command(arena.home, "db", "restore", backup)
        if taken.returncode or "execution_is_live" not in refused.stderr:
            arena.wrong(f"a backup is put back while executions run: {taken.stderr}{refused.stderr}")
    for work in later:
        work.let_end()
    arena.until(lambda: not supervisors(arena.home), "the supervisors end")
    restored = command(arena.home, "db", "restore", backup, "--json")
    said = json.loads(restored.stdout)
    for work in later:
        if work.number not in said["reinserted"]:
            arena.wrong(f"{work.key} (#{work.number}) is in neither list: {said} (I1)")
    if said["missing"]:
        arena.wrong(f"not put back from run directories: {said['missing']}")


def crowd(arena: Arena, runs: int) -> None:
    """Servers come, start executions, cancel some, read, and go or are killed, up to twenty at once."""
    many = min(20, max(4, runs // 5))
    plans = [[arena.work(longest=600) for _ in range(max(1, runs // many))] for _ in range(many)]
    moods = [arena.chance.random() for _ in plans]

    def visit(works: list[Work], mood: float) -> None:
        server = arena.server()
        try:
            for work in works:
                if mood < 0.3:
                    work.hold()
                arena.start(server, work)
                if mood < 0.3:
                    work.note_printed()
                    server.call("cancel_execution", handle_id=work.handle)
                    work.ends_by = "cancel"
                for tool, arguments in (
                    ("get_status", {"handle_id": work.handle, "wait_seconds": 1}),
                    ("get_logs", {"handle_id": work.handle}),
                    ("list_execution_history", {"limit": 5}),
                ):
                    server.call(tool, **arguments)
        except (Gone, Refused) as error:
            arena.wrong(f"a server says {error!r} (I27)")
        if mood > 0.7:
            arena.toll.kills += 1
            server.kill()
            server.close()
        else:
            server.leave()

    with ThreadPoolExecutor(many) as pool:
        list(pool.map(visit, plans, moods))


def share_one_key(arena: Arena, runs: int) -> None:
    """Up to twenty servers ask for the same thing with one idempotency key, `runs` times in all and at once."""
    work, many = arena.work(), min(20, max(2, runs // 5))
    with ExitStack() as stack, ThreadPoolExecutor(many) as pool:
        servers = [stack.enter_context(arena.server()) for _ in range(many)]
        asked = [runs // many + (i < runs % many) for i in range(many)]

        def ask(server: Server, times: int) -> list[str]:
            return [server.call("execute_workflow", **work.request())["handle_id"] for _ in range(times)]

        handles = {handle for found in pool.map(ask, servers, asked) for handle in found}
    if len(handles) != 1:
        arena.wrong(f"one key made {len(handles)} executions (I3)")
    work.handle = handles.pop()


SCENARIOS: dict[str, Callable[[Arena, int], None]] = {
    "adoption-race": race_for_adoption,
    "stopped-supervisor": stop_supervisors,
    "reboot": reboot,
    "reused-pid": give_pids_to_others,
    "clock": turn_clocks,
    "upgrade": upgrade,
    "restore": restore_backups,
    "crowd": crowd,
    "one-key": share_one_key,
}
