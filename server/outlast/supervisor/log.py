"""supervisor.log: this process's standard error."""

import contextlib
import os
import sys
import time


def log(text: str) -> None:
    """Write one line, with the time and who says it; nothing where the disk does not take it. That must not end who
    says it: what is told here is mostly of such disks."""
    line = f"{time.strftime('%FT%TZ', time.gmtime())} supervisor {os.getpid()}: {text}"
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 (standard error is the log file)
