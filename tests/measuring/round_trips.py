"""How often a tool call goes to Redis: ``python -m tests.measuring.round_trips``.

A client in this process calls the real tools on a real server. MONITOR tells what the server is
asked, in order; a marker that is sent when the reply is there divides what a caller waited for
from what was written behind the reply. Commands that the server's scripts run are not counted.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client
from redis.asyncio import Redis
from redis.asyncio.client import Monitor
from tests.measuring.filling import fill, memory_at, texts, workspace_in
from tests.redis.servers import Standalone, find_server

from pagefault.surface.app import build_server
from pagefault.surface.door import Place

_REPEATS = 9
_PAGES = 400


@dataclass(slots=True)
class Asked:
    """Requests to the server, call by call, before the reply and behind it."""

    before: list[int] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)

    def usual(self) -> tuple[int, int]:
        """The commonest numbers: now and then a look at the log falls between."""
        return tuple(Counter(counts).most_common(1)[0][0] for counts in (self.before, self.behind))  # type: ignore[return-value]


@dataclass(slots=True)
class _Watched:
    """A server's requests as they happen, but for ours and those of its scripts."""

    monitor: Monitor
    client: Redis

    async def upto(self, marker: str) -> list[str]:
        """What was asked since the last marker, until a new one."""
        await self.client.execute_command("ECHO", marker)
        asked: list[str] = []
        async for said in self.monitor.listen():
            if said["command"] == f"ECHO {marker}":
                return asked
            if said["client_type"] != "lua":
                asked.append(said["command"])
        return asked


async def measure(program: Path, repeats: int = _REPEATS) -> dict[str, Asked]:
    """The requests of every kind of call."""
    with Standalone(program) as server, tempfile.TemporaryDirectory() as folder:
        memory = memory_at(server.url("pf"), Path(folder))
        place = Place("", "default", None, "estimate")
        found: dict[str, Asked] = {}
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(build_server(memory, place)))
            await fill(memory, await workspace_in(memory), _PAGES)
            watched = await stack.enter_async_context(_watch(server))
            await client.call_tool("session_start", {"session_id": "s1"})
            await client.call_tool(
                "page_write", {"session_id": "s1", "content": "kept", "key": "k0"}
            )
            await client.call_tool("search_pages", {"session_id": "s1", "query": "survey"})
            for number in range(repeats):
                for name, tool, arguments in _calls(number):
                    await memory.flush()
                    await watched.upto("ready")
                    reply = await client.call_tool(tool, {"session_id": "s1", **arguments})
                    before = await watched.upto("replied")
                    await memory.flush()
                    behind = await watched.upto("written")
                    assert not reply.is_error, reply
                    asked = found.setdefault(name, Asked())
                    asked.before.append(len(before))
                    asked.behind.append(len(behind))
    return found


def _calls(number: int) -> Sequence[tuple[str, str, dict[str, Any]]]:
    """What to call a row, the tool and its arguments; another page every time."""
    new = texts(seed=number)
    page = f"msg_{number + 1}"
    said = [{"role": "assistant", "content": next(new)} for _ in range(2)]
    keyed = [{**event, "key": f"e{number}.{place}"} for place, event in enumerate(said)]
    return (
        ("page_fault, not mapped", "page_fault", {"page_id": page}),
        ("page_fault, mapped", "page_fault", {"page_id": page}),
        ("page_fault, by key", "page_fault", {"page_id": "k0"}),
        ("page_write", "page_write", {"content": next(new)}),
        ("page_write with a key", "page_write", {"content": next(new), "key": f"p{number}"}),
        ("page_write, a new version", "page_write", {"content": next(new), "page_id": page}),
        ("session_record", "session_record", {"events": said}),
        ("session_record with keys", "session_record", {"events": keyed}),
        (
            "session_record, a user's turn",
            "session_record",
            {"events": [{"role": "user", "content": next(new)}]},
        ),
        ("search_pages", "search_pages", {"query": " ".join(next(new).split()[4:8])}),
        ("search_pages, nothing new", "search_pages", {"query": " ".join(next(new).split()[4:8])}),
        ("context_build, 8 of its pages new", "context_build", {}),
        ("context_build, nothing new", "context_build", {}),
        ("session_stats", "session_stats", {}),
        ("page_forget", "page_forget", {"page_id": f"msg_{300 + number}", "reason": "measured"}),
    )


@asynccontextmanager
async def _watch(server: Standalone) -> AsyncIterator[_Watched]:
    async with Redis(port=server.port) as client, client.monitor() as monitor:
        yield _Watched(monitor, client)


def table(found: dict[str, Asked]) -> str:
    """The usual numbers, in Markdown."""
    lines = ["| call | before the reply | behind it |", "|---|---|---|"]
    for name, asked in found.items():
        before, behind = asked.usual()
        lines.append(f"| {name} | {before} | {behind} |")
    return "\n".join(lines)


def main() -> None:
    """Count, and print the table."""
    program = find_server()
    if program is None:
        sys.exit("there is no redis-server: install one, or pagefault[test]")
    print(table(asyncio.run(measure(program))))


if __name__ == "__main__":
    main()
