"""Streamable HTTP: the protocol at /mcp for clients of both eras, /health and /metrics.

A request passes, in this order: Host and Origin (hosts), bearer token (bearer), sizes (limits),
and then the SDK's application. Time limits lie below, on the connection (slow).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.transport_security import TransportSecuritySettings

from .bearer import Authenticated
from .health import Health
from .hosts import NamedHosts, allowed_names
from .limits import Limits, Sized
from .listeners import open_listeners, require_loopback, resolve
from .metrics import Metrics
from .slow import impatient
from .stopping import Streams, stop_signals
from .tokens import TokenFile

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from anyio.abc import TaskStatus
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/mcp"
HEALTH_PATH: Final = "/health"
STANDARD: Final = Limits()


async def serve_http(
    server: MCPServer[Any],
    *,
    host: str,
    port: int,
    token_file: Path | None,
    allowed_hosts: Sequence[str] = (),
    health: Callable[[], Awaitable[Mapping[str, object]]],
    metrics: Callable[[str], Awaitable[str]] | None = None,
    log_level: str = "warning",
    limits: Limits = STANDARD,
    task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until SIGTERM or SIGINT, or until cancelled; the server's lifespan runs once.

    Port 0 takes a free one. Once connections are answered, ``task_status`` gets the URL. Nothing
    is printed; uvicorn's log goes to the root logger's handlers. ``metrics`` tells a principal's.

    Raises:
        RefusedBind: the host is not loopback and there is no token file, or cannot be listened on.
        TokenFileError: the token file cannot be used.
        ValueError: one of ``allowed_hosts`` is no host name.
    """
    addresses = await resolve(host, port)
    if token_file is None:
        require_loopback(host, addresses)
    tokens = TokenFile(token_file) if token_file else None
    streams = Streams(_protocol(server, limits))
    served = Metrics(streams, metrics)
    guarded = _guarded(served, allowed_names(host, allowed_hosts), tokens, limits)
    app = _Doors(guarded, Health(health, limits.health_seconds, limits.health_kept_seconds))
    with open_listeners(addresses) as listeners:
        url = f"http://{_in_url(host)}:{listeners[0].getsockname()[1]}{PATH}"
        web = _Web(_config(app, log_level, limits), streams, lambda: task_status.started(url))
        with stop_signals(web.handle_exit):
            async with server.session_manager.run():
                await web.serve(sockets=listeners)


def _protocol(server: MCPServer[Any], limits: Limits) -> ASGIApp:
    """The SDK's application, with sessions, so that 2025 clients get news of resources."""
    return server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=limits.body_bytes,
        # NamedHosts is the one owner of that check (see hosts.py)
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


def _guarded(
    app: ASGIApp, names: frozenset[str], tokens: TokenFile | None, limits: Limits
) -> ASGIApp:
    known = Authenticated(AuthContextMiddleware(Sized(app, limits)), tokens)
    return NamedHosts(known, names)


class _Doors:
    """ASGI: /health is open, everything else is guarded."""

    def __init__(self, guarded: ASGIApp, health: ASGIApp) -> None:
        self._guarded = guarded
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._health if scope["path"] == HEALTH_PATH else self._guarded
        await door(scope, receive, send)


class _Web(uvicorn.Server):
    """uvicorn, started and stopped by serve_http."""

    def __init__(self, config: uvicorn.Config, streams: Streams, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._streams = streams
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to serve_http, which holds them until the lifespan has ended."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        """Serve until told to stop; being cancelled is being told so."""
        try:
            await super().main_loop()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.shutdown()
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.end()
        await super().shutdown(sockets)


def _config(app: ASGIApp, log_level: str, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=impatient(limits),
        h11_max_incomplete_event_size=limits.header_bytes,
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.stop_seconds,
        log_level=log_level,
        log_config=None,  # uvicorn's own would write the access log to stdout
        access_log=False,
        lifespan="off",  # serve_http runs it, so that its errors reach the caller
        ws="none",
        workers=1,
        proxy_headers=False,  # nothing here asks who forwarded a request
        server_header=False,
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host or "0.0.0.0"
