"""Idle pages in the running server: what goes as a turn begins, and what is known after that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import anyio
import pytest
from tests.conftest import HandClock, home
from tests.memory.making import (
    MakeMemory,
    drop,
    keep,
    mapped,
    page_of,
    prose,
    recall,
    say,
    seated,
)

from pagefault.base.log import Demoted, Evicted
from pagefault.ledger import record
from pagefault.memory.behind import prepare, settle
from pagefault.memory.core import Memory
from pagefault.memory.levels import at_level
from pagefault.paging.levels import Compressor, Source, Target
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


async def demoted(memory: Memory, seat: Residency) -> list[Demoted]:
    """What was demoted, as the log has it."""
    await memory.flush()
    lines = await memory.store.log(seat.workspace, 0, 10_000, session=seat.row.id)
    return [line.operation for line in lines if isinstance(line.operation, Demoted)]


async def test_an_idle_page_whose_stub_is_ready_is_shown_as_that_and_let_go_another_time(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=9_000) as (memory, seat):
        old = await reads(memory, seat, 5)
        await talk(memory, seat, 60)
        await reads(memory, seat, 2)
        await prepare(memory, seat)
        before = {page_id: seat.set.get(page_id) for page_id in old}
        await say(memory, seat, "And now?")
        lines = await demoted(memory, seat)
        assert [(one.page_id, one.level, one.cause) for one in lines] == [
            (old[0], 3, "idle"),
            (old[1], 3, "idle"),
        ]
        assert await gone(memory, seat) == []
        for one in lines:
            was, now = before[one.page_id], seat.set.get(one.page_id)
            assert was is not None
            assert now is not None
            assert (now.level, now.tokens) == (3, one.tokens)
            assert (now.turn, now.touched) == (was.turn, was.touched)
            page = await page_of(memory, seat, one.page_id)
            shown = await at_level(memory, seat.workspace, page, 3)
            assert shown.tokens == one.tokens < 100
        await reads(memory, seat, 8)
        assert [page_id for page_id, _ in await gone(memory, seat)][:3] == old[:3]


async def test_of_a_page_that_has_to_yield_a_stub_stays_where_that_leaves_room_enough(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=1_000, protect_turns=0) as (memory, seat):
        first, second = await reads(memory, seat, 2, tokens=400)
        await prepare(memory, seat)
        batch = await record(memory, seat, [{"role": "tool", "content": prose(300, 9)}])
        (line,) = await demoted(memory, seat)
        assert (line.page_id, line.cause) == (first, batch.events[0].page_id)
        assert [step.page.page_id for step in batch.yielded.demoted] == [first]
        assert batch.yielded.evicted == []
        assert second in mapped(seat)
        assert seat.set.used == 700 + line.tokens
        await keep(memory, seat, prose(300, 10))
        assert [page_id for page_id, _ in await gone(memory, seat)] == [first]


async def test_a_stub_of_an_earlier_text_is_not_shown(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=1_000, protect_turns=0) as (memory, seat):
        page_id = await keep(memory, seat, prose(400), page_type="artifact")
        await reads(memory, seat, 1, tokens=400)
        await prepare(memory, seat)
        await keep(memory, seat, prose(390, 5), page_id=page_id)
        await reads(memory, seat, 1, tokens=600)
        assert await demoted(memory, seat) == []


async def test_a_models_own_words_for_a_stub_take_the_place_of_what_was_prepared(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=1_000, protect_turns=0) as (memory, seat):
        (page_id,) = await reads(memory, seat, 1, tokens=400)
        await reads(memory, seat, 1, tokens=400)
        await prepare(memory, seat)
        await keep(memory, seat, prose(40, 7), represents=page_id, level=3)
        await prepare(memory, seat)
        await keep(memory, seat, prose(300, 9), page_type="artifact")
        assert [(one.page_id, one.tokens) for one in await demoted(memory, seat)] == [(page_id, 40)]


async def test_a_stub_that_has_to_be_read_in_full_again_is_thrashing(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=1_000, protect_turns=0) as (memory, seat):
        (page_id,) = await reads(memory, seat, 1, tokens=400)
        await reads(memory, seat, 1, tokens=400)
        await prepare(memory, seat)
        await keep(memory, seat, prose(300, 9))
        assert (seat.set.learned.thrash.evictions, seat.set.learned.thrash.returns) == (1, 0)
        answer = await recall(memory, seat, page_id)
        assert (answer.shown.level, answer.hit) == (0, False)
        assert seat.set.learned.thrash.returns == 1


async def test_what_yields_as_a_turn_begins_is_told_with_the_next_fault_once(
    make_memory: MakeMemory, clock: HandClock
) -> None:
    async with seated(make_memory, budget_tokens=9_000) as (memory, seat):
        old = await reads(memory, seat, 5)
        await talk(memory, seat, 60)
        new = await reads(memory, seat, 2)
        await prepare(memory, seat)
        clock.advance(121)
        memory.begin_call(seat)
        answer = await recall(memory, seat, new[0])
        assert [step.page.page_id for step in answer.yielded.demoted] == old[:2]
        assert (await recall(memory, seat, new[0])).yielded.demoted == []


async def test_no_stub_is_prepared_while_there_is_room(memory: Memory, seat: Residency) -> None:
    await reads(memory, seat, 2, tokens=400)
    before = await memory.store.log(seat.workspace, 0, 1_000)
    await prepare(memory, seat)
    assert await memory.store.log(seat.workspace, 0, 1_000) == before


async def test_a_compressor_that_fails_behind_a_reply_harms_nobody(
    make_memory: MakeMemory, caplog: pytest.LogCaptureFixture
) -> None:
    async with seated(make_memory, budget_tokens=1_000, protect_turns=0) as (memory, seat):
        broken = Compressor("broken/1", fails)
        memory.tools = replace(memory.tools, compressors=(broken,))
        await reads(memory, seat, 2, tokens=400)
        settle(memory, seat)
        with anyio.fail_after(10):
            while seat.pending or seat.set.unprepared():
                await anyio.lowlevel.checkpoint()
        assert "no stub of art_1 could be made" in caplog.text
        await keep(memory, seat, prose(300, 9))
        assert await demoted(memory, seat) == []


def fails(source: Source, target: Target) -> str:
    message = f"{source.page.page_id} at level {target.level}"
    raise RuntimeError(message)


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
