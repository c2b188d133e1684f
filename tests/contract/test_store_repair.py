"""What a store keeps beside the log: compared with it, and made what the log says again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from tests.contract.test_store_log import on_one_store, told
from tests.stores.histories import SESSIONS, Step, everything, histories
from tests.stores.making import Bench, mapped

from pagefault.base.log import Mended, Pinned, TurnBegan
from pagefault.stores.contract import Examination
from pagefault.stores.folding import COUNTERS, Disagreement, Spot, Standing

pytestmark = pytest.mark.anyio

WHOLE = Examination([], [], [], [])


async def live(bench: Bench) -> tuple[str, str]:
    """Two pages: one is mapped and pinned, one is mapped at a level."""
    first, second = await bench.write("alder"), await bench.write("beech")
    await bench.say("hello", begins_turn=True)
    await bench.do(
        mapped(first),
        mapped(second, level=2, tokens=3),
        Pinned(session="s1", page_id=first, pinned=True),
    )
    return first, second


async def found_by(bench: Bench, standing: Standing) -> Disagreement:
    """The session as something else than it is, at its present revision."""
    revision = (await bench.session()).revision
    return Disagreement("s1", revision, ("told so",), standing)


async def test_a_store_in_which_nothing_is_wrong_is_whole(bench: Bench) -> None:
    await live(bench)
    assert await bench.store.examine(bench.workspace) == WHOLE
    assert await bench.find("alder") == ["claim_1"]
    assert await bench.store.examine(bench.workspace) == WHOLE


@on_one_store
@given(history=histories)
async def test_after_any_history_the_store_is_what_its_log_says(
    bench: Bench, history: list[Step]
) -> None:
    chronicle = await told(bench.store, history)
    there = chronicle.bench
    found = await there.store.examine(there.workspace)
    assert found == WHOLE
    await there.find("alder")
    assert await there.store.examine(there.workspace) == WHOLE


async def test_a_session_is_made_what_it_is_told_to_be_and_back(bench: Bench) -> None:
    first, second = await live(bench)
    before = await everything(bench)
    wrong = Standing(mapped={second: Spot(1, 0, 700, 1, 1, 1, 0)}, pins={second: 9})
    row = await bench.session()
    wrong.counters = {name: getattr(row, name) for name in COUNTERS} | {"messages": 40}
    assert await bench.store.restate(bench.workspace, await found_by(bench, wrong))
    assert (await bench.session()).messages == 40
    pages = await bench.store.residents(bench.workspace, "s1")
    assert [(one.page_id, one.tokens, one.pinned_until) for one in pages] == [(second, 700, 9)]
    found = await bench.store.examine(bench.workspace)
    (disagreement,) = found.sessions
    words = " ".join(disagreement.details)
    assert "messages is 40, by the log 1" in words
    assert f"{first} is not mapped, by the log mapped at level 0" in words
    assert f"{first} is not pinned" in words
    assert f"{second} is pinned, by the log it is not so" in words
    assert await bench.store.restate(bench.workspace, disagreement)
    assert await everything(bench) == before
    assert await bench.store.examine(bench.workspace) == WHOLE


async def test_a_session_that_has_changed_since_is_left_alone(bench: Bench) -> None:
    await live(bench)
    wrong = await found_by(bench, Standing())
    await bench.do(TurnBegan(session="s1", cause="pause"), durable=False)
    before = await everything(bench)
    assert not await bench.store.restate(bench.workspace, wrong)
    assert not await bench.store.restate(bench.workspace, replace(wrong, session="s9"))
    assert await everything(bench) == before


async def test_a_mended_session_has_another_revision_so_that_others_read_it_anew(
    bench: Bench,
) -> None:
    await live(bench)
    before = (await bench.session()).revision
    await bench.do(Mended(session="s1", found=("what was wrong",)))
    assert (await bench.session()).revision == before + 1


async def test_renumbering_what_is_right_changes_nothing(bench: Bench) -> None:
    await live(bench)
    before = await everything(bench)
    await bench.store.renumber(bench.workspace)
    assert await everything(bench) == before
    assert await bench.write("next") == "claim_3"


async def test_a_rebuilt_index_finds_what_it_found(bench: Bench) -> None:
    first, _ = await live(bench)
    assert await bench.find("alder") == [first]
    await bench.store.rebuild_index(bench.workspace)
    assert (await bench.store.totals(bench.workspace))["unindexed"] > 0
    assert await bench.find("alder") == [first]
    assert await bench.find("hello", SESSIONS[0]) == ["msg_1"]
