"""What people attach to a chat, what completes an address, and who is told of changes."""

import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread
import pytest
from mcp import Client, MCPError
from mcp.server.mcpserver import MCPServer
from mcp.types import (
    PromptReference,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    TextContent,
    TextResourceContents,
)

from outlast.kernel.home import Home
from outlast.runtime.options import Options
from outlast.runtime.runtime import Runtime
from outlast.server import watching
from outlast.server.opening import Opening
from outlast.server.serving import create_server
from waiting import BOUND, until

Era = Literal["auto", "legacy"]


@pytest.fixture
def server(home: Home) -> MCPServer[Opening]:
    path = Path(home.workflows, "greet.yaml")
    path.write_text("id: greet\ndescription: Says hello.\nrun: [echo, hello]\n")
    path.chmod(0o600)
    return create_server(Options(home=home, trigger="mcp", user="sam", allow_command=True))


@pytest.fixture(params=["auto", "legacy"])
async def client(server: MCPServer[Opening], request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with Client(server, mode=request.param) as client:
        yield client


async def run(client: Client, *argv: str, wait: float = 30) -> int:
    arguments = {"workflow_id": "command", "params": {"argv": list(argv)}, "wait_seconds": wait}
    result = await client.call_tool("execute_workflow", arguments)
    assert result.structured_content is not None
    return int(result.structured_content["number"])


async def text_of(client: Client, uri: str) -> str:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/plain"
    return content.text


@pytest.mark.requirement("S3-3")
async def test_executions_logs_and_workflows_are_read_as_resources(client: Client) -> None:
    number = await run(client, "seq", "1", "5")
    assert "completed" in await text_of(client, f"execution://{number}")
    log = await text_of(client, f"execution://{number}/logs")
    assert [line.split()[-1] for line in log.splitlines()[2:-1]] == ["1", "2", "3", "4", "5"]
    assert "execution://" not in log, "there is no more"
    part = await text_of(client, f"execution://{number}/logs?after=1&limit=2")
    assert [line.split()[-1] for line in part.splitlines()[2:-2]] == ["2", "3"]
    assert part.splitlines()[-1] == f"next: execution://{number}/logs?after=3&limit=2"
    last = await text_of(client, f"execution://{number}/logs?limit=2")
    assert last.splitlines()[-1] == f"from line 1 on: execution://{number}/logs?after=0&limit=2"
    assert "Says hello." in await text_of(client, "workflow://greet")


@pytest.mark.requirement("S3-3")
async def test_the_links_in_a_log_lead_through_all_of_it(client: Client) -> None:
    number = await run(client, "seq", "1", "25")
    uri, seen = f"execution://{number}/logs?limit=10", list[str]()
    uri = (await text_of(client, uri)).splitlines()[-1].removeprefix("from line 1 on: ")
    while uri:
        lines = (await text_of(client, uri)).splitlines()
        end = next(i for i, line in enumerate(lines) if line.startswith("<<end "))
        seen += [line.split()[-1] for line in lines[2:end]]
        uri = lines[-1].removeprefix("next: ") if lines[-1].startswith("next: ") else ""
    assert seen == [str(n) for n in range(1, 26)]


@pytest.mark.parametrize(
    "uri",
    [
        "execution://7",
        "execution://x",
        "execution://1/logs?limit=0",
        "execution://1/logs?after=x",
        "workflow://no",
        "workflow://..%2F..%2Fsh",
    ],
)
async def test_what_is_not_there_is_an_error_and_not_the_end(client: Client, uri: str) -> None:
    await run(client, "true")
    with pytest.raises(MCPError):
        await client.read_resource(uri)
    assert "completed" in await text_of(client, "execution://1")


async def test_the_list_is_paged_and_begins_with_workflows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.server.resources.PAGE", 2)
    for _ in range(3):
        await run(client, "true")
    uris: list[str] = []
    cursor: str | None = None
    while True:
        page = await client.list_resources(cursor=cursor)
        uris += [str(resource.uri) for resource in page.resources]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert uris[:2] == ["workflow://command", "workflow://greet"]
    assert uris[2:] == [uri for n in (3, 2, 1) for uri in (f"execution://{n}", f"execution://{n}/logs")]
    with pytest.raises(MCPError):
        await client.list_resources(cursor="nonsense")
    templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == [
        "execution://{id}",
        "execution://{id}/logs{?after,limit}",
        "workflow://{id}",
    ]


async def test_handles_and_workflows_are_completed(client: Client) -> None:
    for _ in range(2):
        await run(client, "true")

    async def completed(ref: ResourceTemplateReference | PromptReference, name: str, typed: str) -> list[str]:
        answer = await client.complete(ref, {"name": name, "value": typed})
        return answer.completion.values

    execution = ResourceTemplateReference(type="ref/resource", uri="execution://{id}")
    workflow = ResourceTemplateReference(type="ref/resource", uri="workflow://{id}")
    prompt = PromptReference(type="ref/prompt", name="diagnose_failure")
    assert await completed(execution, "id", "") == ["2", "1"]
    assert await completed(execution, "id", "#1") == ["1"]
    assert await completed(workflow, "id", "gr") == ["greet"]
    assert await completed(prompt, "handle", "2") == ["2"]
    assert await completed(prompt, "since", "2") == []


async def test_prompts_ask_for_what_the_tools_can_answer(client: Client) -> None:
    prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
    assert set(prompts) == {"diagnose_failure", "report_on_period"}
    tools = {tool.name for tool in (await client.list_tools()).tools}
    for name, arguments in (("diagnose_failure", {"handle": "142"}), ("report_on_period", {"workflow_id": "greet"})):
        [message] = (await client.get_prompt(name, arguments)).messages
        assert isinstance(message.content, TextContent)
        assert sum(tool in message.content.text for tool in tools) >= 2
        assert ("'142'" if name == "diagnose_failure" else "'greet'") in message.content.text


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("nope", {}, "there is no prompt"),
        ("diagnose_failure", {}, "is missing: diagnose_failure(handle)"),
        ("diagnose_failure", {"handle": "1", "more": "x"}, "is not an argument"),
        ("report_on_period", {"since": "x" * 65}, "is too long"),
    ],
)
async def test_a_wrong_prompt_is_told_with_a_sentence(
    client: Client, caplog: pytest.LogCaptureFixture, name: str, arguments: dict[str, str], said: str
) -> None:
    with pytest.raises(MCPError, match=re.escape(said)):
        await client.get_prompt(name, arguments)
    assert "Traceback" not in caplog.text


