"""What every store promises of a page that is deleted for good."""

from __future__ import annotations

import pytest
from tests.stores.making import Bench, added, mapped, said

from pagefault.base.errors import PageForgotten, StoreDamaged
from pagefault.base.log import Forgotten, Pinned, Represented, SessionOpened
from pagefault.stores.contract import Conflict

pytestmark = pytest.mark.anyio


async def rich_page(bench: Bench) -> str:
    """A page with everything that a page can have."""
    event = said(page_id="+1", payload=-3)
    page = added(page_id="+1", page_type="transcript", event_id="+0", hint=-2, payload=-3)
    level = Represented(
        session="s1", page_id="+1", version=1, level=2, origin="model", content=-4, tokens=1
    )
    contents = [b"zanzibar", b"hint", b"payload", b"level"]
    applied = await bench.do(event, page, level, contents=contents, new=["evt", "msg"])
    page_id = applied.ids[1]
    await bench.revise(page_id, "zanzibar again")
    await bench.revise(page_id, "zanzibar elsewhere", session="s2")
    return page_id


async def test_every_content_of_a_forgotten_page_is_gone(bench: Bench) -> None:
    page = await rich_page(bench)
    assert len(await bench.store.contents(bench.workspace, 0, 10)) == 6
    await bench.forget(page)
    assert await bench.store.contents(bench.workspace, 0, 10) == []
    for content in range(1, 7):
        with pytest.raises(StoreDamaged):
            await bench.store.content(bench.workspace, content)
    assert await bench.store.representations(bench.workspace, page, 1) == {}


async def test_a_level_that_was_replaced_is_gone_with_its_page(bench: Bench) -> None:
    page = await bench.write("the page")
    for text in (b"first words for it", b"better words"):
        level = Represented(
            session="s1", page_id=page, version=1, level=2, origin="model", content=-1, tokens=3
        )
        await bench.do(level, contents=[text])
    assert len(await bench.store.contents(bench.workspace, 0, 10)) == 3
    await bench.forget(page)
    assert await bench.store.contents(bench.workspace, 0, 10) == []


async def test_a_forgotten_page_says_that_it_was_forgotten(bench: Bench) -> None:
    page = await bench.write()
    await bench.forget(page)
    with pytest.raises(PageForgotten, match=page):
        await bench.store.page(bench.workspace, page, "s1")
    with pytest.raises(PageForgotten):
        await bench.store.page(bench.workspace, page, "s2")
    assert await bench.store.pages(bench.workspace, [page], "s1") == {}


async def test_a_tombstone_stays_in_the_log(bench: Bench) -> None:
    page = await rich_page(bench)
    applied = await bench.forget(page, reason="privacy")
    tombstone = (await bench.store.log(bench.workspace, 0, 100, page_id=page))[-1]
    assert tombstone.operation == Forgotten(session="s1", page_id=page, reason="privacy")
    assert (tombstone.position, tombstone.at, tombstone.actor) == (
        applied.position,
        bench.now,
        "test",
    )


async def test_a_forgotten_page_is_found_by_no_search(bench: Bench) -> None:
    page = await rich_page(bench)
    assert await bench.find("zanzibar") == [page]
    await bench.forget(page)
    assert await bench.find("zanzibar") == []
    assert await bench.find("zanzibar", "s2") == []


async def test_a_page_forgotten_before_it_was_ever_searched_is_not_found(bench: Bench) -> None:
    await bench.forget(await rich_page(bench))
    assert await bench.find("zanzibar") == []


async def test_other_pages_stay_as_they_were(bench: Bench) -> None:
    kept = await bench.write("zanzibar is an island")
    await bench.do(mapped(kept), Pinned(session="s1", page_id=kept, pinned=True))
    before = await bench.store.residents(bench.workspace, "s1")
    await bench.forget(await rich_page(bench))
    assert await bench.text(kept) == "zanzibar is an island"
    assert await bench.find("zanzibar") == [kept]
    assert await bench.store.residents(bench.workspace, "s1") == before


async def test_a_forgotten_page_leaves_every_working_set(bench: Bench) -> None:
    page = await bench.write()
    await bench.do(SessionOpened(session="s2"), mapped(page), mapped(page, session="s2"))
    before = [(await bench.session(session)).revision for session in ("s1", "s2")]
    await bench.forget(page)
    for session, revision in zip(("s1", "s2"), before, strict=True):
        assert await bench.store.residents(bench.workspace, session) == []
        assert (await bench.session(session)).revision > revision


async def test_a_pin_on_a_page_that_is_not_mapped_is_a_change_for_its_session(
    bench: Bench,
) -> None:
    page = await bench.write()
    await bench.do(SessionOpened(session="s2"))
    await bench.do(Pinned(session="s2", page_id=page, pinned=True))
    before = (await bench.session("s2")).revision
    await bench.forget(page)
    assert (await bench.session("s2")).revision > before


async def test_a_forgotten_page_is_not_mapped_again(bench: Bench) -> None:
    page = await bench.write()
    await bench.forget(page)
    await bench.do(mapped(page), Pinned(session="s1", page_id=page, pinned=True))
    assert await bench.store.residents(bench.workspace, "s1") == []


async def test_a_version_planned_before_the_forgetting_is_not_kept(bench: Bench) -> None:
    page = await bench.write("one")
    late = await bench.revision(page)
    await bench.forget(page)
    answer = await bench.apply(late, contents=[b"two"], heads={("s1", page): 1})
    assert answer == Conflict(page)
    assert await bench.store.contents(bench.workspace, 0, 10) == []


async def test_a_level_planned_before_the_forgetting_is_not_kept(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.forget(page)
    late = Represented(
        session="s1", page_id=page, version=1, level=2, origin="model", content=-1, tokens=1
    )
    assert await bench.apply(late, contents=[b"short"]) == Conflict(page)
    assert await bench.store.contents(bench.workspace, 0, 10) == []


async def test_a_page_derived_from_a_forgotten_one_is_not_kept(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.forget(page)
    answer = await bench.apply(added(derived_from=(page,)), contents=[b"one"], new=["claim"])
    assert answer == Conflict(page)
    assert await bench.write() == "claim_2"


async def test_a_forgotten_page_is_not_among_the_derived(bench: Bench) -> None:
    root = await bench.write("root")
    child = await bench.write("child", derived_from=(root,))
    grandchild = await bench.write("grandchild", derived_from=(child,))
    await bench.forget(child)
    assert await bench.store.derived_pages(bench.workspace, root) == [grandchild]


async def test_a_page_is_forgotten_once(bench: Bench) -> None:
    page = await bench.write()
    await bench.forget(page, reason="first")
    await bench.forget(page, reason="second")
    with pytest.raises(PageForgotten):
        await bench.store.page(bench.workspace, page, "s1")


async def test_the_key_of_a_forgotten_page_still_answers_with_its_id(bench: Bench) -> None:
    page = await bench.write("one", key="k1")
    await bench.forget(page)
    again = await bench.do(added(key="k1"), contents=[b"one"], new=["claim"])
    assert again.ids == (page,)
    assert again.duplicates == {0}
    assert await bench.store.contents(bench.workspace, 0, 10) == []


async def test_the_log_holds_no_word_of_a_page(bench: Bench) -> None:
    page = await rich_page(bench)
    lines = await bench.store.log(bench.workspace, 0, 100)
    assert "zanzibar" not in repr([line.operation for line in lines])
    assert any(getattr(line.operation, "page_id", None) == page for line in lines)
