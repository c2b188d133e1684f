"""Serve the server under test, with the suite's fixtures, over pagefault's own HTTP transport.

    python tests/conformance [--port N]

Prints its URL as the first line of stdout, once connections are answered.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import mcp
from fixtures import register
from mcp.server.mcpserver import MCPServer

from pagefault.surface.transport.http import serve_http

if TYPE_CHECKING:
    from collections.abc import Mapping


def build_server() -> MCPServer[Any]:
    """The server under test, with the fixtures beside its own tools."""
    server = MCPServer("conformance", version="0")  # lead: pagefault.surface.app.build_server(...)
    register(server)
    return server


async def serve(port: int) -> None:
    """Serve on loopback until told to stop; the URL goes to stdout."""
    start = partial(serve_http, build_server(), host="127.0.0.1", port=port, token_file=None)
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(partial(start, health=_no_health))
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()


async def _no_health() -> Mapping[str, object]:
    return {}


def main() -> None:
    """Read the port and serve."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=0, help="0 takes any free port")
    # The suite asks for log messages, which the protocol has deprecated.
    warnings.simplefilter("ignore", mcp.MCPDeprecationWarning)
    anyio.run(serve, arguments.parse_args().port)


if __name__ == "__main__":
    main()
