"""The README's storage table: ``python -m tests.measuring.storage`` from the repository's top.

Every store is filled alike. Then all of them do a few of each operation in turn, round after
round, so that whatever else the machine does hits them alike. An operation is what a tool call
does between its arguments and its reply, the session looked up anew; the faults per second also
hold what is written behind the replies.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import apsw
from redis.asyncio import Redis
from tests.measuring.filling import LENGTH, fill, memory_at, texts, workspace_in
from tests.redis.servers import Standalone, find_server

from pagefault.memory.behind import settle
from pagefault.memory.core import Memory
from pagefault.memory.faulting import FaultRequest, fault
from pagefault.memory.recall import SearchRequest, search
from pagefault.memory.writing import WriteRequest, write
from pagefault.stores.contract import Workspace

TOGETHER = 32  # who write at once
_SESSION = "measured"
_APPENDS = {
    "always": ("--appendonly", "yes", "--appendfsync", "always"),
    "everysec": ("--appendonly", "yes", "--appendfsync", "everysec"),
}


@dataclass(slots=True)
class Times:
    """Seconds of each operation, and of all of them together on the clock."""

    each: list[float] = field(default_factory=list)
    together: float = 0.0

    def __str__(self) -> str:
        rate = f"{len(self.each) / self.together:,.0f}/s"
        return f"{rate} · {_ms(self.each, 0.5)} / {_ms(self.each, 0.99)}"


@dataclass(slots=True, eq=False)
class Bench:
    """A filled store, the pages of it that nobody has read so far, and what was measured."""

    name: str
    memory: Memory
    workspace: Workspace
    unread: list[str]
    questions: Iterator[str]
    new: Iterator[str]
    times: dict[str, Times] = field(default_factory=dict)


@dataclass(slots=True)
class Measured:
    """The benches; floors of this machine, by name; bytes of Redis memory for each page."""

    benches: list[Bench]
    floors: dict[str, Times]
    pages: int
    page_bytes: float = 0.0
    versions: str = ""


Operation = Callable[[Bench, int], Awaitable[Times]]


async def one_by_one(count: int, act: Callable[[], Awaitable[object]]) -> Times:
    """The times of so many acts, one after the other."""
    times = Times()
    began = time.perf_counter()
    for _ in range(count):
        start = time.perf_counter()
        await act()
        times.each.append(time.perf_counter() - start)
    times.together = time.perf_counter() - began
    return times


async def read(bench: Bench, count: int) -> Times:
    """A page by its id, with its content, asked of the store alone."""

    async def act() -> None:
        store, name = bench.memory.store, bench.unread.pop()
        page = await store.page(bench.workspace, name, _SESSION)
        assert page is not None
        assert len(await store.content(bench.workspace, page.content)) >= LENGTH

    return await one_by_one(count, act)


async def fault_in(bench: Bench, count: int) -> Times:
    """A page that is not mapped, read and mapped; others are evicted for it."""
    memory = bench.memory

    async def act() -> None:
        seat = await memory.seat(bench.workspace, _SESSION)
        done = await fault(memory, seat, FaultRequest(bench.unread.pop()))
        settle(memory, seat)
        assert done.mapped
        assert not done.hit

    began = time.perf_counter()
    times = await one_by_one(count, act)
    await memory.flush()
    times.together = time.perf_counter() - began
    return times


async def write_page(bench: Bench, session: str = _SESSION) -> None:
    """A new page, durable and mapped when this is over."""
    seat = await bench.memory.seat(bench.workspace, session, whole=False)
    await write(bench.memory, seat, WriteRequest(next(bench.new)))
    settle(bench.memory, seat)


async def write_alone(bench: Bench, count: int) -> Times:
    """One writer, who waits for each page."""
    times = await one_by_one(count, lambda: write_page(bench))
    await bench.memory.flush()
    return times


async def write_together(bench: Bench, count: int) -> Times:
    """Many writers, each in a session of its own."""
    times = Times()

    async def writer(number: int) -> None:
        mine = await one_by_one(count, lambda: write_page(bench, f"writer-{number}"))
        times.each += mine.each

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for number in range(TOGETHER):
            group.start_soon(writer, number)
    times.together = time.perf_counter() - began
    await bench.memory.flush()
    return times


async def find(bench: Bench, count: int) -> Times:
    """Five ranked pages with their snippets, for some words of one of them."""
    memory = bench.memory

    async def act() -> None:
        seat = await memory.seat(bench.workspace, _SESSION)
        found = await search(memory, seat, SearchRequest(next(bench.questions), limit=5))
        assert found.results

    await act()  # takes what was written since into the index
    return await one_by_one(count, act)


# column, operation, how many of it a round
OPERATIONS: Sequence[tuple[str, Operation, int]] = (
    ("read by id", read, 50),
    ("fault", fault_in, 25),
    ("write", write_alone, 15),
    (f"write, {TOGETHER} at once", write_together, 3),
    ("search", find, 15),
)


async def measure(pages: int, rounds: int, program: Path) -> Measured:
    """Fill every store with so many pages, and let them take turns."""
    needed = rounds * sum(count for _, work, count in OPERATIONS if work in (read, fault_in))
    if pages < needed:
        message = f"{pages} pages are too few: {rounds} rounds read {needed} for the first time"
        raise ValueError(message)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pagefault-")))
        servers = {
            name: stack.enter_context(Standalone(program, *options))
            for name, options in _APPENDS.items()
        }
        made = Measured([], {}, pages)
        for name, url, durability in _stores(folder, servers):
            before = {key: _memory_of(server) for key, server in servers.items()}
            bench = await stack.enter_async_context(_bench(name, url, folder, durability, pages))
            made.benches.append(bench)
            if url.startswith("redis"):
                after = {key: _memory_of(server) for key, server in servers.items()}
                made.page_bytes = sum(after[key] - before[key] for key in servers) / pages
        client = await stack.enter_async_context(Redis(port=servers["everysec"].port))
        await _take_turns(made, rounds, client, folder)
        made.versions = _versions((await client.info("server"))["redis_version"])
    return made


async def _take_turns(made: Measured, rounds: int, client: Redis, folder: Path) -> None:
    for bench in made.benches:  # the first of anything is slow
        for _, operation, _ in OPERATIONS[2:]:
            await operation(bench, 1)
    for number in range(rounds):
        for column, operation, count in OPERATIONS:
            order = made.benches[number % len(made.benches) :]
            for bench in [*order, *made.benches[: number % len(made.benches)]]:
                _add(bench.times, column, await operation(bench, count))
        for name, times in [item async for item in _floors(client, folder)]:
            _add(made.floors, name, times)


def table(made: Measured) -> str:
    """What was measured, in Markdown."""
    columns = [column for column, *_ in OPERATIONS]
    lines = [
        f"| {' | '.join(['store', *columns])} |",
        "|---" * (len(columns) + 1) + "|",
        *(
            f"| {' | '.join([bench.name, *(str(bench.times[column]) for column in columns)])} |"
            for bench in made.benches
        ),
        "",
        f"Operations a second · p50 / p99 in ms. {made.pages:,} pages of {LENGTH} characters.",
        made.versions,
        "For comparison, here and now:",
        *(f"- {name}: {times}" for name, times in made.floors.items()),
        f"Redis memory: {made.page_bytes:,.0f} bytes a page, {LENGTH} of them its text.",
    ]
    return "\n".join(lines)


@asynccontextmanager
async def _bench(
    name: str, url: str, folder: Path, durability: str, pages: int
) -> AsyncIterator[Bench]:
    async with memory_at(url, Path(tempfile.mkdtemp(dir=folder)), durability) as memory:
        workspace = await workspace_in(memory)
        began = time.perf_counter()
        await fill(memory, workspace, pages)
        filled = time.perf_counter() - began
        seat = await memory.seat(workspace, _SESSION)
        while (await search(memory, seat, SearchRequest("anything"))).backlog:
            pass  # it is far behind, and each search asks the log how far
        indexed = time.perf_counter() - began - filled
        print(f"{name}: filled in {filled:.1f} s, indexed in {indexed:.1f} s", file=sys.stderr)
        unread = [f"msg_{number}" for number in range(1, pages + 1)]
        random.Random(2).shuffle(unread)
        yield Bench(name, memory, workspace, unread, _questions(), texts(seed=3))


def _stores(folder: Path, servers: dict[str, Standalone]) -> Iterator[tuple[str, str, str]]:
    """Name, URL and durability of every row."""
    yield "`:memory:`", "sqlite://:memory:", "full"
    yield "file, `--durability normal`", str(folder / "normal.db"), "normal"
    yield "file", str(folder / "full.db"), "full"
    yield "Redis, `appendfsync everysec`", servers["everysec"].url("pf"), "full"
    yield "Redis, `appendfsync always`", servers["always"].url("pf"), "full"


def _questions() -> Iterator[str]:
    """Four words that stand side by side in a text like the pages'."""
    chance = random.Random(4)
    for text in texts(seed=5):
        words = text.split()
        first = chance.randrange(2, len(words) - 5)
        yield " ".join(words[first : first + 4])


