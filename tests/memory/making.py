"""Short words for what the tests of pages do all the time."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.conftest import CountingIds, HandClock, home

from pagefault.base.config import Settings
from pagefault.base.page import Page
from pagefault.base.tokens import Tokenizer, open_tokenizer
from pagefault.ledger import RecordedEvent, record
from pagefault.memory.core import Memory, Tools
from pagefault.memory.faulting import Fault, FaultRequest, fault
from pagefault.memory.keeping import release
from pagefault.memory.opening import find_policy
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency
from pagefault.stores.opening import Options, opener

MakeMemory = Callable[..., Memory]
VOCABULARY = (
    "river stone cloud market window engine garden letter bridge copper signal harbour "
    "candle meadow ladder pocket thunder velvet winter anchor"
).split()


@lru_cache(maxsize=1)
def estimate() -> Tokenizer:
    return open_tokenizer("estimate", Path())


def count(text: str) -> int:
    return estimate().count(text)


def prose(tokens: int, seed: int = 0) -> str:
    """Words that count exactly ``tokens``; another seed gives other words."""
    text = " ".join(random.Random(seed).choices(VOCABULARY, k=tokens + 1))
    end = bisect_left(range(len(text)), tokens, key=lambda place: count(text[:place]))
    assert count(text[:end]) == tokens
    return text[:end]


async def say(
    memory: Memory, seat: Residency, content: Any, role: str = "user", **more: Any
) -> str:
    """Record one event; its page."""
    return str((await tell(memory, seat, {"role": role, "content": content, **more}))[0].page_id)


async def tell(
    memory: Memory, seat: Residency, *events: dict[str, Any]
) -> tuple[RecordedEvent, ...]:
    """Record a batch."""
    return (await record(memory, seat, events)).events


async def keep(memory: Memory, seat: Residency, content: Any, **more: Any) -> str:
    """Write one page; its id."""
    return (await write(memory, seat, WriteRequest(content, **more))).page_id


async def recall(memory: Memory, seat: Residency, page_id: str, **more: Any) -> Fault:
    return await fault(memory, seat, FaultRequest(page_id, **more))


async def drop(memory: Memory, seat: Residency, *page_ids: str) -> None:
    """Unmap pages."""
    await release(memory, seat, page_ids, None)
    assert not set(page_ids) & set(mapped(seat))


async def page_of(memory: Memory, seat: Residency, page_id: str) -> Page:
    page = await memory.store.page(seat.workspace, page_id, seat.row.id)
    assert page is not None
    return page


def mapped(seat: Residency) -> list[str]:
    """The ids of the mapped pages, least recently used first."""
    return [page.page_id for page in seat.set.pages()]


def level_of(seat: Residency, page_id: str) -> int:
    known = seat.set.get(page_id)
    assert known is not None, f"{page_id} is not mapped"
    return known.level


def numbered(prefix: str, numbers: Iterable[int]) -> list[str]:
    return [f"{prefix}_{number}" for number in numbers]


@asynccontextmanager
async def seated(
    make_memory: MakeMemory, session: str = "s1", **settings: Any
) -> AsyncIterator[tuple[Memory, Residency]]:
    """A memory with settings of the test's own, and a session in it."""
    async with make_memory(**settings) as memory:
        yield memory, await memory.seat(await home(memory), session)


@asynccontextmanager
async def in_process(**settings: Any) -> AsyncIterator[tuple[Memory, Residency]]:
    """A memory without fixtures, for a test that opens many."""
    chosen = Settings(**settings)
    tools = Tools(
        HandClock(),
        CountingIds(),
        opener("sqlite://:memory:", Options()),
        lambda name: open_tokenizer(name, Path()),
        find_policy(chosen.policy),
    )
    async with Memory(chosen, tools) as memory:
        yield memory, await memory.seat(await home(memory), "s1")
