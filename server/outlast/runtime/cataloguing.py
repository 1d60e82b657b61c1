"""The workflows that can be started, read again when their files change."""

from pathlib import Path

import anyio

from outlast.definitions.answers import Answers
from outlast.definitions.builtin import COMMAND
from outlast.definitions.catalogue import Catalogue, Found
from outlast.definitions.discovery import Discovery
from outlast.definitions.executables import Executables
from outlast.kernel.errors import NotAllowed
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
        """One workflow by its id. Raises NotFound `workflow_not_found`, saying what there is instead; NotAllowed
        `command_not_allowed` for the built-in one where the settings do not allow it."""
        if workflow_id == COMMAND.id and not self._options.allow_command:
            raise NotAllowed(
                "Commands that are no workflow are not allowed here: the setting allow_command is off. A person can "
                f"switch it on with `allow_command = true` in {self._options.home.config}; servers that run see it "
                "once they are started again.",
                code="command_not_allowed",
                next="list_workflows",
            )
        # Nearly always its file says it all: nobody waits for other files, or for executables that have to be asked.
        async with self._turn:
            found = await anyio.to_thread.run_sync(self._discovery.named, self._options.directories, workflow_id)
        return found or (await self.catalogue()).find(workflow_id)
