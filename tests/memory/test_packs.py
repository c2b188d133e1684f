"""A packed context is given again while nothing in it has changed, and never longer."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import CountingIds, HandClock, home
from tests.memory.making import MakeMemory, drop, keep, mapped, prose, recall, say, seated
from tests.redis.servers import Standalone, fresh_prefix

from pagefault.base.config import Settings
from pagefault.base.errors import PagefaultError
from pagefault.base.tokens import open_tokenizer
from pagefault.ledger import StartRequest, start
from pagefault.memory.context import Context, ContextRequest, build
from pagefault.memory.core import Memory, Tools
from pagefault.memory.forgetting import forget
from pagefault.memory.keeping import pin, release
from pagefault.memory.messages import Messages, build_messages
from pagefault.memory.opening import find_policy
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency
from pagefault.stores.opening import Options, opener

pytestmark = pytest.mark.anyio


async def built(memory: Memory, seat: Residency, **wanted: Any) -> Context:
    return await build(memory, seat, ContextRequest(**wanted))


def again(memory: Memory) -> int:
    """How often a pack was given again."""
    return memory.counts["local"].packs[True]


async def test_the_same_request_is_answered_with_the_same_pack(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "hello")
    first = await built(memory, seat)
    assert await built(memory, seat) is first
    await memory.flush()
    assert await built(memory, seat) is first
    assert again(memory) == 2


@pytest.mark.parametrize(
    "wanted", [{"budget": 900}, {"mode": "strict"}, {"system_prompt": "Be brief."}]
)
async def test_another_request_is_packed_for_itself(
    memory: Memory, seat: Residency, wanted: dict[str, Any]
) -> None:
    await say(memory, seat, "hello")
    first = await built(memory, seat)
    other = await built(memory, seat, **wanted)
    assert again(memory) == 0
    assert await built(memory, seat) is first
    assert await built(memory, seat, **wanted) is other


async def test_messages_of_an_api_are_kept_as_well(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "hello")

    async def messages(name: str) -> Messages:
        return await build_messages(memory, seat, ContextRequest(), name)

    first = await messages("anthropic")
    assert await messages("anthropic") is first
    assert (await messages("openai_chat")).conversation != first.conversation
    await say(memory, seat, "and you?")
    assert len((await messages("anthropic")).pages) == 2


async def test_what_others_do_elsewhere_in_the_workspace_takes_no_pack_away(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "hello")
    first = await built(memory, seat)
    other = await memory.seat(seat.workspace, "s2")
    await say(memory, other, "elsewhere")
    await keep(memory, other, "a claim of another session")
    assert await built(memory, seat) is first


async def test_a_page_that_was_forgotten_is_in_no_pack_any_more(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "the secret is heron")
    await built(memory, seat)
    await forget(memory, seat, page_id, "asked")
    assert not memory.packs._packs
    assert "heron" not in (await built(memory, seat)).message


async def test_a_message_brings_in_what_it_refers_to_though_a_pack_is_at_hand(
    memory: Memory, seat: Residency
) -> None:
    page_id = await keep(memory, seat, "The harbour password is heron.")
    await drop(memory, seat, page_id)
    await built(memory, seat)
    context = await built(memory, seat, message="What is the harbour password?")
    assert context.brought == (page_id,)
    assert "heron" in context.message
    assert (await built(memory, seat)).brought == ()


# --- no pack is ever stale, whoever writes in between ------------------------------------------

Do = Callable[[Memory, Residency, str], Awaitable[object]]


async def _started(memory: Memory, seat: Residency, _: str, **changed: Any) -> None:
    await start(memory, seat.workspace, StartRequest(seat.row.id, **changed))


async def _elsewhere(memory: Memory, seat: Residency, page_id: str) -> None:
    """Another session writes a version of this one's page, and a page of its own."""
    other = await memory.seat(seat.workspace, "s2")
    await keep(memory, other, prose(9, len(page_id)), page_id=page_id)
    await say(memory, other, "elsewhere")


