"""The command line. What a command needs is imported when that command runs."""

import sys
from typing import TextIO, cast

from outlast.server.cli.root import outlast


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a file in an encoding without `·` must not end a command in the middle.
        if (reconfigure := getattr(cast("TextIO | None", stream), "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")
    outlast.main(prog_name="outlast")
