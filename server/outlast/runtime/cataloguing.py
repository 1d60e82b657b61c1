"""The workflows that can be started, read again when their files change."""

import anyio

from outlast.definitions.discovery import Catalogue, Discovery, Found
from outlast.runtime.options import Options

SCAN_SECONDS = 5.0


class Workflows:
    """What the workflow directories hold now."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._discovery = Discovery()
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
