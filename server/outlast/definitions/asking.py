"""Asking an executable what workflow it is: `<executable> --workflow-metadata`, bounded in every respect."""

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from outlast.kernel.plan import Json

QUESTION = "--workflow-metadata"
MARKER = b"workflow-metadata"
"""What the file of an executable that can be asked holds: scripts and compiled programs both name the option."""
MAX_FILE = 256 << 20
"""Bytes of a file that are searched for the marker."""
MAX_ANSWER = 256 << 10
"""Bytes of an answer."""
PATIENCE = 2.0
"""Seconds for one answer."""
PIECE = 1 << 20

# Nobody is left behind: the guard ends the whole group when this process closes its pipe, also by being killed.
# As long as it waits, the group's number is nobody else's.
GUARDED = 'exec 3<&0 </dev/null; { read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec "$@" 3<&-'


class Unanswered(Exception):
    """No metadata. The text says why, as a clause that follows the executable's name."""


def is_marked(path: Path) -> bool:
    """Whether a file holds the marker. Raises OSError.

    Read in pieces: a file that is cut short while it is mapped into memory would end this process.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - opened above
        left, window = MAX_FILE, b""
        while left > 0 and (piece := file.read(min(PIECE, left))):
            window = window[-len(MARKER) + 1 :] + piece
            if MARKER in window:
                return True
            left -= len(piece)
    return False


def ask(executable: Path, environment: Mapping[str, str], directory: str, seconds: float = PATIENCE) -> dict[str, Json]:
    """The JSON object that an executable prints. Blocks for at most `seconds`; raises Unanswered.

    It runs in a session of its own, with nothing to read and only the variables given. When it has answered or its
    time is over, every process of its group is killed.
    """
    deadline = time.monotonic() + seconds
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", GUARDED, "sh", str(executable), QUESTION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
    except OSError as error:
        raise Unanswered(f"cannot be asked for its metadata: {error.strerror}") from None
    with process:
        try:
            answer = _read(process, deadline)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Unanswered(f"did not answer {QUESTION} within {seconds:.2g} s") from None
        finally:
            with suppress(ProcessLookupError):  # where there was no process to be had for the guard
                os.killpg(process.pid, signal.SIGKILL)
    if code:
        ending = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise Unanswered(f"{ending} when it was asked {QUESTION}")
    return _decoded(answer)


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """What the process prints until it closes its output. Raises TimeoutExpired, Unanswered when it is too much."""
    assert process.stdout is not None, "it is a pipe"
    answer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise subprocess.TimeoutExpired(process.args, 0)
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                return answer
            answer += piece
            if len(answer) > MAX_ANSWER:
                raise Unanswered(f"printed more than {MAX_ANSWER // 1024} KiB when it was asked {QUESTION}")


def _decoded(answer: bytes) -> dict[str, Json]:
    try:
        metadata = cast("Json", json.loads(answer.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise Unanswered(f"answered {QUESTION} with bytes that are no UTF-8 text") from None
    except (ValueError, RecursionError):
        raise Unanswered(f"answered {QUESTION} with something that is not JSON") from None
    if not isinstance(metadata, dict):
        raise Unanswered(f"answered {QUESTION} with JSON that is no object")
    return metadata
