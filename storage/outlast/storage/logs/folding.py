"""Lines as a terminal would show them in the end: without colours, without states that later ones wrote over.

Made for whole blocks: the text keeps its newlines, and so its lines keep their numbers.
"""

import re

# Colours and cursor movements, window titles and links, other control strings, single escapes. None goes over the end
# of a line or over the beginning of another: looking for their ends stays linear.
ESCAPE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)"
    rb"|\x1b[PX^_][^\x1b\n]*\x1b\\"
    rb"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"
)


def folded(data: bytes) -> bytes:
    """The same lines, each with its last state alone."""
    if b"\x1b" in data:
        data = ESCAPE.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        if b"\r" in data:
            data = b"\n".join([last_state(line) if b"\r" in line else line for line in data.split(b"\n")])
    return data


def last_state(line: bytes) -> bytes:
    """What a line with carriage returns shows: the last of its states that is not empty."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]
