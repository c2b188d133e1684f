"""A page in the place of another: what is said of the old one, and where it comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conftest import MakeMemory, home
from tests.memory.making import drop, keep, mapped, page_of, prose, recall, seated

from pagefault.base.errors import InvalidArgument, PageForgotten, PageNotFound
from pagefault.memory.context import ContextRequest, build
from pagefault.memory.core import Memory
from pagefault.memory.exporting import export
from pagefault.memory.forgetting import forget
from pagefault.memory.history import history
from pagefault.memory.importing import graft
from pagefault.memory.recall import Quoted, SearchRequest, search
from pagefault.memory.snapshots import checkpoint, fork, restore
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency

pytestmark = pytest.mark.anyio


async def superseder(memory: Memory, seat: Residency, page_id: str) -> str | None:
    """The last of the pages that stand in the place of one."""
    chain = (await page_of(memory, seat, page_id)).superseded_by
    return chain[-1] if chain else None


async def found(memory: Memory, seat: Residency, query: str, **more: Any) -> list[Quoted]:
    return list((await search(memory, seat, SearchRequest(query, **more))).results)


async def ids(memory: Memory, seat: Residency, query: str, **more: Any) -> list[str]:
    return [quoted.hit.page_id for quoted in await found(memory, seat, query, **more)]


def manifest(message: str) -> dict[str, Any]:
    body = message.partition("<VM:MANIFEST_JSON>\n")[2].partition("\n</VM:MANIFEST_JSON>")[0]
    entries: dict[str, Any] = json.loads(body)
    return entries


# Writing


async def test_a_superseded_page_stays_readable_and_names_the_last_in_its_place(
    memory: Memory, seat: Residency
) -> None:
    first = await keep(memory, seat, "the port is 80")
    second = await keep(memory, seat, "the port is 81", supersedes=[first])
    third = await keep(memory, seat, "the port is 82", supersedes=[second])
    assert [await superseder(memory, seat, page) for page in (first, second, third)] == [
        third,
        third,
        None,
    ]
    assert (await recall(memory, seat, first)).text == "the port is 80"
    lines = (await history(memory, seat, first)).lines
    assert [line.operation.kind for line in lines if line.operation.durable] == [
        "page",
        "supersede",
    ]


async def test_several_pages_are_superseded_at_once_also_by_key(
    memory: Memory, seat: Residency
) -> None:
    first = await keep(memory, seat, "one", key="k")
    second = await keep(memory, seat, "two")
    third = await keep(memory, seat, "both", supersedes=["k", second, first])
    assert (await page_of(memory, seat, first)).superseded_by == (third,)
    assert (await page_of(memory, seat, second)).superseded_by == (third,)


async def test_a_new_version_can_supersede_another_page(memory: Memory, seat: Residency) -> None:
    old, page = await keep(memory, seat, "old"), await keep(memory, seat, "one")
    await keep(memory, seat, "two", page_id=page, supersedes=[old])
    assert await superseder(memory, seat, old) == page


async def test_a_write_that_is_repeated_under_its_key_links_once(
    memory: Memory, seat: Residency
) -> None:
    old = await keep(memory, seat, "old")
    request = WriteRequest("new", key="k", supersedes=[old])
    new = (await write(memory, seat, request)).page_id
    assert (await write(memory, seat, request)).duplicate
    assert await superseder(memory, seat, old) == new
    lines = await memory.store.log(seat.workspace, 0, 100, page_id=old)
    assert [line.operation.kind for line in lines].count("supersede") == 1


async def test_a_page_supersedes_neither_itself_nor_what_supersedes_it(
    memory: Memory, seat: Residency
) -> None:
    first = await keep(memory, seat, "one")
    second = await keep(memory, seat, "two", supersedes=[first])
    third = await keep(memory, seat, "three", supersedes=[second])
    before = await memory.store.totals(seat.workspace)
    with pytest.raises(InvalidArgument, match=f"{first} itself"):
        await keep(memory, seat, "again", page_id=first, supersedes=[first])
    for later in (second, third):
        with pytest.raises(InvalidArgument, match=f"{later}, which supersedes {first} already"):
            await keep(memory, seat, "again", page_id=first, supersedes=[later])
    assert await memory.store.totals(seat.workspace) == before


async def test_a_form_of_a_page_supersedes_nothing(memory: Memory, seat: Residency) -> None:
    old, page = await keep(memory, seat, "old"), await keep(memory, seat, prose(40))
    with pytest.raises(InvalidArgument, match="another form"):
        await keep(memory, seat, "short", represents=page, level=2, supersedes=[old])


async def test_pages_that_are_not_here_are_not_superseded(memory: Memory, seat: Residency) -> None:
    gone = await keep(memory, seat, "gone")
    await forget(memory, seat, gone, "asked")
    elsewhere = await memory.seat(await home(memory, name="elsewhere"), "s1")
    foreign = await keep(memory, elsewhere, "there", page_type="summary")
    for name, error in ((gone, PageForgotten), (foreign, PageNotFound), ("claim_99", PageNotFound)):
        with pytest.raises(error, match=name):
            await keep(memory, seat, "new", supersedes=[name])
    assert (await memory.store.totals(seat.workspace))["pages"] == 0


async def test_forgetting_what_supersedes_lifts_the_link(memory: Memory, seat: Residency) -> None:
    old = await keep(memory, seat, "old")
    new = await keep(memory, seat, "new", supersedes=[old])
    await forget(memory, seat, new, "asked")
    assert await superseder(memory, seat, old) is None


async def test_a_link_is_imported_under_new_ids(memory: Memory, seat: Residency) -> None:
    old = await keep(memory, seat, "old")
    new = await keep(memory, seat, "new", supersedes=[old])
    await memory.flush()
    items = [item async for item in export(memory.store, seat.workspace)]
    there = await memory.seat(await home(memory, name="new"), "other")
    await keep(memory, there, "what was there before")
    names: dict[str, str] = {}
    async for piece in graft(memory, there.workspace, items):
        names |= piece.ids
    page = await memory.store.page(there.workspace, names[old], "s1")
    assert page is not None
    assert page.superseded_by == (names[new],)
    assert names[new] != new


# Finding


async def test_a_superseded_page_comes_after_what_matches_comparably(
    memory: Memory, seat: Residency
) -> None:
    other = await keep(memory, seat, "the deploy window of any monday needs a sign-off")
    old = await keep(memory, seat, "the deploy window is on monday")
    assert await ids(memory, seat, "deploy window monday") == [old, other]
    new = await keep(memory, seat, "the deploy window went from monday to friday", supersedes=[old])
    results = await found(memory, seat, "deploy window monday")
    assert results[-1].hit.page_id == old
    assert {quoted.hit.page_id: quoted.superseded_by for quoted in results} == {
        old: new,
        new: None,
        other: None,
    }


async def test_a_superseded_page_is_found_where_nothing_else_is_as_good(
    memory: Memory, seat: Residency
) -> None:
    old = await keep(memory, seat, "alder beech cedar willow maple")
    new = await keep(memory, seat, "something else", supersedes=[old])
    other = await keep(memory, seat, "a maple in the garden")
    assert await ids(memory, seat, "alder beech cedar willow maple") == [old, other]
    assert (await ids(memory, seat, f"{old} maple"))[0] == old
    assert new not in await ids(memory, seat, "alder")


async def test_results_come_in_one_order_whatever_part_is_asked_for(
    memory: Memory, seat: Residency
) -> None:
    pages = [await keep(memory, seat, f"alder number {n} of many") for n in range(20)]
    for number in (0, 3, 4, 9, 17, 18, 19):
        await keep(memory, seat, f"beech {number}", supersedes=[pages[number]])
    whole = await ids(memory, seat, "alder", limit=50)
    assert set(whole) == set(pages)
    parts = [await ids(memory, seat, "alder", limit=3, offset=n) for n in range(0, 21, 3)]
    assert [page for part in parts for page in part] == whole
    sunk = {pages[number] for number in (0, 3, 4, 9, 17, 18, 19)}
    assert set(whole[-7:]) == sunk


# In the context


async def test_the_manifest_offers_a_superseded_page_last_and_names_what_took_its_place(
    memory: Memory, seat: Residency
) -> None:
    old = await keep(memory, seat, "old", importance=1.0)
    new = await keep(memory, seat, "new", importance=0.1, supersedes=[old])
    said = [await keep(memory, seat, f"said {n}", page_type="transcript") for n in range(2)]
    await drop(memory, seat, old, new, *said)
    offers = manifest((await build(memory, seat, ContextRequest())).message)["available_pages"]
    assert [offer["page_id"] for offer in offers] == [new, said[1], said[0], old]
    assert offers[-1]["superseded_by"] == new
    assert not any("superseded_by" in offer for offer in offers[:-1])


async def test_a_packed_context_hears_of_every_change_of_what_supersedes(
    memory: Memory, seat: Residency
) -> None:
    first = await keep(memory, seat, "one")
    second = await keep(memory, seat, "two", supersedes=[first])
    other = await memory.seat(seat.workspace, "other")

    async def named() -> str | None:
        entries = manifest((await build(memory, seat, ContextRequest())).message)["working_set"]
        by_id = {entry["page_id"]: entry.get("superseded_by") for entry in entries}
        superseded_by: str | None = by_id[first]
        return superseded_by

    await drop(memory, seat, second)
    assert await named() == second
    third = await keep(memory, seat, "three", supersedes=[second])
    await drop(memory, seat, third)
    assert await named() == third
    await forget(memory, other, third, "asked")
    assert await named() == second
    await forget(memory, other, second, "asked")
    assert await named() is None


async def test_a_superseded_page_yields_before_the_least_important_of_its_kind(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=100) as (memory, seat):
        weak = await keep(memory, seat, prose(30, 1), importance=0.0)
        old = await keep(memory, seat, prose(30, 2), importance=1.0)
        new = await keep(memory, seat, prose(50, 3), supersedes=[old])
        assert mapped(seat) == [weak, new]
        said = await keep(memory, seat, prose(15, 4), page_type="transcript")
        assert mapped(seat) == [weak, new, said]


async def test_what_another_session_superseded_yields_first_once_it_is_noticed(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory, budget_tokens=100) as (memory, seat):
        other = await memory.seat(seat.workspace, "other")
        old = await keep(memory, other, prose(30, 1))
        await recall(memory, seat, old)
        mine = await keep(memory, seat, prose(30, 2))
        for _ in range(4):
            await build(memory, seat, ContextRequest("nothing in particular", 5_000))
        await recall(memory, seat, old)
        for _ in range(4):
            await build(memory, seat, ContextRequest("nothing in particular", 5_000))
        await keep(memory, other, prose(5, 3), supersedes=[old])
        await build(memory, seat, ContextRequest(budget=5_000))
        await keep(memory, seat, prose(50, 4))
        assert old not in mapped(seat)
        assert mine in mapped(seat)


# Forks and going back


async def test_a_fork_reads_the_links_made_before_it_and_makes_its_own(
    memory: Memory, seat: Residency
) -> None:
    first, second = await keep(memory, seat, "one"), await keep(memory, seat, "two")
    before = await keep(memory, seat, "in place of one", supersedes=[first])
    child = await memory.seat(seat.workspace, (await fork(memory, seat, None)).session)
    after = await keep(memory, seat, "in place of two", supersedes=[second])
    own = await keep(memory, child, "in place of two there", supersedes=[second, before])
    assert await superseder(memory, seat, first) == before
    assert await superseder(memory, seat, second) == after
    assert await superseder(memory, child, first) == own
    assert await superseder(memory, child, second) == own


async def test_going_back_takes_a_link_back_and_going_forth_makes_it_again(
    memory: Memory, seat: Residency
) -> None:
    old, kept = await keep(memory, seat, "old"), await keep(memory, seat, "kept")
    first = await keep(memory, seat, "in its place", supersedes=[kept])
    await checkpoint(memory, seat, "a")
    new = await keep(memory, seat, "new", supersedes=[old])
    better = await keep(memory, seat, "better", supersedes=[first])
    done = await restore(memory, seat, "a")
    assert done.superseded == {old: None, first: None}
    assert await superseder(memory, seat, old) is None
    assert await superseder(memory, seat, kept) == first
    known = seat.set.get(old)
    assert known is not None
    assert not known.superseded
    assert (await restore(memory, seat, done.undo)).superseded == {old: new, first: better}
    assert await superseder(memory, seat, kept) == better


async def test_a_fork_takes_back_a_link_of_its_parent(memory: Memory, seat: Residency) -> None:
    old = await keep(memory, seat, "old")
    await checkpoint(memory, seat, "a")
    new = await keep(memory, seat, "new", supersedes=[old])
    child = await memory.seat(seat.workspace, (await fork(memory, seat, None)).session)
    assert (await restore(memory, child, "a")).superseded == {old: None}
    assert await superseder(memory, child, old) is None
    assert await superseder(memory, seat, old) == new


# Pages of other sessions


async def test_a_page_of_one_session_is_mapped_in_another_and_written_anew_there(
    memory: Memory, seat: Residency
) -> None:
    page = await keep(memory, seat, "as s1 wrote it")
    other = await memory.seat(seat.workspace, "s2")
    assert (await recall(memory, other, page)).text == "as s1 wrote it"
    assert page in mapped(other)
    await keep(memory, other, "as s2 has it", page_id=page)
    assert (await recall(memory, other, page)).text == "as s2 has it"
    assert (await recall(memory, seat, page)).text == "as s1 wrote it"
    await keep(memory, seat, "as s1 has it now", page_id=page)
    assert (await recall(memory, other, page)).text == "as s2 has it"
    assert (await recall(memory, seat, page)).text == "as s1 has it now"
    versions = (await history(memory, seat, page)).versions
    assert [(version.version, version.branch) for version in versions] == [
        (1, "s1"),
        (2, "s2"),
        (3, "s1"),
    ]
