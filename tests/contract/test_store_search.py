"""What every store promises of search: nothing acknowledged is missed, nobody sees too much."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.stores.making import LASTING, START, Bench, added

from pagefault.index.document import Search
from pagefault.stores.contract import Store

pytestmark = pytest.mark.anyio

OpenStore = Callable[[], Store]


async def test_a_write_is_found_by_the_next_call(bench: Bench) -> None:
    for word in ("alder", "beech", "cedar"):
        page = await bench.write(f"a note about {word}")
        assert await bench.find(word) == [page]


@LASTING
async def test_a_write_of_another_opening_is_found_by_the_next_call(
    bench: Bench, open_store: OpenStore
) -> None:
    other = await Bench.at(open_store())
    for word in ("alder", "beech", "cedar"):
        page = await other.write(f"a note about {word}")
        assert await bench.find(word) == [page]
    await other.store.close()


@LASTING
async def test_what_was_not_indexed_before_a_restart_is_found_after_it(
    open_store: OpenStore,
) -> None:
    bench = await Bench.at(open_store())
    page = await bench.write("a note about alder")
    await bench.store.close()
    again = await Bench.at(open_store())
    assert await again.find("alder") == [page]
    await again.store.close()


async def test_a_new_version_is_found_by_its_words_and_not_by_the_old(bench: Bench) -> None:
    page = await bench.write("about alder")
    assert await bench.find("alder") == [page]
    await bench.revise(page, "about beech")
    assert await bench.find("beech") == [page]
    assert await bench.find("alder") == []


async def test_a_session_finds_its_own_version_and_others_the_home_one(bench: Bench) -> None:
    page = await bench.write("about alder")
    await bench.revise(page, "about beech", session="s2")
    assert (await bench.find("beech", "s2"), await bench.find("alder", "s2")) == ([page], [])
    assert (await bench.find("beech"), await bench.find("alder")) == ([], [page])


async def test_a_session_that_is_not_there_yet_can_search(bench: Bench) -> None:
    page = await bench.write("about alder")
    assert await bench.find("alder", "never opened") == [page]
    assert await bench.find("alder", "never opened", scope="session") == []


async def test_a_search_within_the_session_finds_nothing_else(bench: Bench) -> None:
    await bench.write("about alder", session="s2")
    page = await bench.write("about alder")
    assert await bench.find("alder", scope="session") == [page]
    assert len(await bench.find("alder")) == 2


async def test_a_hit_names_the_session_its_page_was_written_in(bench: Bench) -> None:
    await bench.write("about alder", session="s2", importance=1.0, created_at=START)
    found = await bench.store.search(bench.workspace, "s1", Search("alder", workspace=0))
    (hit,) = found.hits
    assert found.sessions[hit.session] == "s2"
    assert (hit.page_id, hit.version, hit.created_at, found.backlog) == ("claim_1", 1, START, 0)


async def test_a_search_is_within_its_workspace(bench: Bench) -> None:
    await bench.write("about alder")
    other = await Bench.at(bench.store, "other")
    assert await other.find("alder") == []
    page = await other.write("alder again")
    assert await other.find("alder") == [page]
    assert len(await bench.find("alder")) == 1


async def test_more_pages_than_one_piece_of_the_index_are_all_found(bench: Bench) -> None:
    pages = [added(page_id=f"+{n}", content=-1 - n) for n in range(600)]
    contents = [f"tree {n} is an alder{n}".encode() for n in range(600)]
    await bench.do(*pages, contents=contents, new=["claim"] * 600)
    assert await bench.find("alder599") == ["claim_600"]
    assert await bench.find("alder0") == ["claim_1"]


async def test_a_forgotten_page_does_not_come_back_with_its_neighbours(bench: Bench) -> None:
    pages = [(await bench.say(f"message {n} about alder"))[1] for n in range(4)]
    assert sorted(await bench.find("alder")) == pages
    await bench.forget(pages[1])
    assert sorted(await bench.find("alder")) == [pages[0], *pages[2:]]
    later = (await bench.say("and alder again"))[1]
    assert later in await bench.find("alder")
