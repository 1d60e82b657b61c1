"""Building the project as its users get it, and installing it into empty environments."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
SOURCES = tuple(ROOT / source / "outlast" for source in ("server", "storage", "tools"))
"""The three portions of the namespace."""


class Environment(NamedTuple):
    """A virtual environment into which a wheel of ours was installed."""

    path: Path
    new_in_site_packages: set[str]
    """The names that the installation put into site-packages."""
    new_commands: set[str]

    @property
    def site_packages(self) -> Path:
        return site_packages(self.path)

    @property
    def interpreter(self) -> str:
        return str(self.path / "bin/python")

    def python(self, *arguments: str) -> str:
        """Run the environment's Python outside the source tree; returns what it prints."""
        return run([self.interpreter, *arguments], cwd=self.path)


def site_packages(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))


def run(command: list[str], cwd: Path = ROOT) -> str:
    """Run a command to its end; returns its standard output. Raises AssertionError with all that it said."""
    # Without PYTHONPATH and the like, which would let in what was not installed.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150
    )
    assert result.returncode == 0, f"{command} → {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def build(kind: str, into: Path, tree: Path = ROOT) -> Path:
    """Build a `wheel` or an `sdist` with the build backend that is installed here: no network is needed."""
    run([sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(into), str(tree)])
    [built] = into.iterdir()
    return built


def build_editable(into: Path) -> Path:
    """The wheel that `pip install -e .` asks the backend for."""
    code = "import build, sys; build.ProjectBuilder(sys.argv[1]).build('editable', sys.argv[2])"
    run([sys.executable, "-c", code, str(ROOT), str(into)])
    [built] = into.iterdir()
    return built


def install(wheel: Path, path: Path) -> Environment:
    """Install a wheel, without its dependencies, into a new environment; then let that one see ours."""
    run([sys.executable, "-m", "venv", "--without-pip", str(path)])
    libraries, commands = set(os.listdir(site_packages(path))), set(os.listdir(path / "bin"))
    pip = [sys.executable, "-m", "pip", "--python", str(path), "install", "-q", "--no-index", "--no-deps"]
    run([*pip, "--no-compile", str(wheel)])
    environment = Environment(
        path, set(os.listdir(site_packages(path))) - libraries, set(os.listdir(path / "bin")) - commands
    )
    # A folder that a .pth names is searched, but its own .pth files are not read: an editable Outlast stays out.
    (environment.site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment
