"""Crashes, of Redis and of pagefault: what was acknowledged is there, once, and whole."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.redis.driving import Gone, Refused, Stdio, eventually, stdio
from tests.redis.servers import Cluster, Standalone
from tests.stores.making import Bench, open_workspace

from pagefault.base.errors import StoreBusy, StoreError, StoreUnavailable
from pagefault.base.log import LogLine, PageAdded
from pagefault.stores.contract import Store, Workspace
from pagefault.stores.opening import Options, opener

pytestmark = pytest.mark.anyio

ROUNDS = int(os.environ.get("PAGEFAULT_CRASH_ROUNDS", "4"))
WITHIN = 5.0  # seconds in which a call is answered, or fails
BUDGET = 32_000  # tokens of a working set
WRITERS = 8
SAVING = ("--appendonly", "yes", "--appendfsync", "always")


@dataclass
class Ledger:
    """What was to be written: text by key, the page of each that was acknowledged, and the rest.

    ``refused`` counts failures. A key in neither ``pages`` nor ``doubtful`` is under way.
    """

    texts: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, Callable[[Stdio], Awaitable[None]]] = field(default_factory=dict)
    refused: int = 0

    def text(self, size: int) -> tuple[str, str]:
        """A new key and a text for it, of which no part can be compressed much."""
        key = f"k{len(self.texts)}"
        self.texts[key] = f"{key} " + random.Random(key).randbytes(size // 2).hex()
        return key, self.texts[key]

    def acknowledge(self, key: str, page: str) -> None:
        """The page of a key; it never has another."""
        assert self.pages.setdefault(key, page) == page

    async def write(self, server: Stdio) -> None:
        """Write one page; note what came of it."""
        key, _ = self.text(random.choice((40, 400, 4_000)))
        await self._try(server, (key,), partial(self._page, key))

    async def write_large(self, server: Stdio) -> None:
        """Write one page that goes to Redis in pieces."""
        key, _ = self.text(1_300_000)
        await self._try(server, (key,), partial(self._page, key))

    async def record(self, server: Stdio) -> None:
        """Record three events, all or none."""
        keys = tuple(self.text(60)[0] for _ in range(3))
        await self._try(server, keys, partial(self._events, keys))

    async def read(self, server: Stdio) -> None:
        """Read a page that was acknowledged."""
        key = random.choice(list(self.pages))
        try:
            reply = await server("page_fault", session_id="s", page_id=self.pages[key], offset=0)
        except Refused as refusal:
            self._refuse(refusal)
        else:
            assert self.texts[key].startswith(reply["page"]["content"])

    async def mend(self, server: Stdio) -> None:
        """Try once more what failed or was cut off; now it must succeed."""
        for write in dict.fromkeys(self.doubtful.values()):
            await write(server)
        self.doubtful.clear()

    async def _page(self, key: str, server: Stdio) -> None:
        reply = await server("page_write", session_id="s", key=key, content=self.texts[key])
        self.acknowledge(key, reply["page_id"])

    async def _events(self, keys: tuple[str, ...], server: Stdio) -> None:
        events = [{"role": "assistant", "content": self.texts[key], "key": key} for key in keys]
        reply = await server("session_record", session_id="s", events=events)
        for key, event in zip(keys, reply["events"], strict=True):
            self.acknowledge(key, event["page_id"])

    async def _try(
        self, server: Stdio, keys: tuple[str, ...], write: Callable[[Stdio], Awaitable[None]]
    ) -> None:
        try:
            await write(server)
        except Refused as refusal:
            self._refuse(refusal)
            self.doubtful.update(dict.fromkeys(keys, write))
        except Gone:
            self.doubtful.update(dict.fromkeys(keys, write))
            raise

    def _refuse(self, refusal: Refused) -> None:
        assert str(refusal).startswith(("store_unavailable: ", "store_busy: ")), refusal
        self.refused += 1


@asynccontextmanager
async def at_work(ledger: Ledger, server: Stdio) -> AsyncIterator[None]:
    """Many calls under way, all the time; at the end they are answered."""
    stopped = anyio.Event()

    async def repeat(work: Callable[[Stdio], Awaitable[None]]) -> None:
        try:
            while not stopped.is_set():
                await work(server)
        except Gone:
            return

    async with anyio.create_task_group() as tasks:
        for _ in range(WRITERS):
            tasks.start_soon(repeat, ledger.write)
        tasks.start_soon(repeat, ledger.record)
        tasks.start_soon(repeat, ledger.write_large)
        await eventually(lambda: ledger.pages, "a page")
        for _ in range(2):
            tasks.start_soon(repeat, ledger.read)
        yield
        stopped.set()


async def acknowledged(ledger: Ledger, more: int) -> None:
    """Wait for so many more acknowledged writes."""
    wanted = len(ledger.pages) + more
    await eventually(lambda: len(ledger.pages) >= wanted, f"{more} more pages")


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[tuple[Store, Workspace]]:
    """The store as somebody reads it who was not there."""
    store = opener(url, Options())()
    try:
        yield store, await open_workspace(store)
    finally:
        await store.close()


async def log_of(store: Store, workspace: Workspace) -> list[LogLine]:
    lines: list[LogLine] = []
    while more := await store.log(workspace, len(lines), 1_000):
        lines += more
    return lines


async def check(ledger: Ledger, url: str) -> None:
    """Every text is there once, under its number, byte for byte; no number is missing."""
    async with reading(url) as (store, workspace):
        lines = await log_of(store, workspace)
        assert [line.position for line in lines] == list(range(1, len(lines) + 1))
        made = [line.operation for line in lines if isinstance(line.operation, PageAdded)]
        assert Counter(page.key for page in made) == Counter(ledger.texts.keys())
        assert {str(page.key): page.page_id for page in made} == ledger.pages
        assert_dense(page.page_id for page in made)
        assert_dense(str(page.event_id) for page in made if page.event_id)
        for page in made:
            stored = await store.content(workspace, page.content)
            assert stored.decode() == ledger.texts[str(page.key)]
        mapped = [page for page in await store.residents(workspace, "s") if page.level is not None]
        assert sum(page.tokens for page in mapped) <= BUDGET


def assert_dense(ids: Iterator[str]) -> None:
    """In the order of the log, each kind is numbered 1, 2, 3 and so on."""
    seen: Counter[str] = Counter()
    for one in ids:
        prefix, _, number = one.rpartition("_")
        seen[prefix] += 1
        assert int(number) == seen[prefix], one


async def test_a_crash_of_redis_loses_and_doubles_nothing_and_the_server_goes_on(
    redis_program: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    ledger = Ledger()
    with Standalone(redis_program, appendonly=True) as redis:
        async with stdio(redis.url("t"), tmp_path) as server:
            for number in range(ROUNDS):
                async with at_work(ledger, server):
                    await acknowledged(ledger, random.randrange(5, 60))
                    refused = ledger.refused
                    redis.kill()
                    if number % 2:  # away for longer than a call waits
                        await eventually(lambda: ledger.refused > refused, "a refused call")  # noqa: B023
                    await anyio.to_thread.run_sync(redis.start)
                    await acknowledged(ledger, 20)
                await ledger.mend(server)
                assert server.alive
            assert server.slowest < WITHIN
            record_property("acknowledged", len(ledger.pages))
            record_property("refused", ledger.refused)
            record_property("slowest", round(server.slowest, 2))
        await check(ledger, redis.url("t"))


async def test_a_crash_of_the_server_loses_and_doubles_nothing(
    redis_program: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    ledger = Ledger()
    with Standalone(redis_program, appendonly=True) as redis:
        for _ in range(ROUNDS):
            async with stdio(redis.url("t"), tmp_path) as server:
                await ledger.mend(server)  # what the one before it had under way
                async with at_work(ledger, server):
                    await acknowledged(ledger, random.randrange(1, 60))
                    server.kill()
        async with stdio(redis.url("t"), tmp_path) as server:
            await ledger.mend(server)
        record_property("acknowledged", len(ledger.pages))
        await check(ledger, redis.url("t"))
