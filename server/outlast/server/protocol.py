"""What the SDK leaves open between the protocol and us, closed in one place.

- `server/discover` followed by `initialize` on one pipe, which real hosts send: discovering opens no era.
- Subscriptions of handshake clients, and the honest capabilities that go with them.
- What clients of 2026-07-28 listen to is watched while they listen.
(Unknown arguments and validation errors: tools/guarding.py. Lone surrogates: tools/results.py. The pipe, signals and
the end: stdio.py, serving.py. Pages of lists: resources.py.)
"""

from typing import cast

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.mcpserver import MCPServer
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
)
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    PROTOCOL_VERSION_META_KEY,
    CompleteRequestParams,
    CompleteResult,
    DiscoverResult,
    EmptyResult,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    NotificationParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)
from mcp.types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS

from outlast.server.opening import Opening
from outlast.server.watching import Watcher, first_look

SERVER_INFO = "io.modelcontextprotocol/serverInfo"
Request = ServerRequestContext[Opening, object]


def lowlevel(server: MCPServer[Opening]) -> Server[Opening]:
    """The server that takes streams and handlers."""
    return server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # there is no other way to it


def initialization(server: MCPServer[Opening]) -> InitializationOptions:
    """What a handshake client is told: lists of tools and prompts never change, that of resources does."""
    return lowlevel(server).create_initialization_options(NotificationOptions(resources_changed=True))


class Discovery:
    """Answers `server/discover` in front of the server, until the first other request opens an era."""

    def __init__(self, server: MCPServer[Opening]) -> None:
        self._server = lowlevel(server)
        self._opened = False

    def answer(self, message: JSONRPCMessage) -> JSONRPCMessage | None:
        """The answer; None for a message that the server has to see."""
        if self._opened or not isinstance(message, JSONRPCRequest):
            return None
        if message.method != "server/discover" or version_of(message) not in MODERN_PROTOCOL_VERSIONS:
            self._opened = True
            return None
        result = DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS),
            capabilities=self._server.get_capabilities(protocol_version=LATEST_MODERN_VERSION),
            instructions=self._server.instructions,
        )
        document = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        document["_meta"] = {SERVER_INFO: self._server.server_info_stamp}
        return JSONRPCResponse(jsonrpc="2.0", id=message.id, result={"ttlMs": 0, "cacheScope": "private"} | document)


def version_of(request: JSONRPCRequest) -> object:
    """The protocol version that a request's envelope names."""
    meta: object = (request.params or {}).get("_meta")
    return cast("dict[str, object]", meta).get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None


class Listening(ListenHandler):
    """Serves the streams of clients of 2026-07-28; what they listen to is watched meanwhile."""

    def __init__(self, bus: InMemorySubscriptionBus, watcher: Watcher) -> None:
        super().__init__(bus)
        self._watcher = watcher

    async def __call__(self, ctx: Request, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        async with self._watcher.watching(ctx.lifespan_context, params.notifications.resource_subscriptions or ()):
            return await super().__call__(ctx, params)


def serve_completion(server: MCPServer[Opening]) -> None:
    """Have arguments and addresses completed: MCPServer's own way would not reach the runtime."""

    async def complete(context: Request, params: CompleteRequestParams) -> CompleteResult:
        from outlast.server.prompts import complete  # here: it imports most of Outlast, and there is time now

        return await complete(context, params)

    lowlevel(server).add_request_handler("completion/complete", CompleteRequestParams, complete)


def serve_subscriptions(server: MCPServer[Opening], bus: InMemorySubscriptionBus, watcher: Watcher) -> None:
    """Have a server's clients told of what `watcher` finds, each in the way of its era."""
    low = lowlevel(server)
    watcher.tell_by(bus.publish)
    subscribed: set[str] = set()

    async def initialized(context: Request, _: NotificationParams) -> None:
        context.lifespan_context.begin()  # it has its first reply: now there is time

        async def tell(event: ServerEvent) -> None:
            if isinstance(event, ResourcesListChanged):
                await context.session.send_resource_list_changed()
            elif isinstance(event, ResourceUpdated) and event.uri in subscribed:
                await context.session.send_resource_updated(event.uri)

        watcher.tell_by(tell)

    async def subscribe(context: Request, params: SubscribeRequestParams) -> EmptyResult:
        uri = str(params.uri)
        seen = await first_look(context.lifespan_context, uri)
        if seen is None and not uri.startswith("workflow://"):
            raise MCPError(code=INVALID_PARAMS, message=f"there is nothing at {uri[:200]}")
        if uri not in subscribed:
            subscribed.add(uri)
            watcher.subscribe(uri, seen)
        return EmptyResult()

    async def unsubscribe(_: Request, params: UnsubscribeRequestParams) -> EmptyResult:
        uri = str(params.uri)
        if uri in subscribed:
            subscribed.remove(uri)
            watcher.unsubscribe(uri)
        return EmptyResult()

    low.add_notification_handler("notifications/initialized", NotificationParams, initialized)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
    low.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, Listening(bus, watcher))
