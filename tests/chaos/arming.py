"""Armed homes: every supervisor in them, and every server that `serving.py` starts over them, does at fault points
what the home's `faults.json` says.

Supervisors get no environment and run a copy of their code in the home's `lib`. That copy is put in place here first,
with a door in front of it; nothing in the product knows of it.
"""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from chaos import listening
from outlast.kernel import faults
from outlast.kernel.home import Home
from outlast.runtime.library import Library

DOOR = """
import os, sys
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(here)))
import listening
listening.arm(os.path.dirname(os.path.dirname(sys.argv[1])))
with open(here + "/behind.py", encoding="utf-8") as file:
    exec(compile(file.read(), __file__, "exec"))
"""

Action = dict[str, Any]
KILL: Action = {"do": "kill"}
WAIT: Action = {"do": "wait"}


def fail(number: int = errno.EIO, *, skip: int = 0) -> Action:
    return {"do": "fail", "errno": number, "skip": skip}


def arm(home: Home, points: dict[str, Action] | None = None, *, now: int = 0, boot_id: str | None = None) -> None:
    """Say what happens from now on in processes of `home` that start from now on. `now`: µs that their wall clock is
    wrong by. `boot_id`: what they take for this boot."""
    unknown = set(points or {}) - faults.POINTS.keys()
    assert not unknown, f"no such fault points: {unknown}"
    clock = {"now": now} | ({} if boot_id is None else {"boot_id": boot_id})
    Path(home.root, "faults.json").write_text(json.dumps({"points": points or {}, "clock": clock}))
    for kind in ("turn", "reached", "go-on"):
        for stale in Path(home.root).glob(f"{kind}-*"):
            stale.unlink()
    library = Path(Library(home).launcher().library)
    main = library / "outlast/supervisor/__main__.py"
    if not main.with_name("behind.py").exists():
        shutil.copy(listening.__file__, library)
        main.rename(main.with_name("behind.py"))
        main.write_text(DOOR)


def disarm(home: Home) -> None:
    """Nothing more happens in processes that start from now on; those that wait go on."""
    faults_file = Path(home.root, "faults.json")
    if faults_file.exists():
        for name in json.loads(faults_file.read_text())["points"]:
            go_on(home, name)
        faults_file.unlink()


def reached(home: Home, point: str) -> int | None:
    """The pid of the process that acted at a point; None so far."""
    try:
        text = Path(home.root, f"reached-{point}").read_text()
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") else None


def go_on(home: Home, point: str) -> None:
    """Let those go on that wait at a point."""
    fd = os.open(f"{home.root}/go-on-{point}", os.O_CREAT | os.O_WRONLY, 0o600)
    os.close(fd)
