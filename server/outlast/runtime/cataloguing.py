"""The workflows that can be started, read again when their files change."""

from pathlib import Path

import anyio

from outlast.definitions.answers import Answers
from outlast.definitions.catalogue import Catalogue, Found
from outlast.definitions.discovery import Discovery
from outlast.definitions.executables import Executables
from outlast.runtime.options import Options

SCAN_SECONDS = 5.0


class Workflows:
    """What the workflow directories hold now."""

    def __init__(self, options: Options) -> None:
        self._options = options
        answers = Answers(Path(options.home.executables))
        self._discovery = Discovery(executables=Executables(answers, options.environment, options.path))
        self._turn = anyio.Lock()

    async def catalogue(self) -> Catalogue:
        """Every workflow, and every file that is none with the reason. Unchanged files are not read again."""
        async with self._turn:
            return await anyio.to_thread.run_sync(
                lambda: self._discovery.discover(
                    self._options.directories, allow_command=self._options.allow_command, seconds=SCAN_SECONDS
                )
            )

    async def find(self, workflow_id: str) -> Found:
        """One workflow by its id. Raises NotFound `workflow_not_found`, saying what there is instead."""
        return (await self.catalogue()).find(workflow_id)
