"""A small server over the stdio transport, run as a child process by the tests.

Environment: TINY_DIARY, a file that gets a line when the lifespan is entered and left;
TINY_FRAME_LIMIT in bytes; TINY_GREETING, printed before serving; TINY_THREADS, to read and write in
threads only, as where the event loop cannot watch a pipe; TINY_BROKEN, to fail within the SDK.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent

from pagefault.surface.logs import quiet_logging
from pagefault.surface.transport import pipes, stdio
from pagefault.surface.transport.stdio import FRAME_LIMIT, serve_stdio

PAGES: dict[str, str] = {}


def diary(line: str) -> None:
    if path := os.environ.get("TINY_DIARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


@asynccontextmanager
async def lifespan(_: object):
    diary("entered")
    try:
        yield
    finally:
        await anyio.lowlevel.checkpoint()  # a cancelled exit would stop here
        diary("left")


async def write_page(session: str, key: str, content: str) -> dict[str, int]:
    """Keep a page."""
    PAGES[f"{session}/{key}"] = content
    return {"characters": len(content)}


async def read_page(session: str, key: str, content: str = "") -> str:
    """Give a page back."""
    return PAGES.get(f"{session}/{key}", "nothing")


async def broken_text() -> CallToolResult:
    """Text with an unpaired surrogate, and numbers that are not finite."""
    odd: dict[str, Any] = {"text": "a\ud800b\ud83d\ude00", "numbers": [float("nan"), float("inf")]}
    return CallToolResult(
        content=[TextContent(type="text", text=odd["text"])], structured_content=odd
    )


def shout() -> str:
    """Write to stdout in every way a library might."""
    print("a print", flush=True)
    os.write(1, b"bytes\n")
    subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
    return "done"


def child_reads() -> str:
    """What a child process finds on its stdin."""
    code = "import sys; print(sys.stdin.read(), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return f"[{done.stderr.strip()}]"


async def wait_for(seconds: float) -> str:
    """Answer later."""
    await anyio.sleep(seconds)
    return "waited"


async def hang() -> str:
    """A call in a thread that nothing can cut off."""
    diary("hanging")
    await anyio.to_thread.run_sync(threading.Event().wait)
    return "never"


async def spin() -> str:
    """A call that keeps the event loop for itself."""
    diary("spinning")
    while True:
        pass


async def report(times: int, context: Context) -> str:
    """Send that many progress notifications."""
    for step in range(times):
        await context.report_progress(step)
    return "reported"


async def fail() -> str:
    """Fail in a way nobody foresaw."""
    msg = "unforeseen"
    raise RuntimeError(msg)


async def complain(characters: int) -> str:
    """Log a long line."""
    logging.getLogger("tiny").error("x" * characters)
    return "complained"


TOOLS = (
    write_page, read_page, broken_text, shout, child_reads, wait_for, hang, spin, report, fail,
    complain,
)  # fmt: skip


async def broken_loop(*_: object, **__: object) -> None:
    msg = "a defect of the SDK"
    raise RuntimeError(msg)


def main() -> None:
    if greeting := os.environ.get("TINY_GREETING"):
        print(greeting)
    if os.environ.get("TINY_THREADS"):
        pipes.watchable = lambda fd: False
        pipes.write_room = lambda fd: None
    if os.environ.get("TINY_BROKEN"):
        stdio.serve_dual_era_loop = broken_loop
    quiet_logging("error")
    server: MCPServer[Any] = MCPServer("tiny", version="1", lifespan=lifespan)
    for tool in TOOLS:
        server.tool(structured_output=None if tool is not broken_text else False)(tool)
    limit = int(os.environ.get("TINY_FRAME_LIMIT", FRAME_LIMIT))

    async def serve() -> None:
        await serve_stdio(server, frame_limit=limit)

    anyio.run(serve)


if __name__ == "__main__":
    main()
