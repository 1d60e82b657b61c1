"""Recording what processes do to the files below a directory: the shim, who is watched, reading what it wrote."""

import os
import shutil
import struct
import subprocess
import sys
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

SHIM = Path(__file__).with_name("shim.c")
HEAD = struct.Struct("<IIQQIII")


class Kind(IntEnum):
    """What was done; also the numbers in the record."""

    WRITE = 0
    TRUNCATE = 1
    CREATE = 2
    MKDIR = 3
    LINK = 4
    RENAME = 5
    UNLINK = 6
    SYNC = 7


class Operation(NamedTuple):
    """One successful operation."""

    kind: Kind
    inode: int
    """The file's, or the directory's; of RENAME and LINK the one that has the name `second` now; 0 of UNLINK."""
    path: str
    """Absolute; of WRITE, TRUNCATE and SYNC where the file was at that moment."""
    second: str = ""
    """The new name, of RENAME and LINK."""
    offset: int = 0
    """Where WRITE wrote; the new size of TRUNCATE."""
    data: bytes = b""
    pid: int = 0


def why_not() -> str | None:
    """Why nothing can be recorded here; None where it can."""
    if sys.platform != "linux":
        return "the recorder is for Linux"
    return None if shutil.which("cc") else "there is no C compiler to build the recorder with"


@cache
def built(directory: Path) -> Path:
    """The shim, compiled into a directory."""
    library = directory / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SHIM, "-ldl"], check=True, timeout=120)
    return library


def watched(library: Path, root: str, record: Path, faults: Path | None = None) -> dict[str, str]:
    """What a process needs in its environment so that it, and all that it starts, is recorded and can be made to
    fail. `record` and `faults` lie outside of `root`."""
    variables = {"LD_PRELOAD": str(library), "DISK_ROOT": os.path.realpath(root), "DISK_RECORD": str(record)}
    return variables if faults is None else variables | {"DISK_FAULTS": str(faults)}


def read(record: Path) -> list[Operation]:
    """What was recorded, in its order."""
    data, position, found = record.read_bytes(), 0, list[Operation]()
    while position < len(data):
        kind, pid, inode, offset, *sizes = HEAD.unpack_from(data, position)
        position += HEAD.size
        parts: list[bytes] = []
        for size in sizes:
            parts.append(data[position : position + size])
            position += size
        first, second, content = parts
        found.append(Operation(Kind(kind), inode, os.fsdecode(first), os.fsdecode(second), offset, content, pid))
    return found
