"""``pagefault`` and ``pagefault serve``: the server itself."""

from __future__ import annotations

import gc
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ..base.errors import StoreError

if TYPE_CHECKING:
    from ..memory.core import Memory
    from ..surface.app import PagefaultServer
    from .setting_up import SetUp

_REFUSED = 1


def add_options(parser: ArgumentParser) -> None:
    """The options of ``serve``."""
    parser.add_argument("--http", action="store_true", help="streamable HTTP instead of stdio")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8321, help="port to listen on")
    parser.add_argument("--token-file", type=Path, help="hashed bearer tokens, one a line")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name that clients may call this machine by",
    )


def run(ready: SetUp, options: Namespace) -> int:
    """Serve until the client goes or a signal comes; at a terminal, say how to connect one."""
    if not options.http and _at_a_terminal():
        from .connecting import explain_connection  # only a person needs it

        print(explain_connection())
        return 0
    for note in ready.resolved.notes:
        print(f"pagefault: {note}", file=sys.stderr)
    return _serve_http(ready, options) if options.http else _serve_stdio(ready)


def _at_a_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _serve_stdio(ready: SetUp) -> int:
    from ..surface.transport.stdio import serve_stdio  # one transport is enough

    server, _ = _build(ready)
    anyio.run(serve_stdio, server)
    return 0


def _serve_http(ready: SetUp, options: Namespace) -> int:
    from ..surface.metrics import metrics
    from ..surface.transport.http import serve_http  # brings a web server with it

    server, memory = _build(ready)

    async def serve() -> None:
        await serve_http(
            server,
            host=options.host,
            port=options.port,
            token_file=options.token_file,
            allowed_hosts=options.allowed_host,
            health=lambda: _health(memory),
            metrics=lambda principal: metrics(memory, principal),
            log_level=ready.resolved.settings.log_level,
            task_status=_Announcement(),
        )

    try:
        anyio.run(serve)
    except ValueError as error:  # before it listens: a bind, a token file or a host name
        print(f"pagefault: refused: {error}", file=sys.stderr)
        return _REFUSED
    return 0


class _Announcement:
    """Tells whoever started the server where it is, once it answers."""

    def started(self, value: str | None = None) -> None:
        """Print the URL."""
        print(f"pagefault: serving {value}", file=sys.stderr, flush=True)


def _build(ready: SetUp) -> tuple[PagefaultServer, Memory]:
    from ..surface.app import build_server  # the SDK takes half a second to import
    from ..surface.door import Place

    memory = ready.memory()
    repository = ready.repository()
    place = Place(
        ready.resolved.settings.workspace,
        repository.name if repository else "default",
        repository.fingerprint if repository else None,
        ready.tokenizer(),
    )
    server = build_server(memory, place)
    gc.freeze()  # what is imported stays: no collection during a call need look at it again
    return server, memory


async def _health(memory: Memory) -> Mapping[str, object]:
    """Whether the store answers; why not by the error's code alone: anybody may ask."""
    try:
        await memory.ready()
        await memory.store.ping()
    except StoreError as error:
        return {"status": "error", "reason": error.code}
    return {"status": "ok"}