async def _floors(client: Redis, folder: Path) -> AsyncIterator[tuple[str, Times]]:
    """What nothing here can be faster than, and what key-value stores count as an operation."""
    with (folder / "floor").open("ab") as file:

        async def sync() -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

        yield "a sync of this disk", await one_by_one(10, sync)
    value, kept = b"x" * 100, {"floor": "x" * 100}

    async def look_up() -> Any:
        return kept.get("floor")

    await client.set("floor", value)
    yield "a Redis GET of 100 bytes", await one_by_one(50, lambda: client.get("floor"))
    yield "a Python dictionary's look-up, awaited", await one_by_one(500, look_up)


def _memory_of(server: Standalone) -> int:
    with server.client() as client:
        return int(client.info("memory")["used_memory"])  # type: ignore[index]


def _add(all_: dict[str, Times], name: str, times: Times) -> None:
    known = all_.setdefault(name, Times())
    known.each += times.each
    known.together += times.together


def _ms(seconds: Sequence[float], share: float) -> str:
    ordered = sorted(seconds)
    found = ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000
    return f"{found:.2f}" if found >= 0.01 else f"{found:.4f}"


def _versions(redis: str) -> str:
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"{today}; Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, "
        f"Redis {redis}, {os.cpu_count()} cores, load {load}."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=10_000, help="in each store")
    parser.add_argument("--rounds", type=int, default=30, help="in which each operation has turns")
    options = parser.parse_args(arguments)
    program = find_server()
    if program is None:
        sys.exit("there is no redis-server: install one, or pagefault[test]")
    print(table(asyncio.run(measure(options.pages, options.rounds, program))))


if __name__ == "__main__":
    main()
