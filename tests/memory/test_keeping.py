"""Pins, and letting pages go."""

from __future__ import annotations

import anyio
import pytest
from tests.conftest import home
from tests.memory.making import (
    MakeMemory,
    count,
    drop,
    keep,
    level_of,
    mapped,
    prose,
    recall,
    say,
    seated,
)

from pagefault.base.errors import InvalidArgument, PageNotFound, PinLimitExceeded
from pagefault.memory.core import Memory
from pagefault.memory.keeping import pin, release
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio


async def pinned(memory: Memory, seat: Residency, page_id: str, turns: int | None = None) -> None:
    await pin(memory, seat, page_id, pinned=True, turns=turns)


async def fill(memory: Memory, seat: Residency, pages: int = 12) -> None:
    """More assistant messages than the working set holds; none begins a turn."""
    for number in range(pages):
        await say(memory, seat, prose(100, 1_000 + number), role="assistant")


# --- pins --------------------------------------------------------------------------------------


async def test_a_pinned_page_survives_any_pressure(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, "Answer in French.")
        await pinned(memory, seat, page_id)
        await fill(memory, seat, 20)
        assert page_id in mapped(seat)


async def test_a_page_is_unpinned_and_yields_again(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, "Answer in French.")
        await pinned(memory, seat, page_id)
        done = await pin(memory, seat, page_id, pinned=False, turns=None)
        assert (done.pinned, done.until_turn, done.mapped) == (False, None, True)
        await fill(memory, seat)
        assert page_id not in mapped(seat)


async def test_pinning_maps_a_page_that_was_not_mapped(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, prose(200))
        await fill(memory, seat, 5)
        assert page_id not in mapped(seat)
        done = await pin(memory, seat, page_id, pinned=True, turns=None)
        assert done.mapped
        assert done.yielded.evicted == ["msg_2", "msg_3"]
        assert page_id in mapped(seat)
        assert seat.faults == 0


async def test_a_timed_pin_holds_for_its_turns(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, "Only for now.")
        done = await pin(memory, seat, page_id, pinned=True, turns=2)
        assert done.until_turn == seat.turn + 1 == 2
        await fill(memory, seat)
        await say(memory, seat, "second turn")
        await fill(memory, seat)
        assert page_id in mapped(seat)
        await say(memory, seat, "third turn")
        await fill(memory, seat)
        assert page_id not in mapped(seat)


