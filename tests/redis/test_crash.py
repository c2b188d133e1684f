"""Crashes, of Redis and of pagefault: what was acknowledged is there, once, and whole."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from tests.redis.conftest import OpenRedis
from tests.redis.driving import Gone, Refused, Stdio, eventually, reading, stdio, written
from tests.redis.servers import Cluster, Standalone
from tests.stores.making import Bench, open_workspace

from pagefault.base.errors import StoreBusy, StoreUnavailable
from pagefault.stores.contract import Store

Work = Callable[[Stdio], Awaitable[None]]

pytestmark = pytest.mark.anyio

ROUNDS = int(os.environ.get("PAGEFAULT_CRASH_ROUNDS", "2"))
WITHIN = 5.0  # seconds in which a call is answered, or fails
BUDGET = 32_000  # tokens of a working set
WRITERS = 8
QUICK = 1.0  # seconds of a request, where the usual ones would take too long
SAVING = ("--appendonly", "yes", "--appendfsync", "always")


@dataclass
class Ledger:
    """What was to be written: text by key, the page of each that was acknowledged, and the rest.

    ``refused`` counts failures. A key in neither ``pages`` nor ``doubtful`` is under way.
    """

    texts: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, Work] = field(default_factory=dict)
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

    async def _try(self, server: Stdio, keys: tuple[str, ...], write: Work) -> None:
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

    async def once(work: Work) -> None:
        with suppress(Gone):
            await work(server)

    async def repeat(work: Work) -> None:
        with suppress(Gone):
            while not stopped.is_set():
                await work(server)

    async with anyio.create_task_group() as tasks:
        for _ in range(WRITERS):
            tasks.start_soon(repeat, ledger.write)
        tasks.start_soon(repeat, ledger.record)
        tasks.start_soon(once, ledger.write_large)
        await eventually(lambda: ledger.pages, "a page")
        for _ in range(2):
            tasks.start_soon(repeat, ledger.read)
        yield
        stopped.set()


async def acknowledged(ledger: Ledger, more: int) -> None:
    """Wait for so many more acknowledged writes."""
    wanted = len(ledger.pages) + more
    await eventually(lambda: len(ledger.pages) >= wanted, f"{more} more pages")


async def check(ledger: Ledger, url: str) -> None:
    """Every text is there once, under the id that was acknowledged, byte for byte."""
    async with reading(url) as (store, workspace):
        made = await written(store, workspace)
        assert sorted(str(page.key) for page, _ in made) == sorted(ledger.texts)
        assert {str(page.key): page.page_id for page, _ in made} == ledger.pages
        assert {str(page.key): text for page, text in made} == ledger.texts
        mapped = [page for page in await store.residents(workspace, "s") if page.level is not None]
        assert sum(page.tokens for page in mapped) <= BUDGET


async def test_a_crash_of_redis_loses_and_doubles_nothing_and_the_server_goes_on(
    redis_program: Path, tmp_path: Path
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
            figures = {"acknowledged": len(ledger.pages), "refused": ledger.refused}
            print(figures, f"slowest: {server.slowest:.2f} s")  # pytest -rP shows it
        await check(ledger, redis.url("t"))


async def test_a_crash_of_the_server_loses_and_doubles_nothing(
    redis_program: Path, tmp_path: Path
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
        print({"acknowledged": len(ledger.pages)})
        await check(ledger, redis.url("t"))


class Diary:
    """Pages of one workspace of a store that others share, written one after the other."""

    def __init__(self, bench: Bench, owner: Standalone) -> None:
        self.bench = bench
        self.owner = owner
        self.texts: dict[str, str] = {}
        self.pages: dict[str, str] = {}
        self.failures = 0
        self.slowest = 0.0

    async def keep(self, stopped: anyio.Event) -> None:
        """Write pages until told; each until it is there."""
        while not stopped.is_set():
            key = f"k{len(self.texts)}"
            self.texts[key] = f"{key} of {self.bench.workspace.id}"
            while key not in self.pages:
                await self._write(key)

    async def check(self) -> None:
        """Every page is there once, under the id that was acknowledged."""
        made = await written(self.bench.store, self.bench.workspace)
        assert sorted(str(page.key) for page, _ in made) == sorted(self.texts)
        assert {str(page.key): page.page_id for page, _ in made} == self.pages
        assert {str(page.key): text for page, text in made} == self.texts

    async def _write(self, key: str) -> None:
        began = anyio.current_time()
        try:
            self.pages[key] = await self.bench.write(self.texts[key], key=key)
        except (StoreUnavailable, StoreBusy):
            self.failures += 1
        self.slowest = max(self.slowest, anyio.current_time() - began)


async def diaries(store: Store, cluster: Cluster) -> list[Diary]:
    """For each master, in order, a workspace that lies on it."""
    found: dict[int, Diary] = {}
    known: set[bytes] = set()
    for number in count():
        bench = await Bench.at(store, f"w{number}")
        owner, head = next(
            (node, head) for node in cluster.nodes for head in heads(node) if head not in known
        )
        known.add(head)
        found.setdefault(owner.port, Diary(bench, owner))
        if len(found) == len(cluster.nodes):
            break
    return [found[node.port] for node in cluster.nodes]


def heads(node: Standalone) -> list[bytes]:
    """A key for each workspace that lies on the node."""
    with node.client() as client:
        return list(client.scan_iter(match="*}:head"))


@asynccontextmanager
async def kept(diaries: list[Diary]) -> AsyncIterator[None]:
    """Pages are written into each of them all the time; at the end all are there."""
    stopped = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for diary in diaries:
            tasks.start_soon(diary.keep, stopped)
        await grown(diaries)
        yield
        await grown(diaries)
        stopped.set()


async def grown(diaries: list[Diary]) -> None:
    """Wait until each of them has some more pages."""
    wanted = [(diary, len(diary.pages) + 20) for diary in diaries]
    await eventually(lambda: all(len(d.pages) >= more for d, more in wanted), "more pages")


async def test_when_a_master_crashes_the_workspaces_of_the_others_go_on(
    redis_program: Path, open_redis: OpenRedis
) -> None:
    options = (*SAVING, "--cluster-require-full-coverage", "no")
    with Cluster(redis_program, *options, node_timeout=1) as cluster:
        store = open_redis(cluster.url("t"), timeout=QUICK)
        mine = await diaries(store, cluster)
        mine.sort(key=lambda diary: has_registry(diary.owner))
        for victim in mine[1:]:  # one that is like any other, and the one with the list of all
            others = [diary for diary in mine if diary is not victim]
            knows = not has_registry(victim.owner)
            failures = [diary.failures for diary in others]
            async with kept(mine):
                victim.owner.kill()
                seen = victim.failures
                await eventually(lambda: victim.failures > seen, "a failure")  # noqa: B023
                await grown(others)
                if knows:  # so does who comes just now
                    await visit(open_redis(cluster.url("t"), timeout=QUICK), others)
                await anyio.to_thread.run_sync(cluster.restart, victim.owner)
            assert [diary.failures for diary in others] == failures
        for diary in mine:
            await diary.check()
            assert diary.slowest < 2 * QUICK


def has_registry(node: Standalone) -> bool:
    """Whether the list of workspaces lies on the node."""
    with node.client() as client:
        return any(client.scan_iter(match="*:workspaces"))


async def visit(store: Store, diaries: list[Diary]) -> None:
    """Read in each of the workspaces what lately was written there."""
    for diary in diaries:
        workspace = await open_workspace(store, diary.bench.workspace.name)
        key, page_id = list(diary.pages.items())[-1]
        page = await store.page(workspace, page_id, "s1")
        assert page is not None
        assert (await store.content(workspace, page.content)).decode() == diary.texts[key]
