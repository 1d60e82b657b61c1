"""Finding the program of a step before anything is started, so that "not found" is a reason and not a 127."""

import os

MAX_NAME = 200
"""Characters of a name or path in a reason."""


def problem_with(argv: list[str], cwd: str, path: str) -> str | None:
    """Why this command cannot start, in a sentence of at most about 500 characters; None when it can, as far as
    anyone can tell beforehand."""
    if not os.path.isdir(cwd):
        return f"working directory does not exist: {short(cwd)}"
    if not os.access(cwd, os.X_OK):
        return f"working directory may not be entered: {short(cwd)}"
    program = resolve(argv[0], cwd, path)
    if program is None:
        where = f" (in {short(cwd)})" if "/" in argv[0] else f" (PATH={short(path)})"
        return f"command not found: {short(argv[0])}{where}"
    if os.path.isdir(program):
        return f"command is a directory: {short(program)}"
    if not os.access(program, os.X_OK):
        return f"command is not executable: {short(program)}"
    interpreter = interpreter_of(program)
    if interpreter is not None and not os.access(interpreter, os.X_OK):
        return f"interpreter not found: {short(interpreter)} (first line of {short(program)})"
    return None


def short(text: str) -> str:
    """A name or path as part of a sentence: of a very long one its two ends."""
    if len(text) <= MAX_NAME:
        return text
    half = MAX_NAME // 2
    return f"{text[:half]} … {text[-half:]} ({len(text):,} characters)"


def resolve(name: str, cwd: str, path: str) -> str | None:
    """The file that a command name means: as it is when it has a slash, else the first executable on PATH.

    A file on PATH that nobody may execute is returned when there is nothing better: it makes the clearer error.
    """
    if "/" in name:
        file = os.path.join(cwd, name)
        return file if os.path.exists(file) else None
    found = None
    for directory in path.split(":"):
        file = os.path.join(cwd, directory or ".", name)
        if os.path.isfile(file):
            if os.access(file, os.X_OK):
                return file
            found = found or file
    return found


def interpreter_of(program: str) -> str | None:
    """The interpreter that a script's first line names, None for anything else."""
    try:
        with open(program, "rb") as file:
            head = file.read(256)
    except OSError:
        return None  # executable without being readable: a binary
    if not head.startswith(b"#!"):
        return None
    words = head[2:].split(b"\n", 1)[0].split()
    return os.fsdecode(words[0]) if words else None