@pytest.mark.requirement("S3-17")
@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed:mcp.MCPDeprecationWarning")
async def test_a_handshake_client_that_subscribed_is_told_of_lines_and_of_the_end(
    server: MCPServer[Opening], tmp_path: Path
) -> None:
    told: list[str] = []
    heard = anyio.Event()

    async def hear(message: object) -> None:
        nonlocal heard
        if isinstance(message, ResourceUpdatedNotification):
            told.append(str(message.params.uri))
            heard.set()
            heard = anyio.Event()

    go = tmp_path / "go"
    async with Client(server, mode="legacy", message_handler=hear) as client:
        capabilities = client.server_capabilities
        assert capabilities.resources is not None
        assert capabilities.resources.subscribe
        script = f"until [ -e {go} ]; do sleep 0.02; done; echo a line; until [ -e {go}2 ]; do sleep 0.02; done"
        number = await run(client, "sh", "-c", script, wait=0)
        await client.subscribe_resource(f"execution://{number}/logs")
        with anyio.fail_after(BOUND):
            await anyio.Path(go).touch()
            while (next_notice := heard) and "a line" not in await text_of(client, f"execution://{number}/logs"):
                await next_notice.wait()
            await anyio.Path(f"{go}2").touch()
            while (next_notice := heard) and "completed" not in await text_of(client, f"execution://{number}"):
                await next_notice.wait()
        assert set(told) == {f"execution://{number}/logs"}
        await client.unsubscribe_resource(f"execution://{number}/logs")
        for nothing in ("execution://9999", "file:///etc/passwd"):
            with pytest.raises(MCPError, match="there is nothing at"):
                await client.subscribe_resource(nothing)


