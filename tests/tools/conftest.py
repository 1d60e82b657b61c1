"""Clients of a server in this process, in both eras of the protocol."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

import pytest
from agents import Agent
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import Implementation

from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.server.opening import Opening
from outlast.server.serving import create_server

Era = Literal["auto", "legacy"]


@pytest.fixture
def options(home: Home) -> Options:
    return Options(home=home, trigger="mcp", user="sam", allow_command=True)


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> Era:
    return request.param


@pytest.fixture
def server(options: Options) -> MCPServer[Opening]:
    return create_server(options)


@pytest.fixture
async def agent(server: MCPServer[Opening], era: Era) -> AsyncIterator[Agent]:
    """One in each era: a test that asks for this runs twice."""
    async with Client(server, mode=era, client_info=Implementation(name="tests", version="7")) as client:
        yield Agent(client)


@pytest.fixture
async def modern(server: MCPServer[Opening]) -> AsyncIterator[Agent]:
    async with Client(server) as client:
        yield Agent(client)


@pytest.fixture
def define(home: Home) -> Callable[[str, str], Path]:
    """Write a workflow file into the home."""

    def write(workflow_id: str, text: str) -> Path:
        path = Path(home.workflows, f"{workflow_id}.yaml")
        path.write_text(f"id: {workflow_id}\n{text}")
        path.chmod(0o600)
        return path

    return write
