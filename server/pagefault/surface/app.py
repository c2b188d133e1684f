"""The server: tools, resources, prompts, completion and subscriptions over one memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import mcp.types as types
from mcp import MCPError
from mcp.server.caching import CacheHint
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp.server.subscriptions import ListenHandler
from pydantic import AnyUrl, ValidationError

from .. import __version__
from ..base import assets
from ..base.errors import (
    InvalidArgument,
    NotFound,
    PagefaultError,
    PageForgotten,
    StoreError,
)
from ..base.event import clean
from ..memory import Memory
from .door import Door, Place
from .logs import quiet_logging
from .prompts import CHOICES, add_prompts, check_prompt
from .reading import Bundle, Reading
from .tool import MemoryTool, error_of, unforeseen
from .tools import GROUPS
from .transport.principal import principal_of
from .views import VIEWS, locate
from .watch import Listening, Topic, Watch

_COMPLETIONS = 100
_HANDSHAKE = 0.1  # seconds left to the client's first messages, which importing would slow down
_LISTS_LAST = CacheHint(ttl_ms=300_000, scope="public")  # the lists never change while it runs


class PagefaultServer(MCPServer[Memory]):
    """`MCPServer` with ``memory://`` resources read by one table instead of one class each."""

    door: Door

    async def list_resources(self) -> list[types.Resource]:
        """The resources without a blank to fill."""
        mine = [
            types.Resource(
                uri=view.uri,
                name=view.name,
                description=view.description,
                mime_type=view.mime_type,
            )
            for view in VIEWS
            if not view.is_template
        ]
        return [*mine, *await super().list_resources()]

    async def list_resource_templates(self) -> list[types.ResourceTemplate]:
        """The others, in the short form; ``memory://{workspace}/…`` works for each as well."""
        mine = [
            types.ResourceTemplate(
                uri_template=view.uri,
                name=view.name,
                description=view.description,
                mime_type=view.mime_type,
            )
            for view in VIEWS
            if view.is_template
        ]
        return [*mine, *await super().list_resource_templates()]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Memory, Any] | None = None
    ) -> Iterable[ReadResourceContents]:
        """Read a resource of ours, or one that was registered beside them.

        Raises:
            ResourceNotFoundError: there is no such resource.
            ResourceError: it cannot be read, with the reason.
        """
        if not str(uri).startswith("memory://") or context is None:
            return await super().read_resource(uri, context)  # type: ignore[return-value]
        try:
            return await self._read(str(uri), context)
        except (NotFound, PageForgotten) as error:
            raise ResourceNotFoundError(str(error)) from None
        except InvalidArgument as error:
            raise MCPError(types.INVALID_PARAMS, str(error), {"uri": str(uri)}) from None
        except PagefaultError as error:
            raise ResourceError(str(error)) from None

    async def _read(self, uri: str, context: Context[Memory, Any]) -> list[ReadResourceContents]:
        located = locate(uri)
        workspace = await self.door.located(principal_of(context), located.workspace)
        reading = Reading(self.door.memory, workspace, located.names, located.query, self.door)
        found = await located.view.read(reading)
        blobs = found.blobs if isinstance(found, Bundle) else ()
        text = clean(found.text if isinstance(found, Bundle) else found)
        return [
            *(ReadResourceContents(content=blob.data, mime_type=blob.mime_type) for blob in blobs),
            ReadResourceContents(content=text, mime_type=located.view.mime_type),
        ]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Memory, Any] | None = None
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Call a tool; one that does not exist is answered with those that do."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError:
            names = [tool.name for tool in await self.list_tools()]
            if name in names:
                raise
            return error_of(f"tool_not_found: {name[:60]!r}. There are {', '.join(names)}")

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[Memory, Any] | None = None,
    ) -> types.GetPromptResult | types.InputRequiredResult:
        """Fill a prompt in.

        Raises:
            MCPError: there is no such prompt, or it takes other arguments.
        """
        check_prompt(await self.list_prompts(), name, arguments or {})
        return await super().get_prompt(name, arguments, context)


