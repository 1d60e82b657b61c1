"""What the workflow line-count runs."""

import os
import sys
from collections import Counter
from pathlib import Path


def count_lines(directory: str) -> dict[str, object]:
    """Write files, lines and suffix, most lines first; return the totals."""
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for folder, names, entries in os.walk(Path.home() / Path(directory).expanduser()):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for entry in entries:
            path = Path(folder, entry)
            if path.is_symlink() or not path.is_file():
                continue
            try:
                data = path.read_bytes()
            except OSError as error:
                sys.stdout.write(f"left out: {error}\n")
                continue
            if b"\0" not in data[:8192]:
                files[path.suffix] += 1
                lines[path.suffix] += data.count(b"\n")
    for suffix, count in lines.most_common():
        sys.stdout.write(f"{files[suffix]:>8} files {count:>10} lines  {suffix or '(no suffix)'}\n")
    return {"files": files.total(), "lines": lines.total(), "by_suffix": dict(lines)}
