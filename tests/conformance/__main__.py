"""Serve the server under test, with the suite's fixtures, over pagefault's own HTTP transport.

    python tests/conformance [--port N]

Prints its URL as the first line of stdout, once connections are answered.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import mcp
from fixtures import register

from pagefault.base.config import Settings
from pagefault.memory.opening import Folders, open_memory
from pagefault.surface.app import PagefaultServer, build_server
from pagefault.surface.door import Place
from pagefault.surface.transport.http import serve_http

if TYPE_CHECKING:
    from collections.abc import Mapping


def server_under_test() -> PagefaultServer:
    """pagefault itself over an empty memory, with the fixtures beside its own tools."""
    folder = Path(__file__).parent
    memory = open_memory(Settings(store="sqlite://:memory:"), Folders(folder, folder))
    server = build_server(memory, Place("", "conformance", None, "estimate"))
    register(server)
    return server


async def serve(port: int) -> None:
    """Serve on loopback until told to stop; the URL goes to stdout."""
    start = partial(serve_http, server_under_test(), host="127.0.0.1", port=port, token_file=None)
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
