"""Idle pages in the running server: what goes as a turn begins, and what is known after that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from tests.conftest import HandClock, home
from tests.memory.making import (
    MakeMemory,
    drop,
    keep,
    mapped,
    prose,
    recall,
    say,
    seated,
)

from pagefault.base.log import Evicted
from pagefault.memory.core import Memory
from pagefault.paging.resident import Mapped
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio


async def talk(memory: Memory, seat: Residency, turns: int, tokens: int = 20) -> None:
    """So many turns of a message and nothing else."""
    for number in range(turns):
        await say(memory, seat, prose(tokens, seed=1_000 + number))


async def reads(memory: Memory, seat: Residency, count: int, tokens: int = 1_000) -> list[str]:
    """What a tool brought, that many times."""
    return [
        await say(memory, seat, prose(tokens, seed=number), role="tool", tool_name="read")
        for number in range(count)
    ]


async def gone(memory: Memory, seat: Residency) -> list[tuple[str, str]]:
    """What was evicted and why, as the log has it."""
    await memory.flush()
    lines = await memory.store.log(seat.workspace, 0, 10_000, session=seat.row.id)
    evicted = [line.operation for line in lines if isinstance(line.operation, Evicted)]
    return [(one.page_id, one.cause) for one in evicted]


async def test_nothing_goes_while_there_is_room_however_idle(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=9_000) as (memory, seat):
        pages = await reads(memory, seat, 5)
        await talk(memory, seat, 60)
        assert set(pages) <= set(mapped(seat))
        assert await gone(memory, seat) == []


async def test_idle_pages_make_room_as_a_turn_begins_when_it_would_not_fit(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=9_000) as (memory, seat):
        old = await reads(memory, seat, 5)
        await talk(memory, seat, 60)
        new = await reads(memory, seat, 2)
        assert set(old) <= set(mapped(seat))
        await say(memory, seat, "And now?")
        assert await gone(memory, seat) == [(old[0], "idle"), (old[1], "idle")]
        assert set(new) <= set(mapped(seat))
        assert seat.set.left >= 2_000
        await reads(memory, seat, 2)
        assert len(await gone(memory, seat)) == 2


async def test_a_turn_that_no_message_begins_makes_room_as_well(
    make_memory: MakeMemory, clock: HandClock
) -> None:
    async with seated(make_memory, budget_tokens=9_000) as (memory, seat):
        old = await reads(memory, seat, 5)
        await talk(memory, seat, 60)
        await reads(memory, seat, 2)
        turn = seat.turn
        clock.advance(121)
        memory.begin_call(seat)
        assert seat.turn == turn + 1
        assert [page_id for page_id, _ in await gone(memory, seat)] == old[:2]


async def test_an_idle_claim_outlives_the_transcript(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=9_000) as (memory, seat):
        claim = await keep(memory, seat, prose(1_000, seed=99), page_type="claim")
        await reads(memory, seat, 4)
        await talk(memory, seat, 60)
        await reads(memory, seat, 2)
        await say(memory, seat, "And now?")
        assert [cause for _, cause in await gone(memory, seat)] == ["idle", "idle"]
        assert claim in mapped(seat)


async def test_what_was_learned_outlives_the_writing_of_another_process(
    make_memory: MakeMemory, store_url: str
) -> None:
    if store_url == "sqlite://:memory:":
        pytest.skip("a store in memory has one process")
    async with seated(make_memory) as (memory, seat), make_memory() as two:
        page_id = await say(memory, seat, "text")
        for _ in range(3):
            await say(memory, seat, "more")
            await recall(memory, seat, page_id)
        await memory.flush()
        before = seat.set.get(page_id)
        other = await two.seat(await home(two), "s1")
        await drop(two, other, await say(two, other, "elsewhere"))
        await two.flush()
        again = await memory.seat(seat.workspace, "s1")
        assert again is seat
        after = seat.set.get(page_id)
        assert before is not None
        assert after is not None
        assert after.uses == before.uses > 2


def values_first(pages: Iterable[Mapped]) -> list[Mapped]:
    """A user's own policy, which looks at modality."""
    return sorted(pages, key=lambda page: (page.modality == "text", page.touched))


@pytest.mark.parametrize(("policy", "first"), [(f"{__name__}:values_first", 1), ("importance", 0)])
async def test_a_policy_that_looks_at_modality_knows_it_after_a_restart(
    make_memory: MakeMemory, store_url: str, policy: str, first: int
) -> None:
    if store_url == "sqlite://:memory:":
        pytest.skip("a store in memory does not outlive its process")
    options: dict[str, Any] = {"policy": policy, "budget_tokens": 1_000, "protect_turns": 0}
    async with seated(make_memory, **options) as (memory, seat):
        words = await keep(memory, seat, prose(300), page_type="artifact")
        values = await keep(memory, seat, {"text": prose(300, 1)}, page_type="artifact")
    async with seated(make_memory, **options) as (memory, seat):
        await keep(memory, seat, prose(600, 2), page_type="artifact")
        assert [page_id for page_id, _ in await gone(memory, seat)] == [(words, values)[first]]