async def test_pins_may_hold_half_of_the_budget_and_no_token_more(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        first = await say(memory, seat, prose(200, 1))
        second = await say(memory, seat, prose(51, 2))
        third = await say(memory, seat, prose(50, 3))
        await pinned(memory, seat, first)
        with pytest.raises(PinLimitExceeded) as caught:
            await pinned(memory, seat, second)
        assert "would make 251 pinned tokens; pins may hold half of the budget, 250" in str(
            caught.value
        )
        assert seat.set.pinned_tokens() == 200
        await pinned(memory, seat, third)
        assert seat.set.pinned_tokens() == 250


async def test_a_pinned_page_can_be_pinned_again_for_another_time(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, prose(250))
        await pinned(memory, seat, page_id, turns=1)
        await pinned(memory, seat, page_id)
        known = seat.set.get(page_id)
        assert known is not None
        assert (known.pinned, known.pinned_until) == (True, None)


async def test_a_page_that_is_mapped_as_a_stub_is_pinned_as_a_stub(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await keep(memory, seat, prose(400))
        await recall(memory, seat, page_id, target_level=3)
        await pinned(memory, seat, page_id)
        assert level_of(seat, page_id) == 3


@pytest.mark.parametrize("turns", [0, -3])
async def test_a_pin_for_no_turn_is_refused(memory: Memory, seat: Residency, turns: int) -> None:
    page_id = await say(memory, seat, "text")
    with pytest.raises(InvalidArgument, match=f"turns is {turns}: give a positive number"):
        await pinned(memory, seat, page_id, turns=turns)


async def test_a_page_that_does_not_exist_cannot_be_pinned(memory: Memory, seat: Residency) -> None:
    with pytest.raises(PageNotFound, match="msg_1"):
        await pinned(memory, seat, "msg_1")


async def test_pins_taken_at_once_all_hold(memory: Memory, seat: Residency) -> None:
    pages = [await say(memory, seat, f"rule {number}") for number in range(10)]
    async with anyio.create_task_group() as tasks:
        for page_id in pages:
            tasks.start_soon(pinned, memory, seat, page_id)
    assert seat.set.pinned_tokens() == sum(count(f"rule {number}") for number in range(10))


@pytest.mark.parametrize("store_url", ["file"], indirect=True)
async def test_a_pin_is_planned_anew_when_another_server_changed_the_session(
    make_memory: MakeMemory,
) -> None:
    async with make_memory(budget_tokens=500) as one, make_memory(budget_tokens=500) as two:
        first = await one.seat(await home(one), "s1")
        page_id = await say(one, first, prose(200, 1))
        large = await say(one, first, prose(200, 2))
        await one.flush()
        second = await two.seat(await home(two), "s1")
        await pinned(one, first, page_id)
        with pytest.raises(PinLimitExceeded):
            await pinned(two, second, large)
        await drop(two, second, large)
        await two.flush()
        await pinned(one, first, await keep(one, first, "short"))
        assert sorted(mapped(first)) == ["claim_1", page_id]


# --- letting go --------------------------------------------------------------------------------


async def test_a_released_page_leaves_the_working_set_and_stays_stored(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "text")
    done = await release(memory, seat, [page_id], None)
    assert (done.evicted, done.demoted, done.kept) == ((page_id,), (), ())
    assert (mapped(seat), seat.set.used) == ([], 0)
    assert (await recall(memory, seat, page_id)).text == "text"


async def test_a_pinned_page_is_not_released_and_is_said_to_be_kept(
    memory: Memory, seat: Residency
) -> None:
    page_id, other = await say(memory, seat, "rule"), await say(memory, seat, "other")
    await pinned(memory, seat, page_id)
    done = await release(memory, seat, [page_id, other], None)
    assert (done.evicted, done.kept) == ((other,), (page_id,))
    assert mapped(seat) == [page_id]


async def test_a_page_is_demoted_to_a_smaller_level_and_stays_mapped(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, prose(300))
    await write(memory, seat, WriteRequest("A tale in short.", represents=page_id, level=2))
    done = await release(memory, seat, [page_id], 2)
    assert done.demoted == (page_id,)
    assert (level_of(seat, page_id), seat.set.used) == (2, count("A tale in short."))


async def test_a_page_that_has_no_smaller_level_is_kept_as_it_is(
    memory: Memory, seat: Residency
) -> None:
    short, longer = await say(memory, seat, "yes"), await say(memory, seat, prose(40))
    assert (await release(memory, seat, [short], 3)).kept == (short,)
    assert (await release(memory, seat, [longer], 1)).kept == (longer,)
    assert seat.set.used == 40 + count("yes")


async def test_a_released_page_that_was_not_mapped_is_neither_released_nor_kept(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "text")
    await drop(memory, seat, page_id)
    done = await release(memory, seat, [page_id], None)
    assert (done.evicted, done.demoted, done.kept) == ((), (), ())


async def test_when_one_page_does_not_exist_none_is_released(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "text")
    with pytest.raises(PageNotFound, match="msg_9"):
        await release(memory, seat, [page_id, "msg_9"], None)
    assert mapped(seat) == [page_id]


@pytest.mark.parametrize("level", [0, 4, -1])
async def test_a_level_that_is_no_demotion_is_refused(
    memory: Memory, seat: Residency, level: int
) -> None:
    page_id = await say(memory, seat, "text")
    with pytest.raises(InvalidArgument, match=f"level is {level}: demote to 1, 2 or 3"):
        await release(memory, seat, [page_id], level)


async def test_releasing_no_page_does_nothing(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, "text")
    assert (await release(memory, seat, [], None)).evicted == ()
    assert mapped(seat) == [page_id]


async def test_a_page_evicted_and_faulted_again_is_kept_longer(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        page_id = await say(memory, seat, prose(100, 1))
        await drop(memory, seat, page_id)
        await recall(memory, seat, page_id)
        for turn in range(3):
            await say(memory, seat, f"turn {turn}")
            await fill(memory, seat)
            assert page_id in mapped(seat)
        await say(memory, seat, "one turn more")
        await fill(memory, seat)
        assert page_id not in mapped(seat)
