"""What every store promises of pages: heads and branches, versions, levels, lists, derivation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.stores.making import Bench, added

from pagefault.base.log import Represented, Reverted
from pagefault.base.page import Page, Version

pytestmark = pytest.mark.anyio


async def test_a_page_comes_back_as_it_was_written(bench: Bench) -> None:
    await bench.write("a source")
    page = added(
        page_type="artifact",
        modality="structured",
        content=-1,
        hint=-2,
        payload=-3,
        tokens=7,
        size=9,
        source="tool",
        trust=1,
        importance=0.75,
        role="tool",
        name="grep",
        event_id="+1",
        tool_call_id="call_1",
        tool_name="grep",
        created_at=12.5,
        derived_from=("claim_1",),
        flagged="holds marks of roles or rules",
    )
    applied = await bench.do(page, contents=[b"{}", b"hint", b"payload"], new=["art", "evt"])
    assert await bench.store.page(bench.workspace, "art_1", "s1") == Page(
        page_id="art_1",
        page_type="artifact",
        modality="structured",
        session="s1",
        version=1,
        content=2,
        hint=3,
        payload=4,
        tokens=7,
        size=9,
        importance=0.75,
        source="tool",
        trust=1,
        recorded_at=bench.now,
        role="tool",
        name="grep",
        created_at=12.5,
        event_id="evt_1",
        tool_call_id="call_1",
        tool_name="grep",
        derived_from=("claim_1",),
        position=applied.position,
        flagged="holds marks of roles or rules",
    )


async def test_a_page_that_is_not_there_is_none(bench: Bench) -> None:
    assert await bench.store.page(bench.workspace, "claim_1", "s1") is None


# Heads and branches


async def test_a_version_written_elsewhere_is_that_sessions_own(bench: Bench) -> None:
    page = await bench.write("home")
    await bench.revise(page, "branch", session="s2")
    assert await bench.text(page, "s2") == "branch"
    assert await bench.text(page, "s1") == "home"
    assert await bench.text(page, "s3") == "home"


async def test_who_has_no_version_of_its_own_reads_what_home_wrote_last(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    assert await bench.text(page, "s2") == "two"
    await bench.revise(page, "three")
    assert await bench.text(page, "s2") == "three"


async def test_ones_own_version_stays_the_head_when_home_writes_on(bench: Bench) -> None:
    page = await bench.write("home")
    await bench.revise(page, "branch", session="s2")
    await bench.revise(page, "home again")
    assert await bench.text(page, "s2") == "branch"
    assert await bench.text(page) == "home again"


async def test_many_pages_are_read_each_at_its_head(bench: Bench) -> None:
    first, second = await bench.write("one"), await bench.write("two")
    await bench.revise(second, "mine", session="s2")
    found = await bench.store.pages(bench.workspace, [second, "claim_9", first], "s2")
    assert {page_id: page.version for page_id, page in found.items()} == {first: 1, second: 2}
    assert found[second] == await bench.store.page(bench.workspace, second, "s2")


async def test_versions_are_listed_oldest_first_with_their_branches(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two", session="s2")
    await bench.revise(page, "three")
    versions = await bench.store.versions(bench.workspace, page)
    assert [(v.version, v.parent, v.branch, v.content) for v in versions] == [
        (1, None, "s1", 1),
        (2, 1, "s2", 2),
        (3, 1, "s1", 3),
    ]
    position = (await bench.store.log(bench.workspace, 0, 100, page_id=page))[-1].position
    assert versions[-1] == Version(
        page, 3, 1, "s1", 3, 11, "model", 2, bench.now, position, size=44
    )


async def test_each_version_is_flagged_by_itself(bench: Bench) -> None:
    page = await bench.write("fine")
    flagged = replace(await bench.revision(page), flagged="poses")
    await bench.do(flagged, contents=[b"obey"])
    read = await bench.store.page(bench.workspace, page, "s1")
    assert read is not None
    assert (read.version, read.flagged) == (2, "poses")
    await bench.revise(page, "fine again")
    versions = await bench.store.versions(bench.workspace, page)
    assert [version.flagged for version in versions] == [None, "poses", None]
    await bench.do(Reverted(session="s1", page_id=page, version=2))
    found = await bench.store.pages(bench.workspace, [page], "s1")
    assert found[page].flagged == "poses"


async def test_an_old_version_can_still_be_read(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    old, _ = await bench.store.versions(bench.workspace, page)
    assert await bench.store.content(bench.workspace, old.content) == b"one"


# Levels beside level 0


def represented(page: str, **fields: Any) -> Represented:
    usual = {"version": 1, "level": 2, "origin": "model", "content": -1, "tokens": 3}
    return Represented(session="s1", page_id=page, **{**usual, **fields})


async def test_a_level_belongs_to_its_version(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.do(represented(page), contents=[b"short"])
    await bench.do(represented(page, level=1, origin="text/1", tokens=5), contents=[b"less"])
    await bench.revise(page, "two")
    store, workspace = bench.store, bench.workspace
    assert await store.representations(workspace, page, 1) == {
        1: ("text/1", 3, 5),
        2: ("model", 2, 3),
    }
    assert await store.representations(workspace, page, 2) == {}


async def test_a_better_level_takes_the_place_of_a_worse(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.do(represented(page, origin="text/1"), contents=[b"worse"])
    await bench.do(represented(page), contents=[b"better"])
    found = await bench.store.representations(bench.workspace, page, 1)
    assert found == {2: ("model", 3, 3)}


# Lists


async def test_the_latest_page_of_a_type_is_found_behind_any_number_of_others(
    bench: Bench,
) -> None:
    assert await bench.store.latest_page(bench.workspace, "s1", "summary") is None
    await bench.write(page_type="summary")
    wanted = await bench.write(page_type="summary")
    for _ in range(30):
        await bench.write(page_type="claim")
    found = await bench.store.latest_page(bench.workspace, "s1", "summary")
    assert found is not None
    assert found.page_id == wanted


async def test_recent_pages_are_what_stands_then_what_passes_newest_first(bench: Bench) -> None:
    await bench.say("first")
    await bench.write(page_type="claim")
    await bench.write(page_type="artifact")
    await bench.write(page_type="summary")
    await bench.say("last")
    await bench.write(session="s2")
    await bench.forget(await bench.write())
    found = await bench.store.recent_pages(bench.workspace, "s1", 10)
    assert [page.page_id for page in found] == ["sum_1", "claim_1", "msg_2", "art_1", "msg_1"]


async def test_recent_pages_are_at_most_so_many_of_each_kind(bench: Bench) -> None:
    for _ in range(4):
        await bench.say("word")
        await bench.write()
    found = await bench.store.recent_pages(bench.workspace, "s1", 2)
    assert [page.page_id for page in found] == ["claim_4", "claim_3", "msg_4", "msg_3"]


async def test_page_ids_are_completed_newest_first(bench: Bench) -> None:
    for _ in range(11):
        await bench.write()
    await bench.say("word")
    await bench.forget("claim_10")
    store, workspace = bench.store, bench.workspace
    assert await store.ids_like(workspace, "page", "claim_1", 10) == ["claim_11", "claim_1"]
    assert await store.ids_like(workspace, "page", "", 2) == ["msg_1", "claim_11"]
    assert await store.ids_like(workspace, "page", "%", 2) == []


async def test_session_handles_are_completed_last_active_first(bench: Bench) -> None:
    for session in ("alpha", "alps", "beta"):
        await bench.write(session=session)
    await bench.write(session="alpha")
    found = await bench.store.ids_like(bench.workspace, "session", "al", 10)
    assert found == ["alpha", "alps"]


# Derivation


async def test_derived_pages_are_found_at_any_depth(bench: Bench) -> None:
    root = await bench.write("root")
    child = await bench.write("child", derived_from=(root,))
    grandchild = await bench.write("grandchild", derived_from=(child, "claim_99"))
    await bench.write("stranger")
    derived = await bench.store.derived_pages(bench.workspace, root)
    assert sorted(derived) == [child, grandchild]


async def test_pages_derived_in_a_circle_are_each_found_once(bench: Bench) -> None:
    first = await bench.write("one")
    second = await bench.write("two", derived_from=(first,))
    circle = replace(await bench.revision(first), derived_from=(second,))
    await bench.do(circle, contents=[b"again"])
    derived = await bench.store.derived_pages(bench.workspace, first)
    assert sorted(derived) == [first, second]


async def test_a_page_may_derive_from_one_of_the_same_commit(bench: Bench) -> None:
    await bench.do(
        added(page_id="+0"),
        added(page_id="+1", derived_from=("+0",)),
        contents=[b"x"],
        new=["claim", "claim"],
    )
    assert await bench.store.derived_pages(bench.workspace, "claim_1") == ["claim_2"]


async def test_a_computed_level_does_not_take_the_place_of_a_models_own(bench: Bench) -> None:
    page = await bench.write("the page")

    async def represent(origin: str, text: bytes) -> None:
        level = Represented(
            session="s1", page_id=page, version=1, level=2, origin=origin, content=-1, tokens=3
        )
        await bench.do(level, contents=[text])

    for origin, text in (("text/1", b"a"), ("model", b"b"), ("text/2", b"c")):
        await represent(origin, text)
    kept = await bench.store.representations(bench.workspace, page, 1)
    assert [origin for origin, _, _ in kept.values()] == ["model"]
    await represent("model", b"d")
    kept = await bench.store.representations(bench.workspace, page, 1)
    assert [
        await bench.store.content(bench.workspace, number) for _, number, _ in kept.values()
    ] == [b"d"]
    await bench.forget(page)
    assert await bench.store.contents(bench.workspace, 0, 10) == []
