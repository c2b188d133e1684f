"""``pagefault`` and ``pagefault serve``: the server itself."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

import anyio

from ..memory.core import Memory
from .setting_up import SetUp, set_up


def add_options(parser: ArgumentParser) -> None:
    """The options of ``serve``."""
    parser.add_argument("--http", action="store_true", help="streamable HTTP instead of stdio")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8321, help="port to listen on")
    parser.add_argument("--token-file", type=Path, help="hashed bearer tokens, one a line")
    parser.add_argument(
        "--allowed-host", action="append", default=[], help="a further name clients may call it by"
    )


def run(options: Namespace) -> int:
    """Serve until the client goes or a signal comes."""
    if not options.http and options.command == "serve" and sys.stdin.isatty():
        from .connecting import explain_connection  # noqa: PLC0415 - only a person needs it

        print(explain_connection())
        return 0
    ready = set_up(options)
    for note in ready.resolved.notes:
        print(f"pagefault: {note}", file=sys.stderr)
    if options.http:
        anyio.run(_serve_http, options, ready)
    else:
        anyio.run(_serve_stdio, ready)
    return 0


async def _serve_stdio(ready: SetUp) -> None:
    from ..surface.app import build_server  # noqa: PLC0415 - the SDK is slow to import
    from ..surface.transport.stdio import serve_stdio  # noqa: PLC0415

    await serve_stdio(build_server(ready.memory(), ready.place()))


async def _serve_http(options: Namespace, ready: SetUp) -> None:
    from ..surface.app import build_server  # noqa: PLC0415
    from ..surface.transport.http import serve_http  # noqa: PLC0415

    memory = ready.memory()
    await serve_http(
        build_server(memory, ready.place()),
        host=options.host,
        port=options.port,
        token_file=options.token_file,
        allowed_hosts=options.allowed_host,
        health=lambda: _health(memory),
        log_level=ready.resolved.settings.log_level,
    )


async def _health(memory: Memory) -> Mapping[str, object]:
    await memory.ready()
    return {"status": "ok"}
