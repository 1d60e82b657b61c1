"""Whoever settles an execution starts the supervisors of those that its slot went to."""

from outlast.kernel.claims import Claim
from outlast.kernel.errors import StartFailed
from outlast.kernel.home import Home
from outlast.kernel.spawning import Launcher
from outlast.supervisor.log import log


def start_next(launcher: Launcher, home: Home, claims: list[Claim] | None) -> None:
    """Start a supervisor for each claim; one that cannot be started is claimed again by the next process that looks."""
    for claim in claims or []:
        try:
            launcher.spawn(home.run(claim.id), None)
        except (StartFailed, OSError) as error:
            log(f"#{claim.number}: {error}")
