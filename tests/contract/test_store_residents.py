"""What every store promises of a session's mapped pages: recency, levels, evictions, pins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.stores.making import Bench, added, mapped

from pagefault.base.log import Demoted, Evicted, Pinned, SessionOpened, Touched, TurnBegan
from pagefault.stores.contract import Resident

pytestmark = pytest.mark.anyio


async def pages(bench: Bench, number: int) -> list[str]:
    return [await bench.write(f"page {index}") for index in range(number)]


async def residents(bench: Bench, session: str = "s1") -> list[Resident]:
    return await bench.store.residents(bench.workspace, session)


async def levels(bench: Bench, session: str = "s1") -> list[tuple[str, int | None]]:
    return [(one.page_id, one.level) for one in await residents(bench, session)]


async def test_a_mapped_page_comes_back_with_all_that_a_policy_needs(bench: Bench) -> None:
    _, page = await bench.say("hello", begins_turn=True)
    mapping = mapped(page, level=2, tokens=4, protected_until=3)
    applied = await bench.do(mapping, Pinned(session="s1", page_id=page, pinned=True, until_turn=5))
    assert await residents(bench) == [
        Resident(
            page_id=page,
            version=1,
            level=2,
            tokens=4,
            touched=applied.position - 1,
            turn=1,
            mapped_turn=1,
            protected_until=3,
            pinned=True,
            pinned_until=5,
            page_type="transcript",
            importance=0.5,
            content=1,
            role="user",
            modality="text",
        )
    ]


async def test_a_resident_has_the_modality_of_the_version_that_is_mapped(bench: Bench) -> None:
    page = await bench.write("words")
    await bench.do(mapped(page))
    assert [one.modality for one in await residents(bench)] == ["text"]
    values = replace(await bench.revision(page), modality="structured")
    await bench.do(values, mapped(page, version=2), contents=[b'{"now":"values"}'])
    assert [one.modality for one in await residents(bench)] == ["structured"]


async def test_residents_come_least_recently_used_first(bench: Bench) -> None:
    first, second, third = await pages(bench, 3)
    await bench.do(mapped(second), mapped(first), mapped(third))
    assert [one.page_id for one in await residents(bench)] == [second, first, third]
    await bench.do(Touched(session="s1", page_id=second))
    assert [one.page_id for one in await residents(bench)] == [first, third, second]


async def test_mapping_again_at_another_level_leaves_one_place(bench: Bench) -> None:
    (page,) = await pages(bench, 1)
    await bench.do(mapped(page), mapped(page, level=3, tokens=2))
    assert [(one.level, one.tokens) for one in await residents(bench)] == [(3, 2)]


async def test_a_demoted_page_has_its_new_level_and_tokens(bench: Bench) -> None:
    (page,) = await pages(bench, 1)
    await bench.do(mapped(page), Demoted(session="s1", page_id=page, level=3, tokens=2))
    assert [(one.level, one.tokens) for one in await residents(bench)] == [(3, 2)]


async def test_a_page_that_was_demoted_by_request_was_used_and_one_that_had_to_be_was_not(
    bench: Bench,
) -> None:
    first, second, third = await pages(bench, 3)
    await bench.do(mapped(first), mapped(second), mapped(third))
    await bench.do(TurnBegan(session="s1", cause="pause"))
    await bench.do(
        Demoted(session="s1", page_id=first, level=3, tokens=2),
        Demoted(session="s1", page_id=second, level=3, tokens=2, cause="idle"),
    )
    used = [(one.page_id, one.turn, one.level) for one in await residents(bench)]
    assert used == [(second, 0, 3), (third, 0, 0), (first, 1, 3)]


async def test_an_evicted_page_is_remembered_with_the_turn_of_its_eviction(bench: Bench) -> None:
    (page,) = await pages(bench, 1)
    await bench.do(mapped(page))
    await bench.do(TurnBegan(session="s1", cause="pause"), TurnBegan(session="s1", cause="pause"))
    await bench.do(Evicted(session="s1", page_id=page, cause="claim_9"))
    (gone,) = await residents(bench)
    assert (gone.level, gone.tokens, gone.turn) == (None, 0, 2)


async def test_an_evicted_page_can_be_mapped_again(bench: Bench) -> None:
    (page,) = await pages(bench, 1)
    await bench.do(mapped(page), Evicted(session="s1", page_id=page, cause="x"), mapped(page))
    assert await levels(bench) == [(page, 0)]


async def test_a_touch_does_not_map_a_page(bench: Bench) -> None:
    kept, gone = await pages(bench, 2)
    await bench.do(mapped(gone), Evicted(session="s1", page_id=gone, cause="x"))
    await bench.do(Touched(session="s1", page_id=kept), Touched(session="s1", page_id=gone))
    assert await levels(bench) == [(gone, None)]


async def test_a_pin_is_lifted(bench: Bench) -> None:
    (page,) = await pages(bench, 1)
    await bench.do(mapped(page), Pinned(session="s1", page_id=page, pinned=True))
    assert [(one.pinned, one.pinned_until) for one in await residents(bench)] == [(True, None)]
    await bench.do(Pinned(session="s1", page_id=page, pinned=False))
    assert [one.pinned for one in await residents(bench)] == [False]


async def test_a_pin_outlives_a_remapping(bench: Bench) -> None:
    (page,) = await pages(bench, 1)
    await bench.do(mapped(page), Pinned(session="s1", page_id=page, pinned=True))
    await bench.do(mapped(page, level=3))
    assert [one.pinned for one in await residents(bench)] == [True]


async def test_a_new_version_leaves_the_old_one_mapped(bench: Bench) -> None:
    (page,) = await pages(bench, 1)
    await bench.do(mapped(page))
    await bench.revise(page, "again")
    assert [(one.version, one.content) for one in await residents(bench)] == [(1, 1)]


async def test_every_session_has_a_working_set_of_its_own(bench: Bench) -> None:
    first, second = await pages(bench, 2)
    await bench.do(SessionOpened(session="s2"))
    await bench.do(mapped(first), mapped(second, session="s2"))
    assert await levels(bench) == [(first, 0)]
    assert await levels(bench, "s2") == [(second, 0)]
    assert await levels(bench, "s3") == []


async def test_a_page_is_mapped_and_pinned_in_the_commit_that_makes_it(bench: Bench) -> None:
    pinned = Pinned(session="s1", page_id="+0", pinned=True)
    await bench.do(added(), mapped("+0"), pinned, contents=[b"x"], new=["claim"])
    assert [(one.page_id, one.pinned) for one in await residents(bench)] == [("claim_1", True)]


async def test_an_eviction_may_name_the_page_that_took_the_room(bench: Bench) -> None:
    old = await bench.write("old")
    await bench.do(mapped(old))
    evicted = Evicted(session="s1", page_id=old, cause="+0")
    await bench.do(added(), evicted, mapped("+0"), contents=[b"x"], new=["claim"])
    assert await levels(bench) == [(old, None), ("claim_2", 0)]
    lines = await bench.store.log(bench.workspace, 0, 100, page_id=old)
    assert lines[-1].operation == Evicted(session="s1", page_id=old, cause="claim_2")
