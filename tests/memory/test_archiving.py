"""Archived pages in use: faulted as any other, and hot again; whatever else reads them goes on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from tests.conftest import HandClock
from tests.contract.test_store_log import on_one_store, told
from tests.memory.making import drop, keep, mapped, recall, say
from tests.stores.histories import Step, histories
from tests.stores.making import Bench

from pagefault.base.log import Archived
from pagefault.memory.archiving import Shelved, archive, survey
from pagefault.memory.context import ContextRequest, build
from pagefault.memory.core import Memory
from pagefault.memory.health import check
from pagefault.memory.history import history
from pagefault.memory.keeping import pin
from pagefault.memory.recall import SearchRequest, search
from pagefault.memory.snapshots import checkpoint, restore
from pagefault.memory.writing import WriteRequest, write
from pagefault.paging.unused import Uses
from pagefault.residency import Residency
from pagefault.stores.contract import Conflict, Store
from pagefault.stores.pieces import lines

pytestmark = pytest.mark.anyio

DAY = 86_400.0
LONG = " ".join(f"the {n * n % 997} alders of the {n}th valley" for n in range(90))


async def shelve(memory: Memory, seat: Residency, clock: HandClock) -> Shelved:
    """A year goes by, and everything that nobody has mapped is archived."""
    await memory.flush()
    clock.advance(365 * DAY)
    unused = await survey(memory, seat.workspace, clock.now() - 90 * DAY)
    return await archive(memory, seat.workspace, unused)


@pytest.fixture
async def old(memory: Memory, seat: Residency, clock: HandClock) -> str:
    """An archived page."""
    page = await say(memory, seat, LONG)
    await drop(memory, seat, page)
    assert (await shelve(memory, seat, clock)).page_ids == (page,)
    return page


async def kinds(memory: Memory, seat: Residency, page_id: str) -> list[str]:
    """The kinds of lines since the page was archived."""
    await memory.flush()
    trail = [line.operation async for line in lines(memory.store, seat.workspace, page_id=page_id)]
    last = max(n for n, made in enumerate(trail) if isinstance(made, Archived))
    return [made.kind for made in trail[last + 1 :]]


async def is_archived(memory: Memory, seat: Residency, page_id: str) -> bool:
    await memory.flush()
    page = await memory.store.page(seat.workspace, page_id, seat.row.id)
    assert page is not None
    return page.archived


async def test_what_is_mapped_young_or_meant_to_last_is_not_archived(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    shown, gone = await say(memory, seat, "shown"), await say(memory, seat, "gone")
    claim = await keep(memory, seat, "a claim")
    await drop(memory, seat, gone, claim)
    await memory.flush()
    clock.advance(80 * DAY)
    young = await say(memory, seat, "young")
    await drop(memory, seat, young)
    await memory.flush()
    clock.advance(80 * DAY)
    found = await survey(memory, seat.workspace, clock.now() - 90 * DAY)
    assert [page.page_id for page in found] == [gone]
    assert shown in mapped(seat)


async def test_the_bytes_become_fewer_and_the_page_stays_what_it_was(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    page = await say(memory, seat, LONG)
    await drop(memory, seat, page)
    before = sum(size for _, size in await memory.store.sizes(seat.workspace, 0, 100))
    done = await shelve(memory, seat, clock)
    after = sum(size for _, size in await memory.store.sizes(seat.workspace, 0, 100))
    assert done.saved == before - after > 0
    assert (await recall(memory, seat, page)).text == LONG


async def test_a_page_that_came_into_use_meanwhile_is_left_out(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    pages = [await say(memory, seat, f"message {number}") for number in range(3)]
    await drop(memory, seat, *pages)
    await memory.flush()
    clock.advance(365 * DAY)
    unused = await survey(memory, seat.workspace, clock.now())
    await recall(memory, seat, pages[1])
    await memory.flush()
    done = await archive(memory, seat.workspace, unused)
    assert done.page_ids == (pages[0], pages[2])
    assert not await is_archived(memory, seat, pages[1])


async def test_a_fault_answers_it_and_it_is_archived_no_longer(
    memory: Memory, seat: Residency, old: str
) -> None:
    found = await recall(memory, seat, old)
    assert (found.text, found.mapped, found.hit) == (LONG, True, False)
    assert await kinds(memory, seat, old) == ["fault", "unarchive", "fault_in"]
    assert not await is_archived(memory, seat, old)
    assert (await recall(memory, seat, old)).hit
    assert await kinds(memory, seat, old) == ["fault", "unarchive", "fault_in", "touch"]


async def test_a_pin_a_new_version_and_a_message_have_it_back_as_well(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    pages = [await say(memory, seat, f"the {word} of the house") for word in ("roof", "door")]
    claim, later = await keep(memory, seat, "cats"), await keep(memory, seat, "dogs")
    await write(memory, seat, WriteRequest("dogs, not cats", supersedes=[claim]))
    await drop(memory, seat, *pages, claim, later)
    done = await shelve(memory, seat, clock)
    assert {*pages, claim} <= set(done.page_ids)
    await pin(memory, seat, pages[0], pinned=True, turns=None)
    await build(memory, seat, ContextRequest(message=f"what was {pages[1]}?"))
    await write(memory, seat, WriteRequest("cats again", page_id=claim))
    for page in (*pages, claim):
        assert page in mapped(seat)
        assert not await is_archived(memory, seat, page), page


async def test_going_back_to_a_checkpoint_has_it_back(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    page = await say(memory, seat, "as it was")
    await checkpoint(memory, seat, "then")
    await drop(memory, seat, page)
    assert (await shelve(memory, seat, clock)).page_ids == (page,)
    await restore(memory, seat, "then")
    assert page in mapped(seat)
    assert not await is_archived(memory, seat, page)


async def test_a_search_finds_it_last_and_changes_nothing(
    memory: Memory, seat: Residency, old: str
) -> None:
    other = await say(memory, seat, "a valley somewhere")
    found = await search(memory, seat, SearchRequest("alders valley"))
    assert [one.hit.page_id for one in found.results] == [other, old]
    assert await is_archived(memory, seat, old)


async def test_its_history_can_be_read_and_says_when_it_was_archived(
    memory: Memory, seat: Residency, old: str
) -> None:
    past = await history(memory, seat, old, version=1)
    assert past.text == LONG
    assert past.lines[-1].operation == Archived(page_id=old)
    assert past.lines[-1].actor == "system"


async def test_it_is_counted_and_not_offered(memory: Memory, seat: Residency, old: str) -> None:
    health = await check(memory, seat.workspace)
    assert (health.status, health.counts["archived"]) == ("ok", 1)
    made = await build(memory, seat, ContextRequest())
    assert f'"{old}"' not in made.message
    await recall(memory, seat, old)
    await drop(memory, seat, old)
    await memory.flush()
    assert f'"{old}"' in (await build(memory, seat, ContextRequest())).message


async def test_one_that_was_mapped_as_it_was_archived_is_hot_with_its_next_use(
    memory: Memory, seat: Residency, clock: HandClock
) -> None:
    """Another process may archive it before this one has written that it is mapped."""
    page = await say(memory, seat, "here")
    await drop(memory, seat, page)
    await memory.flush()
    clock.advance(365 * DAY)
    unused = await survey(memory, seat.workspace, clock.now())
    await recall(memory, seat, page)  # which is not written yet
    assert (await archive(memory, seat.workspace, unused)).page_ids == (page,)
    assert await is_archived(memory, seat, page)
    assert (await recall(memory, seat, page)).hit
    assert not await is_archived(memory, seat, page)


@on_one_store
@given(history_=histories)
async def test_whatever_is_chosen_can_be_archived_and_had_back(
    bench: Bench, history_: list[Step]
) -> None:
    there = (await told(bench.store, history_)).bench
    uses = Uses()
    async for line in lines(there.store, there.workspace):
        uses.take(line)
    for page in uses.unused(there.now + 1):
        await there.store.repack(there.workspace, sorted(page.contents))
        assert not isinstance(await there.apply(Archived(page_id=page.page_id)), Conflict)
    examined = await there.store.examine(there.workspace)
    assert (list(examined.damage), list(examined.numbers)) == ([], [])


@pytest.fixture
async def bench(open_store: Any) -> Any:
    store: Store = open_store()
    yield await Bench.at(store)
    await store.close()
