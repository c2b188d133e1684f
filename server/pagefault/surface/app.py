"""The server: tools, resources, prompts, completion and subscriptions over one memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp.types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from pydantic import AnyUrl

from .. import __version__
from ..base import assets
from ..base.errors import NotFound, PagefaultError, PageForgotten, StoreError
from ..base.event import clean
from ..memory import Memory
from ..stores.contract import Workspace
from .door import Door, Place
from .logs import quiet_logging
from .prompts import CHOICES, add_prompts
from .tool import MemoryTool
from .tools import GROUPS
from .transport.principal import principal_of
from .views import VIEWS, Reading, locate
from .watch import Watch

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
            return [await self._read(str(uri), context)]
        except (NotFound, PageForgotten) as error:
            raise ResourceNotFoundError(str(error)) from None
        except PagefaultError as error:
            raise ResourceError(str(error)) from None

    async def _read(self, uri: str, context: Context[Memory, Any]) -> ReadResourceContents:
        named, view, names, query = locate(uri)
        principal = principal_of(context)
        workspace = await self._workspace(principal, named)
        reading = Reading(self.door.memory, workspace, names, query)
        return ReadResourceContents(
            content=clean(await view.read(reading)), mime_type=view.mime_type
        )

    async def _workspace(self, principal: str, named: str | None) -> Workspace:
        if named is None:
            return await self.door.workspace(principal)
        found = await self.door.existing(principal, named)
        if found is None:
            message = f"no workspace {named[:60]!r}"
            raise NotFound(message)
        return found


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
        subscriptions=watch,
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


def _add_handlers(server: PagefaultServer, door: Door, watch: Watch) -> None:
    """Completion, and the subscriptions of clients before 2026-07-28, which the SDK leaves out."""

    async def complete(
        ctx: ServerRequestContext[Memory], params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        values = await _complete(server, door, ctx, params.argument)
        return types.CompleteResult(
            completion=types.Completion(
                values=values[:_COMPLETIONS],
                total=len(values),
                has_more=len(values) > _COMPLETIONS,
            )
        )

    async def subscribe(
        ctx: ServerRequestContext[Memory], params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        context = _context(server, ctx)
        await watch.follow(await door.workspace(principal_of(context)))
        watch.add(str(params.uri), ctx.session)
        return types.EmptyResult()

    async def unsubscribe(
        ctx: ServerRequestContext[Memory], params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        watch.remove(str(params.uri), ctx.session)
        return types.EmptyResult()

    # The low-level server is private in 2.3 (the minor is pinned); it has no public way to these.
    low = server._lowlevel_server
    low.add_request_handler("completion/complete", types.CompleteRequestParams, complete)
    low.add_request_handler("resources/subscribe", types.SubscribeRequestParams, subscribe)
    low.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe)


async def _complete(
    server: PagefaultServer,
    door: Door,
    ctx: ServerRequestContext[Memory],
    argument: types.CompletionArgument,
) -> list[str]:
    if argument.name in CHOICES:
        return [choice for choice in CHOICES[argument.name] if choice.startswith(argument.value)]
    what = {"page_id": "page", "session_id": "session"}.get(argument.name)
    if what is None:
        return []
    try:
        workspace = await door.workspace(principal_of(_context(server, ctx)))
        prefix = clean(argument.value)[:140]
        return await door.memory.store.ids_like(workspace, what, prefix, _COMPLETIONS + 1)
    except StoreError:
        return []  # a completion is a convenience: the call that follows says what is wrong


def _context(server: PagefaultServer, ctx: ServerRequestContext[Memory]) -> Context[Memory, Any]:
    return Context(request_context=ctx, mcp_server=server)