@pytest.mark.requirement("S3-17")
async def test_a_client_of_the_newer_era_listens_to_one_stream(server: MCPServer[Opening], tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with Client(server) as client:
        number = await run(client, "sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done; echo a line", wait=0)
        uri = f"execution://{number}"
        with anyio.fail_after(BOUND):
            async with client.listen(resource_subscriptions=[uri], resources_list_changed=True) as events:
                await anyio.Path(go).touch()
                async for event in events:
                    assert getattr(event, "uri", uri) == uri
                    if "completed" in await text_of(client, uri):
                        break


@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed:mcp.MCPDeprecationWarning")
async def test_a_change_right_after_subscribing_is_told_also_behind_one_that_cannot_be_read(
    server: MCPServer[Opening], home: Home, tmp_path: Path
) -> None:
    told: list[str] = []

    async def hear(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            told.append(str(message.params.uri))

    go = tmp_path / "go"
    async with Client(server, mode="legacy", message_handler=hear) as client:
        damaged = await run(client, "true")
        await client.subscribe_resource(f"execution://{damaged}")
        await anyio.to_thread.run_sync(damage, home, damaged)
        number = await run(client, "sh", "-c", f"until [ -e {go} ]; do sleep 0.01; done", wait=0)
        await client.subscribe_resource(f"execution://{number}")
        go.touch()
        await until(lambda: {f"execution://{damaged}", f"execution://{number}"} <= set(told))


def damage(home: Home, number: int) -> None:
    connection = sqlite3.connect(home.database, timeout=BOUND)
    connection.execute("UPDATE executions SET updated_at = updated_at + 1 WHERE number = ?", (number,))
    connection.commit()
    connection.close()


@pytest.mark.requirement("S3-17")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed:mcp.MCPDeprecationWarning")
async def test_whoever_subscribed_to_a_log_that_never_rests_is_told_now_and_then_and_of_the_end(
    server: MCPServer[Opening], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Era
) -> None:
    looks: list[str] = []
    real = watching.look_at

    async def counted(runtime: Runtime, uri: str) -> watching.Seen | None:
        looks.append(uri)
        return await real(runtime, uri)

    monkeypatch.setattr(watching, "look_at", counted)
    monkeypatch.setattr(watching, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(watching, "TELL_EVERY", 3600.0)
    told: list[str] = []

    async def hear(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            told.append(str(message.params.uri))

    async def listen(client: Client, uri: str) -> None:
        async with client.listen(resource_subscriptions=[uri]) as events:
            while True:
                told.append(str(getattr(await anext(events), "uri", "")))

    stop = tmp_path / "stop"
    handler = hear if mode == "legacy" else None  # the stream tells clients of the newer era
    async with Client(server, mode=mode, message_handler=handler) as client, anyio.create_task_group() as listeners:
        number = await run(client, "sh", "-c", f"until [ -e {stop} ]; do echo x; sleep 0.01; done", wait=0)
        uri = f"execution://{number}/logs"
        if mode == "legacy":
            await client.subscribe_resource(uri)
        else:
            listeners.start_soon(listen, client, uri)
        await until(lambda: told == [uri])
        seen = len(looks)
        await until(lambda: len(looks) > seen + 20)
        assert told == [uri], "it has changed again and again meanwhile"
        stop.touch()
        await until(lambda: len(told) >= 2)
        assert "completed" in await text_of(client, f"execution://{number}")
        listeners.cancel_scope.cancel()
