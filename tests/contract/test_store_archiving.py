"""Archived pages, on every store: kept small, found last, read as ever, and one's own again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from tests.contract.test_store_log import on_one_store, told
from tests.stores.histories import Step, histories
from tests.stores.making import LASTING, START, Bench, mapped, open_workspace

from pagefault.base.log import (
    Archived,
    Collected,
    Evicted,
    Forgotten,
    Pinned,
    Represented,
    SessionOpened,
    Unarchived,
)
from pagefault.stores.contract import Conflict, Store

pytestmark = pytest.mark.anyio

OpenStore = Callable[[], Store]
LONG = " ".join(f"the {n * n % 997} alders of the {n}th valley" for n in range(90))


async def archived(bench: Bench, page: str, session: str = "s1") -> bool:
    found = await bench.store.page(bench.workspace, page, session)
    assert found is not None
    return found.archived


async def test_an_archived_page_is_one_until_it_is_used_again(bench: Bench) -> None:
    page, other = await bench.write("one"), await bench.write("two")
    assert not await archived(bench, page)
    await bench.do(Archived(page_id=page))
    assert await archived(bench, page)
    assert (await bench.counts())["archived"] == 1
    pages = await bench.store.pages(bench.workspace, [page, other], "s1")
    assert {name: found.archived for name, found in pages.items()} == {page: True, other: False}
    await bench.do(Unarchived(session="s1", page_id=page), durable=False)
    assert not await archived(bench, page)
    assert (await bench.counts())["archived"] == 0


async def test_it_is_no_other_page_for_being_archived(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    await bench.do(
        Represented(page_id=page, version=2, level=2, origin="x", content=-1, tokens=1),
        contents=[b"t"],
    )
    before = await bench.store.versions(bench.workspace, page)
    levels = await bench.store.representations(bench.workspace, page, 2)
    await bench.do(Archived(page_id=page))
    assert await bench.text(page) == "two"
    assert await bench.store.versions(bench.workspace, page) == before
    assert await bench.store.representations(bench.workspace, page, 2) == levels


async def test_to_archive_it_twice_counts_once(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.do(Archived(page_id=page), Archived(page_id=page))
    assert (await bench.counts())["archived"] == 1
    await bench.do(*(Unarchived(session="s1", page_id=page) for _ in range(2)))
    assert (await bench.counts())["archived"] == 0


@pytest.mark.parametrize("use", ["map", "pin"])
async def test_what_a_session_maps_or_pins_cannot_be_archived(bench: Bench, use: str) -> None:
    page = await bench.write("one")
    pin = Pinned(session="s2", page_id=page, pinned=True)
    line = mapped(page, session="s2") if use == "map" else pin
    await bench.do(SessionOpened(session="s2"), line)
    lines = (await bench.counts())["lines"]
    assert await bench.apply(Archived(page_id=page)) == Conflict(page)
    assert (await bench.counts())["lines"] == lines
    await bench.do(
        Evicted(session="s2", page_id=page, cause="asked"),
        Pinned(session="s2", page_id=page, pinned=False),
    )
    await bench.do(Archived(page_id=page))
    assert await archived(bench, page)


async def test_what_is_no_page_cannot_be_archived(bench: Bench) -> None:
    gone = await bench.write("one")
    await bench.forget(gone)
    for page in (gone, "claim_99"):
        assert await bench.apply(Archived(page_id=page)) == Conflict(page)


async def test_a_forgotten_page_does_not_count_as_archived(bench: Bench) -> None:
    page = await bench.write("a page about alder")
    await bench.do(Archived(page_id=page))
    assert await bench.find("alder") == [page]
    await bench.do(Forgotten(session="s1", page_id=page, reason="asked"))
    assert (await bench.counts())["archived"] == 0
    assert await bench.find("alder") == []


async def test_it_is_not_offered_and_is_among_the_latest_all_the_same(bench: Bench) -> None:
    first, second = await bench.write("one"), await bench.write("two")
    await bench.do(Archived(page_id=first))
    offered = await bench.store.recent_pages(bench.workspace, "s1", 10, unmapped=True)
    assert [page.page_id for page in offered] == [second]
    latest = await bench.store.recent_pages(bench.workspace, "s1", 10)
    assert [page.page_id for page in latest] == [second, first]


# Found last


async def test_an_archived_page_is_found_behind_all_others(bench: Bench) -> None:
    best = await bench.write("alder alder alder, the alder of the lake")
    others = [await bench.write(f"page {number} names an alder somewhere") for number in range(3)]
    assert (await bench.find("alder lake"))[0] == best
    await bench.do(Archived(page_id=best))
    found = await bench.find("alder lake")
    assert sorted(found[:3]) == others
    assert found[3:] == [best]
    assert best not in await bench.find("alder lake", limit=3)
    assert await bench.find("alder lake", limit=2, offset=2) == found[2:]
    await bench.do(Unarchived(session="s1", page_id=best), durable=False)
    assert (await bench.find("alder lake"))[0] == best


async def test_its_score_is_below_every_score_of_the_others(bench: Bench) -> None:
    from pagefault.index.document import Search

    pages = [await bench.write(f"alder {'alder ' * number}in page {number}") for number in range(4)]
    await bench.do(*(Archived(page_id=page) for page in pages[2:]))
    found = await bench.store.search(bench.workspace, "s1", Search("alder", workspace=0))
    assert {hit.page_id for hit in found.hits[:2]} == set(pages[:2])
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > scores[2] > 0


async def test_it_is_found_by_its_id_before_all_others(bench: Bench) -> None:
    page = await bench.write("the one that is meant")
    others = [await bench.write(f"{page} is named here, {number}") for number in range(4)]
    await bench.do(Archived(page_id=page))
    found = await bench.find(page, limit=3)
    assert found[0] == page
    assert set(found[1:]) <= set(others)


async def test_the_version_that_a_session_reads_is_the_one_that_is_found(bench: Bench) -> None:
    page = await bench.write("about alder")
    await bench.find("alder")
    await bench.revise(page, "about beech", session="s2")
    await bench.do(Archived(page_id=page))
    assert await bench.find("alder", "s1") == [page]
    assert await bench.find("beech", "s1") == []
    assert await bench.find("beech", "s2") == [page]
    assert await bench.find("alder", "s2") == []
    await bench.revise(page, "about cedar")
    assert await bench.find("cedar", "s1") == [page]
    await bench.do(Unarchived(session="s1", page_id=page))
    assert await bench.find("beech", "s2") == [page]
    assert await bench.find("cedar", "s1") == [page]
    assert await bench.find("alder", "s1") == []


async def test_a_search_of_one_session_finds_it_as_well(bench: Bench) -> None:
    page = await bench.write("about alder", session="s2")
    await bench.write("about alder", session="s1")
    await bench.do(Archived(page_id=page))
    assert await bench.find("alder", "s2", scope="session") == [page]


async def test_a_rebuilt_index_puts_every_page_in_its_part(bench: Bench) -> None:
    pages = [await bench.write(f"alder number {number}") for number in range(90)]
    await bench.find("alder")
    await bench.do(*(Archived(page_id=page) for page in pages[:80]))
    await bench.do(*(Unarchived(session="s1", page_id=page) for page in pages[:3]))
    found = await bench.find("alder", limit=100)
    assert sorted(found[:13]) == sorted([*pages[:3], *pages[80:]])
    assert len(found) == 90
    assert list((await bench.store.examine(bench.workspace)).index) == []
    await bench.store.rebuild_index(bench.workspace)
    again = await bench.find("alder", limit=100)
    assert sorted(again[:13]) == sorted(found[:13])
    assert sorted(again) == sorted(found)
    examined = await bench.store.examine(bench.workspace)
    assert (list(examined.index), list(examined.numbers)) == ([], [])
    assert await bench.store.tidy_index(remove=False) == 0


# Kept small


async def test_contents_are_kept_in_fewer_bytes_and_read_as_they_were(bench: Bench) -> None:
    page = await bench.write(LONG)
    short = await bench.write("no")
    before = dict(await bench.store.sizes(bench.workspace, 0, 10))
    saved = await bench.store.repack(bench.workspace, [1, 2, 77])
    after = dict(await bench.store.sizes(bench.workspace, 0, 10))
    assert 0 < saved == sum(before.values()) - sum(after.values())
    assert after[1] < before[1]
    assert after[2] == before[2]
    assert await bench.text(page) == LONG
    assert await bench.text(short) == "no"
    assert await bench.store.repack(bench.workspace, [1, 2]) == 0
    assert (await bench.store.contents(bench.workspace, 0, 10))[0] == (1, LONG.encode())
    examined = await bench.store.examine(bench.workspace)
    assert list(examined.damage) == []


async def test_a_repacked_content_is_forgotten_and_collected_like_any_other(bench: Bench) -> None:
    page = await bench.write(LONG)
    made = await bench.do(
        Represented(page_id=page, version=1, level=2, origin="x", content=-1, tokens=1),
        contents=[LONG[:3_000].encode()],
    )
    await bench.store.repack(bench.workspace, [1, *made.contents])
    await bench.do(Collected(page_id=page, contents=made.contents), durable=False)
    assert [number for number, _ in await bench.store.contents(bench.workspace, 0, 10)] == [1]
    await bench.forget(page)
    assert await bench.store.contents(bench.workspace, 0, 10) == []
    assert await bench.store.repack(bench.workspace, [1, *made.contents]) == 0


async def test_a_content_of_many_chunks_is_read_after_repacking(bench: Bench) -> None:
    noise = bytes(number * number // 7 % 251 for number in range(2_000_003))
    words = b"".join(noise[place : place + 999] for place in range(0, 1_900_000, 1_000))
    page = await bench.write(words)
    await bench.store.repack(bench.workspace, [1])
    found = await bench.store.page(bench.workspace, page, "s1")
    assert found is not None
    assert await bench.store.content(bench.workspace, found.content) == words


@LASTING
async def test_it_is_so_after_a_restart(open_store: OpenStore) -> None:
    bench = await Bench.at(open_store())
    page = await bench.write(LONG)
    await bench.write("another alder")
    await bench.store.repack(bench.workspace, [1])
    await bench.do(Archived(page_id=page))
    await bench.store.close()
    store = open_store()
    again = Bench(store, await open_workspace(store), START + 99)
    assert await archived(again, page)
    assert await again.text(page) == LONG
    assert await again.find("alder") == ["claim_2", page]
    await store.close()


@on_one_store
@given(history=histories)
async def test_the_index_agrees_with_the_log_after_any_history(
    bench: Bench, history: list[Step]
) -> None:
    chronicle = await told(bench.store, history)
    there = chronicle.bench
    for half in (history, []):  # what an index does not know yet, and what it knows
        await there.find("alder", limit=100)
        examined = await there.store.examine(there.workspace)
        assert (list(examined.index), list(examined.numbers)) == ([], []), half
        await there.store.rebuild_index(there.workspace)
    pages = await there.store.ids_like(there.workspace, "page", "", 1_000)
    known = await there.store.pages(there.workspace, pages, "s1")
    totals = await there.counts()
    assert totals["archived"] == sum(page.archived for page in known.values())
