"""supervisor.log: this process's standard error."""

import os
import sys
import time


def log(text: str) -> None:
    """Write one line, with the time and who says it."""
    line = f"{time.strftime('%FT%TZ', time.gmtime())} supervisor {os.getpid()}: {text}"
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (standard error is the log file)
