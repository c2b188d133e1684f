"""Many servers on one Redis: one memory, whichever of them is asked."""

from __future__ import annotations

import os
import random
import string
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from tests.redis.driving import RoundRobin, Stdio, eventually, http, reading, stdio, written
from tests.redis.servers import Standalone
from tests.surface.test_subscriptions import SOON, listening

# Subscribing to one resource is what clients before 2026-07-28 do, and deprecated since.
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")]

# Processes, and writes of each into the shared session and into its own.
PROCESSES, WRITES = map(int, os.environ.get("PAGEFAULT_MANY", "4x12").split("x"))


@dataclass
class Course:
    """How it went: the text of each page, and seconds of each call, by tool."""

    texts: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    async def call(self, server: Stdio, tool: str, **arguments: object) -> dict[str, Any]:
        """A call whose time is noted."""
        began = time.perf_counter()
        reply = await server(tool, **arguments)
        self.seconds.setdefault(tool, []).append(time.perf_counter() - began)
        return reply

    def note(self, page_id: str, text: str) -> None:
        """A page that was acknowledged; no other has its id."""
        assert page_id not in self.texts
        self.texts[page_id] = text

    def report(self) -> None:
        """By tool: how many calls, and milliseconds: the median, the 99th percentile, the worst."""
        for tool, taken in self.seconds.items():
            taken.sort()
            places = {"p50": len(taken) // 2, "p99": len(taken) * 99 // 100, "worst": -1}
            shown = {name: round(taken[place] * 1000, 1) for name, place in places.items()}
            print(tool, {"calls": len(taken), **shown})  # pytest -rP shows it


@asynccontextmanager
async def fleet(number: int, url: str, folder: Path) -> AsyncIterator[list[Stdio]]:
    """So many servers over stdio; every two share a machine, and so a local index."""
    homes = [folder / f"machine{place // 2}" for place in range(number)]
    async with AsyncExitStack() as stack:
        servers = []
        for home in homes:
            home.mkdir(exist_ok=True)
            servers.append(await stack.enter_async_context(stdio(url, home)))
        yield servers


def word(seed: object) -> str:
    """A word that nothing else has."""
    return "".join(random.Random(str(seed)).choices(string.ascii_lowercase, k=14))


async def test_what_is_written_through_one_process_is_read_and_found_through_another_at_once(
    redis_program: Path, tmp_path: Path
) -> None:
    course = Course()

    async def work(place: int) -> None:
        latest = dict.fromkeys(("shared", f"own{place}"), 0)
        for number in range(WRITES):
            for session, before in latest.items():
                text = f"{word((place, number, session))} by {place}"
                page_id = await write_and_look(place, session, text, number)
                latest[session] = int(page_id.rpartition("_")[2])
                assert latest[session] > before

    async def write_and_look(place: int, session: str, text: str, number: int) -> str:
        writer, reader, finder = (servers[(place + step) % len(servers)] for step in steps(number))
        here = {"session_id": session}
        page_id = (await course.call(writer, "page_write", content=text, **here))["page_id"]
        course.note(page_id, text)
        read = await course.call(reader, "page_fault", page_id=page_id, **here)
        assert read["page"]["content"] == text
        found = await course.call(finder, "search_pages", query=text.split()[0], **here)
        assert [result["page_id"] for result in found["results"]] == [page_id]
        return page_id

    with Standalone(redis_program, appendonly=True) as redis:
        url = redis.url("t")
        async with fleet(PROCESSES, url, tmp_path) as servers, anyio.create_task_group() as tasks:
            for place in range(PROCESSES):
                tasks.start_soon(work, place)
        async with reading(url) as (store, workspace):
            made = await written(store, workspace)
    assert len(made) == PROCESSES * WRITES * 2
    assert {page.page_id: text for page, text in made} == course.texts
    course.report()


def steps(number: int) -> tuple[int, int, int]:
    """Who writes, who reads and who looks: all pairs of processes in turn."""
    return 0, 1 + number % (PROCESSES - 1), 1 + (number + 1) % (PROCESSES - 1)


@dataclass
class Visitor:
    """A client over HTTP whose calls go to any server: what it wrote, by key."""

    client: RoundRobin
    name: str
    texts: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    async def work(self) -> None:
        """Write into the shared session and into its own, and read it again."""
        for session in ("shared", self.name) * 5:
            here = {"session_id": session}
            key = f"{self.name}-{len(self.texts)}"
            self.texts[key] = text = f"{word(key)} by {self.name}"
            reply = await self.client("page_write", key=key, content=text, **here)
            self.pages[key] = reply["page_id"]
            read = await self.client("page_fault", page_id=reply["page_id"], **here)
            assert read["page"]["content"] == text


async def test_servers_are_restarted_one_by_one_and_every_call_is_answered(
    redis_program: Path, tmp_path: Path
) -> None:
    with Standalone(redis_program, appendonly=True) as redis:
        async with (
            http(3, redis.url("t"), tmp_path) as servers,
            httpx2.AsyncClient(trust_env=False, timeout=10) as client,
        ):
            visitors = [
                Visitor(RoundRobin(servers, client), name) for name in ("ann", "ben", "cleo", "dan")
            ]
            for server in servers:
                async with working(visitors):
                    assert await server.end() == 0
                async with working(visitors):
                    pass
                await server.start()
            async with working(visitors):
                pass
        async with reading(redis.url("t")) as (store, workspace):
            made = await written(store, workspace)
    pages = {key: page for visitor in visitors for key, page in visitor.pages.items()}
    texts = {key: text for visitor in visitors for key, text in visitor.texts.items()}
    assert sorted(str(page.key) for page, _ in made) == sorted(texts)
    assert {str(page.key): page.page_id for page, _ in made} == pages
    assert {str(page.key): text for page, text in made} == texts
    turned_away = sum(visitor.client.turned_away for visitor in visitors)
    assert turned_away
    print({"acknowledged": len(pages), "turned away": turned_away})  # pytest -rP shows it


@asynccontextmanager
async def working(visitors: list[Visitor]) -> AsyncIterator[None]:
    """All are at work, each with a call under way; at the end they are done."""
    before = sum(len(visitor.pages) for visitor in visitors)
    async with anyio.create_task_group() as tasks:
        for visitor in visitors:
            tasks.start_soon(visitor.work)
        await eventually(lambda: sum(len(visitor.pages) for visitor in visitors) > before, "a page")
        yield


async def test_who_listens_at_one_server_hears_of_what_is_written_through_another(
    redis_program: Path, tmp_path: Path
) -> None:
    with Standalone(redis_program) as redis:
        async with (
            http(2, redis.url("t"), tmp_path) as (heard, written_to),
            httpx2.AsyncClient(trust_env=False, timeout=10) as client,
        ):
            write = RoundRobin([written_to], client)
            for number, mode in enumerate(("legacy", "auto"), start=1):
                uri = f"memory://pages/claim_{number}"
                transport = streamable_http_client(heard.url, http_client=client)
                async with listening(transport, uri, mode=mode) as ear:
                    await write("page_write", content="from elsewhere", session_id="s")
                    assert await ear.told(SOON) == uri
                    await write(
                        "page_write", content="again", session_id="s", page_id=f"claim_{number}"
                    )
                    assert await ear.told(SOON) == uri