DEEDS: dict[str, Do] = {
    "says": lambda memory, seat, _: say(memory, seat, prose(20, seat.row.messages)),
    "keeps": lambda memory, seat, _: keep(memory, seat, prose(15, seat.row.revision)),
    "rewrites": lambda memory, seat, p: keep(memory, seat, prose(9, seat.turn), page_id=p),
    "elsewhere": _elsewhere,
    "shortens": lambda memory, seat, p: write(
        memory, seat, WriteRequest("short", represents=p, level=2)
    ),
    "demotes": lambda memory, seat, p: release(memory, seat, [p], 2),
    "drops": lambda memory, seat, p: release(memory, seat, [p], None),
    "faults": lambda memory, seat, p: recall(memory, seat, p),
    "pins": lambda memory, seat, p: pin(memory, seat, p, pinned=True, turns=1),
    "unpins": lambda memory, seat, p: pin(memory, seat, p, pinned=False, turns=None),
    "forgets": lambda memory, seat, p: forget(memory, seat, p, "asked"),
    "asks": lambda memory, seat, p: built(memory, seat, message=f"what of {p}?"),
    "strict": partial(_started, mode="strict"),
    "smaller": partial(_started, budget=150),
    "larger": partial(_started, budget=400),
    "flushes": lambda memory, _seat, _p: memory.flush(),
}
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(1, 6), st.booleans()),
    min_size=1,
    max_size=12,
)


@asynccontextmanager
async def two_processes(url: str) -> AsyncIterator[tuple[Memory, Memory]]:
    """Two servers on one store; what each packs is its own."""
    chosen = Settings(budget_tokens=400)
    clock = HandClock()

    def make() -> Memory:
        tools = Tools(
            clock,
            CountingIds(),
            opener(url, Options()),
            lambda name: open_tokenizer(name, Path()),
            find_policy(chosen.policy),
        )
        return Memory(chosen, tools)

    async with make() as one, make() as two:
        yield one, two


async def deed_by_deed(url: str, steps: list[tuple[str, int, bool]]) -> None:
    async with two_processes(url) as both:
        for memory in both:
            await memory.seat(await home(memory), "s1")
        for name, number, second in steps:
            memory = both[second]
            seat = await memory.seat(await home(memory), "s1")
            with suppress(PagefaultError):  # there is no such page, or it may not be so
                await DEEDS[name](memory, seat, f"msg_{number}")
            await memory.flush()  # what is not written yet, another process cannot know
            for reader in both:
                await check_not_stale(reader)


async def check_not_stale(memory: Memory) -> None:
    """What is at hand is what would be packed now."""
    for wanted in ({}, {"budget": 300}, {"mode": "passive", "budget": 120}):
        seat = await memory.seat(await home(memory), "s1")
        given_ = await _outcome(memory, seat, wanted)
        memory.packs.clear()
        assert await _outcome(memory, seat, wanted) == given_
        assert await _outcome(memory, seat, wanted) == given_  # and keeps it for the next step


async def _outcome(memory: Memory, seat: Residency, wanted: dict[str, Any]) -> object:
    try:
        context = await built(memory, seat, **wanted)
    except PagefaultError as error:
        return str(error)
    return context.message, context.pages, context.omitted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_no_pack_is_stale_though_another_process_writes_the_same_file(
    steps: list[tuple[str, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(deed_by_deed, str(Path(folder) / "memory.db"), steps)


@pytest.mark.parametrize("store_url", ["redis"], indirect=True)
def test_no_pack_is_stale_though_another_server_writes_to_the_same_redis(
    store_url: str, redis_server: Standalone
) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS)
    def interleaved(steps: list[tuple[str, int, bool]]) -> None:
        anyio.run(deed_by_deed, redis_server.url(fresh_prefix()), steps)

    interleaved()


async def test_every_deed_can_be_done_so_that_the_interleavings_try_them_all(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=400) as (memory, seat):
        for number in itertools.count(1):
            await say(memory, seat, prose(60, number))
            if len(mapped(seat)) < number:
                break
        for name, do in DEEDS.items():
            if name != "forgets":
                await do(memory, seat, "msg_2")
        await DEEDS["forgets"](memory, seat, "msg_2")