def build_server(memory: Memory, place: Place) -> PagefaultServer:
    """The server over a memory that is not open yet; its lifespan opens and closes it."""
    quiet_logging(memory.settings.log_level)
    door = Door(memory, place)
    watch = Watch(memory)

    @asynccontextmanager
    async def lifespan(_: MCPServer[Memory]) -> AsyncIterator[Memory]:
        async with memory, anyio.create_task_group() as tasks:
            tasks.start_soon(_open_early, memory)
            tasks.start_soon(watch.run)
            yield memory
            tasks.cancel_scope.cancel()

    chosen = [spec for group in memory.settings.tools for spec in GROUPS[group]]
    server = PagefaultServer(
        "pagefault",
        title="pagefault",
        version=__version__,
        instructions=assets.text("instructions.md"),
        tools=[MemoryTool.of(spec, door) for spec in chosen],
        lifespan=lifespan,
        log_level=memory.settings.log_level.upper(),  # type: ignore[arg-type]
        cache_hints={
            "tools/list": _LISTS_LAST,
            "prompts/list": _LISTS_LAST,
            "resources/list": _LISTS_LAST,
            "resources/templates/list": _LISTS_LAST,
        },
        subscriptions=watch.bus,
        middleware=[_Foreseen(memory)],
    )
    server.door = door
    add_prompts(server, memory)
    _add_handlers(server, door, watch)
    return server


async def _open_early(memory: Memory) -> None:
    """Open the store after the handshake; a failure is told to the first call that needs it."""
    await anyio.sleep(_HANDSHAKE)
    try:
        await memory.ready()
    except StoreError:
        return


class _Foreseen:
    """Middleware: whatever nobody foresaw is logged, and answered with an id and no more."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        try:
            return await call_next(ctx)
        except (MCPError, ValidationError):
            raise
        except PagefaultError as error:
            raise MCPError(types.INTERNAL_ERROR, str(error)) from None
        except Exception:  # the SDK would send its words to clients before 2026-07-28
            text = unforeseen(self.memory, ctx.method)
            raise MCPError(types.INTERNAL_ERROR, text) from None


def _add_handlers(server: PagefaultServer, door: Door, watch: Watch) -> None:
    """Completion, and subscriptions: those of 2026-07-28 by principal, and the earlier ones."""

    async def complete(
        ctx: ServerRequestContext[Memory], params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        values = await _complete(server, door, ctx, params.argument)
        return types.CompleteResult(
            completion=types.Completion(
                values=values[:_COMPLETIONS],
                total=len(values) if len(values) <= _COMPLETIONS else None,
                has_more=len(values) > _COMPLETIONS,
            )
        )

    async def topics(ctx: ServerRequestContext[Memory], uris: Iterable[str]) -> list[Topic]:
        principal = principal_of(_context(server, ctx))
        found = []
        for uri in uris:
            with suppress(NotFound):  # any URI may be asked for; what is not ours never changes
                located = locate(uri)
                workspace = await door.located(principal, located.workspace)
                found.append(await watch.topic(workspace, located.path, uri))
        return found

    async def listen(
        ctx: ServerRequestContext[Memory], params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        uris = params.notifications.resource_subscriptions or ()
        return await ListenHandler(Listening(watch, await topics(ctx, uris)))(ctx, params)

    async def subscribe(
        ctx: ServerRequestContext[Memory], params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        for topic in await topics(ctx, [str(params.uri)]):
            watch.subscribe(_connection(ctx), topic)
        return types.EmptyResult()

    async def unsubscribe(
        ctx: ServerRequestContext[Memory], params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        watch.remove(_connection(ctx), str(params.uri))
        return types.EmptyResult()

    # The low-level server is private in 2.3 (the minor is pinned); it has no public way to these.
    add = server._lowlevel_server.add_request_handler
    add("completion/complete", types.CompleteRequestParams, complete)
    add("subscriptions/listen", types.SubscriptionsListenRequestParams, listen)
    add("resources/subscribe", types.SubscribeRequestParams, subscribe)
    add("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe)


async def _complete(
    server: PagefaultServer,
    door: Door,
    ctx: ServerRequestContext[Memory],
    argument: types.CompletionArgument,
) -> list[str]:
    if argument.name in CHOICES:
        return [choice for choice in CHOICES[argument.name] if choice.startswith(argument.value)]
    what = {"page_id": "page", "session_id": "session", "tool_name": "tool"}.get(argument.name)
    if what is None:
        return []
    try:
        workspace = await door.workspace(principal_of(_context(server, ctx)))
        prefix = clean(argument.value)[:140]
        if what == "tool":
            known = (await door.calls.learning.experience(workspace)).tools
            return sorted(name for name in known if name.startswith(prefix))
        return await door.memory.store.ids_like(workspace, what, prefix, _COMPLETIONS + 1)
    except StoreError:
        return []  # a completion is a convenience: the call that follows says what is wrong


def _context(server: PagefaultServer, ctx: ServerRequestContext[Memory]) -> Context[Memory, Any]:
    return Context(request_context=ctx, mcp_server=server)


def _connection(ctx: ServerRequestContext[Memory]) -> Connection:
    # A session is made for each request: only the connection behind it lasts.
    return ctx.session._connection
