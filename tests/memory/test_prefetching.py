"""The pre-pass: what a message brings in, in any language, and what it costs."""

from __future__ import annotations

import pytest
from tests.memory.making import (
    MakeMemory,
    drop,
    keep,
    level_of,
    mapped,
    prose,
    recall,
    say,
    seated,
)

from pagefault.memory.context import Context, ContextRequest, build
from pagefault.memory.core import Memory
from pagefault.memory.following import follow
from pagefault.memory.keeping import pin
from pagefault.memory.snapshots import fork
from pagefault.paging.tally import Tally
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio


async def asked(memory: Memory, seat: Residency, message: str) -> Context:
    return await build(memory, seat, ContextRequest(message))


async def gone(memory: Memory, seat: Residency, *texts: str) -> list[str]:
    """Claims that were written, among much else, and are not mapped any more."""
    pages = [await keep(memory, seat, text) for text in texts]
    for number in range(20):
        await say(memory, seat, prose(30, number), role="assistant")
    await drop(memory, seat, *pages)
    return pages


async def tally_of(memory: Memory, seat: Residency) -> Tally:
    await memory.flush()
    return (await follow(memory, seat.workspace)).tally(seat.row.id)


@pytest.mark.parametrize(
    ("kept", "other", "message"),
    [
        (
            "We decided on Postgres as the database for orders.",
            "The logo shall be a heron.",
            "What did we decide about the database?",
        ),
        ("All reports go through SQL views.", "The logo shall be a heron.", "And SQL?"),
        (
            "Решили: заказы храним в базе Postgres.",
            "На логотипе будет цапля.",
            "Что мы решили насчёт базы для заказов?",
        ),
        ("我们决定订单数据库用 Postgres。", "标志是一只苍鹭。", "我们的数据库选了什么？"),
        (
            "注文のデータベースは Postgres にする。",
            "ロゴは青鷺にする。",
            "データベースは何だっけ？",
        ),
    ],
    ids=["English", "SQL", "Russian", "Chinese", "Japanese"],
)
async def test_what_a_message_refers_to_is_brought_in_whatever_the_language(
    memory: Memory, seat: Residency, kept: str, other: str, message: str
) -> None:
    right, wrong = await gone(memory, seat, kept, other)
    context = await asked(memory, seat, message)
    assert (context.brought[0], context.why[right]) == (right, "referenced")
    assert wrong not in context.brought
    assert (seat.faults, seat.fault_tokens, seat.total_faults) == (0, 0, 0)


async def test_a_message_that_was_recorded_first_does_not_find_itself_alone(
    memory: Memory, seat: Residency
) -> None:
    (right,) = await gone(memory, seat, "We decided on Postgres as the database.")
    message = "Which database did we take in the end, and why that one?"
    await say(memory, seat, message)
    assert right in (await asked(memory, seat, message)).brought


async def test_a_page_that_the_message_names_is_brought_in_as_explicit(
    memory: Memory, seat: Residency
) -> None:
    (right,) = await gone(memory, seat, "heron")
    context = await asked(memory, seat, f"please go by {right} from now on")
    assert context.why[right] == "explicit"


async def test_a_mapped_page_that_a_message_refers_to_is_the_last_to_yield(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "the harbour password is heron")
    await say(memory, seat, "something else", role="assistant")
    assert mapped(seat)[-1] != page_id
    assert (await asked(memory, seat, "the harbour password?")).brought == ()
    assert mapped(seat)[-1] == page_id
    assert (await tally_of(memory, seat)).hits == 0


async def test_the_next_page_of_a_run_is_guessed(memory: Memory, seat: Residency) -> None:
    pages = [await say(memory, seat, f"part {number} {prose(9, number)}") for number in range(9)]
    await drop(memory, seat, *pages)
    for page_id in pages[2:4]:
        await recall(memory, seat, page_id)
    await memory.flush()
    context = await asked(memory, seat, "go on")
    assert context.why == {pages[4]: "speculative"}


async def test_a_fork_goes_on_with_a_run_that_its_parent_began(
    memory: Memory, seat: Residency
) -> None:
    pages = [await say(memory, seat, f"part {number} {prose(9, number)}") for number in range(9)]
    await drop(memory, seat, *pages)
    for page_id in pages[2:4]:
        await recall(memory, seat, page_id)
    await memory.flush()
    child = await memory.seat(seat.workspace, (await fork(memory, seat, None)).session)
    await recall(memory, seat, pages[4])
    await memory.flush()
    assert (await asked(memory, child, "go on")).why == {pages[4]: "speculative"}


async def test_what_was_read_together_before_comes_together(
    memory: Memory, seat: Residency
) -> None:
    plan, prices = await gone(memory, seat, "The harbour plan.", prose(12, 99))
    for _ in range(2):
        await say(memory, seat, "next")
        await recall(memory, seat, plan)
        await recall(memory, seat, prices)
        await drop(memory, seat, plan, prices)
        await memory.flush()
    context = await asked(memory, seat, "Show me the harbour plan")
    assert context.why[plan] == "referenced"
    assert context.why[prices] == "speculative"


async def test_a_guess_takes_no_place_of_a_page_that_is_in_use(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=400) as (memory, seat):
        pages = [await say(memory, seat, prose(40, number)) for number in range(6)]
        await drop(memory, seat, *pages)
        for page_id in pages[:2]:
            await recall(memory, seat, page_id)
        await memory.flush()
        for number in range(6, 20):
            await say(memory, seat, prose(40, number), role="assistant")
        before = mapped(seat)
        assert pages[2] not in (await asked(memory, seat, "zzz")).brought
        assert mapped(seat) == before


async def test_a_page_too_large_for_its_share_comes_at_a_smaller_level(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=1_000) as (memory, seat):
        page_id = await keep(memory, seat, f"harbour {prose(700)}")
        await drop(memory, seat, page_id)
        assert (await asked(memory, seat, "harbour")).brought == (page_id,)
        assert level_of(seat, page_id) > 0


async def test_hits_and_waste_are_counted_apart_from_the_models_faults(
    memory: Memory, seat: Residency
) -> None:
    used, unused = await gone(memory, seat, "The lighthouse password.", "The lighthouse key.")
    await asked(memory, seat, "lighthouse")
    await recall(memory, seat, used)
    await drop(memory, seat, unused)
    tally = await tally_of(memory, seat)
    assert (tally.prefetched, tally.prefetch_hits, tally.prefetch_waste) == (2, 1, 1)
    assert (tally.faults.total(), tally.hits) == (0, 1)


async def test_pinning_what_was_brought_in_is_a_hit(memory: Memory, seat: Residency) -> None:
    (page_id,) = await gone(memory, seat, "The harbour password.")
    await asked(memory, seat, "harbour password")
    await pin(memory, seat, page_id, pinned=True, turns=None)
    assert (await tally_of(memory, seat)).prefetch_hits == 1
