"""What every store promises of forks, of heads that go back, and of checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.test_store_log import on_one_store, told
from tests.stores.histories import Chronicle, Step, histories, steps
from tests.stores.making import Bench, added, mapped, said

from pagefault.base.log import (
    HERE,
    Checkpointed,
    Demoted,
    Evicted,
    Faulted,
    Operation,
    PageAdded,
    Pinned,
    Restored,
    Reverted,
    SessionChanged,
    SessionOpened,
    Touched,
    TurnBegan,
    VersionAdded,
)
from pagefault.index.document import Search
from pagefault.stores.contract import Conflict

pytestmark = pytest.mark.anyio


async def fork(bench: Bench, child: str = "s2", parent: str = "s1", **fields: Any) -> int:
    """Fork a session; the position of the fork."""
    opened = SessionOpened(session=child, parent=parent, forked_at=HERE, **fields)
    return (await bench.do(opened)).position


async def go_back(bench: Bench, page: str, version: int, session: str = "s1") -> int:
    return (await bench.do(Reverted(session=session, page_id=page, version=version))).position


async def ids(bench: Bench, session: str) -> list[str]:
    return [page.page_id for page in await bench.store.recent_pages(bench.workspace, session, 50)]


async def said_in(bench: Bench, session: str, after: int = 0, limit: int = 50) -> list[str]:
    lines = await bench.store.events(bench.workspace, session, after, limit)
    return [str(getattr(line.operation, "page_id", None)) for line in lines]


# Opening


async def test_a_fork_is_one_line_and_its_position_is_that_of_the_line(bench: Bench) -> None:
    await bench.write("one")
    before = await bench.positions()
    position = await fork(bench, title="another way")
    assert await bench.positions() == [*before, position]
    (line,) = await bench.store.log(bench.workspace, before[-1], 10)
    assert line.operation == SessionOpened(
        session="s2", parent="s1", forked_at=position, title="another way"
    )
    row = await bench.session("s2")
    assert (row.parent, row.forked_at, row.title) == ("s1", position, "another way")


async def test_a_fork_goes_on_from_its_parents_turn_counters_and_settings(bench: Bench) -> None:
    settings = {"model": "m", "budget": 900, "mode": "strict", "policy": "lru"}
    await bench.do(SessionChanged(session="s1", title="One", **settings))
    _, page = await bench.say("hello", begins_turn=True)
    await bench.say("yes", role="assistant")
    await bench.do(TurnBegan(session="s1", cause="pause"))
    await bench.do(Faulted(session="s1", page_id=page, reason="speculative", tokens=7))
    await fork(bench, budget=500)
    parent, child = await bench.session("s1"), await bench.session("s2")
    assert (child.turn, child.turn_cause, child.segment) == (2, "pause", 1)
    assert (child.faults, child.fault_tokens, child.total_faults) == (1, 7, 1)
    assert (child.messages, child.user_messages, child.ai_messages) == (2, 1, 1)
    assert (child.tokens, child.prompt_tokens, child.completion_tokens) == (
        parent.tokens,
        parent.prompt_tokens,
        parent.completion_tokens,
    )
    assert (child.title, child.model, child.budget, child.mode) == (None, "m", 500, "strict")
    assert child.policy == "lru"
    (line,) = await bench.store.log(bench.workspace, 0, 10, session="s2")
    assert line.turn == 2
    assert child.revision == 0


async def test_parent_and_fork_count_on_by_themselves(bench: Bench) -> None:
    await bench.say("hello", begins_turn=True)
    await fork(bench)
    await bench.say("more", begins_turn=True)
    await bench.say("other", "s2", begins_turn=True)
    await bench.say("another", "s2", begins_turn=True)
    parent, child = await bench.session("s1"), await bench.session("s2")
    assert (parent.turn, parent.messages) == (2, 2)
    assert (child.turn, child.messages) == (3, 3)


async def test_a_session_that_names_a_parent_and_no_position_is_no_fork(bench: Bench) -> None:
    await bench.say("hello", begins_turn=True)
    await bench.do(SessionOpened(session="s2", parent="s1"))
    row = await bench.session("s2")
    assert (row.parent, row.forked_at, row.turn, row.messages) == ("s1", None, 0, 0)
    assert await said_in(bench, "s2") == []


async def test_a_fork_of_nobody_is_refused_and_nothing_happens(bench: Bench) -> None:
    before = await bench.positions()
    with pytest.raises(LookupError, match="s9"):
        await fork(bench, parent="s9")
    assert await bench.positions() == before
    assert await bench.store.session(bench.workspace, "s2") is None


async def test_a_fork_and_its_working_set_come_in_one_commit(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.do(mapped(page))
    revision = (await bench.session()).revision
    operations: list[Operation] = [
        SessionOpened(session="s2", parent="s1", forked_at=HERE),
        mapped(page, session="s2"),
        Pinned(session="s2", page_id=page, pinned=True),
    ]
    stale = await bench.apply(*operations, expects={"s1": revision - 1, "s2": 0})
    assert stale == Conflict("s1")
    await bench.do(*operations, expects={"s1": revision, "s2": 0})
    (resident,) = await bench.store.residents(bench.workspace, "s2")
    assert (resident.page_id, resident.pinned) == (page, True)
    assert (await bench.session()).revision == revision


async def test_opening_a_fork_again_changes_nothing(bench: Bench) -> None:
    position = await fork(bench)
    await bench.say("hello", begins_turn=True)
    await fork(bench)
    await bench.do(SessionOpened(session="s2"))
    row = await bench.session("s2")
    assert (row.forked_at, row.turn) == (position, 0)


# Reading pages


async def test_a_fork_and_its_parent_read_what_each_wrote_since(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    await fork(bench)
    assert await bench.text(page, "s2") == "two"
    await bench.revise(page, "three")
    assert await bench.text(page, "s2") == "two"
    await bench.revise(page, "other", session="s2")
    assert (await bench.text(page), await bench.text(page, "s2")) == ("three", "other")
    await bench.revise(page, "four")
    assert (await bench.text(page), await bench.text(page, "s2")) == ("four", "other")


async def test_a_fork_of_a_fork_reads_up_to_each_fork(bench: Bench) -> None:
    first = await bench.write("one")
    second = await bench.write("one")
    third = await bench.write("one")
    await fork(bench, "s2", "s1")
    await bench.revise(second, "two", session="s2")
    await bench.revise(first, "unseen by s2")
    await fork(bench, "s3", "s2")
    await bench.revise(second, "unseen by s3", session="s2")
    await bench.revise(third, "three", session="s3")
    texts = [await bench.text(page, "s3") for page in (first, second, third)]
    assert texts == ["one", "two", "three"]
    assert [page.version for page in await many(bench, "s3", first, second, third)] == [1, 2, 2]


async def many(bench: Bench, session: str, *pages: str) -> list[Any]:
    found = await bench.store.pages(bench.workspace, pages, session)
    return [found[page] for page in pages]


async def test_a_fork_reads_another_sessions_page_as_that_session_has_it(bench: Bench) -> None:
    page = await bench.write("one", session="other")
    own = await bench.write("mine", session="other")
    await bench.revise(own, "as s1 has it")
    await fork(bench)
    await bench.revise(page, "two", session="other")
    await bench.revise(own, "as other has it", session="other")
    assert await bench.text(page, "s2") == "two"
    assert await bench.text(own, "s2") == "as s1 has it"


async def test_a_page_that_the_parent_made_since_is_read_like_anothers(bench: Bench) -> None:
    await fork(bench)
    page = await bench.write("one")
    await bench.revise(page, "two")
    assert await bench.text(page, "s2") == "two"
    assert await ids(bench, "s2") == []


async def test_a_head_is_checked_as_the_fork_reads_it(bench: Bench) -> None:
    page = await bench.write("one")
    await fork(bench)
    await bench.revise(page, "two")
    heads = {("s2", page): 2}
    revision = await bench.revision(page, "s2")
    assert revision.parent == 1
    assert await bench.apply(revision, contents=[b"x"], heads=heads) == Conflict(page)
    await bench.do(revision, contents=[b"x"], heads={("s2", page): 1})
    assert await bench.text(page, "s2") == "x"


async def test_a_forgotten_page_is_gone_from_every_fork(bench: Bench) -> None:
    page = await bench.write("secret")
    await fork(bench)
    await bench.do(mapped(page, session="s2"))
    await bench.forget(page)
    assert await bench.store.residents(bench.workspace, "s2") == []
    assert await ids(bench, "s2") == []


# Lists, events and keys


async def test_recent_pages_of_a_fork_go_back_through_its_parents(bench: Bench) -> None:
    first = await bench.write("one")
    await fork(bench, "s2", "s1")
    second = await bench.write("two", session="s2")
    await bench.write("not seen")
    await fork(bench, "s3", "s2")
    third = await bench.write("three", session="s3")
    await bench.write("not seen", session="s2")
    assert await ids(bench, "s3") == [third, second, first]
    store, workspace = bench.store, bench.workspace
    latest = await store.recent_pages(workspace, "s3", 2)
    assert [page.page_id for page in latest] == [third, second]
    await bench.do(mapped(second, session="s3"), mapped(first, session="s1"))
    unmapped = await store.recent_pages(workspace, "s3", 50, unmapped=True)
    assert [page.page_id for page in unmapped] == [third, first]


@pytest.mark.parametrize("later", [0, 1, 2, 7])
async def test_what_a_parent_made_later_is_not_in_the_list(bench: Bench, later: int) -> None:
    pages = [await bench.write(f"page {n}") for n in range(5)]
    await fork(bench)
    for n in range(later):
        await bench.write(f"later {n}")
    assert await ids(bench, "s2") == pages[::-1]


async def test_the_latest_page_of_a_type_may_be_the_parents(bench: Bench) -> None:
    summary = await bench.write("so far", page_type="summary")
    await fork(bench)
    await bench.write("later", page_type="summary")
    store, workspace = bench.store, bench.workspace
    found = await store.latest_page(workspace, "s2", "summary")
    assert found is not None
    assert found.page_id == summary
    assert await store.latest_page(workspace, "s2", "procedure") is None
    newer = await bench.write("since then", page_type="summary", session="s2")
    found = await store.latest_page(workspace, "s2", "summary")
    assert found is not None
    assert found.page_id == newer


async def test_events_of_a_fork_begin_with_its_parents(bench: Bench) -> None:
    for number in range(3):
        await bench.say(f"before {number}")
    await fork(bench, "s2", "s1")
    await bench.say("the parent's alone")
    await bench.say("the fork's", "s2")
    await fork(bench, "s3", "s2")
    await bench.say("the last", "s3")
    whole = await bench.store.events(bench.workspace, "s3", 0, 50)
    assert await said_in(bench, "s3") == ["msg_1", "msg_2", "msg_3", "msg_5", "msg_6"]
    assert await said_in(bench, "s3", limit=2) == ["msg_1", "msg_2"]
    assert await said_in(bench, "s3", after=whole[1].position, limit=2) == ["msg_3", "msg_5"]
    assert await said_in(bench, "s3", after=whole[3].position) == ["msg_6"]
    own = await bench.store.log(bench.workspace, 0, 50, session="s3")
    assert {line.operation.session for line in own} == {"s3"}


async def test_a_key_from_before_the_fork_is_a_repeat_in_it(bench: Bench) -> None:
    await bench.say("hello", key="k1")
    claim = await bench.write("one", key="c1")
    await fork(bench)
    before = await bench.positions()
    again = await bench.do(
        said(session="s2", key="k1", page_id="+1"),
        added(session="s2", page_id="+1", page_type="transcript", event_id="+0", key="k1"),
        contents=[b"hello"],
        new=["evt", "msg"],
    )
    assert (again.ids, again.duplicates) == (("evt_1", "msg_1"), {0, 1})
    assert await bench.write("one", key="c1", session="s2") == claim
    assert await bench.positions() == before
    store, workspace = bench.store, bench.workspace
    assert await store.page_of_key(workspace, "s2", "c1") == claim
    found = await store.page(workspace, "c1", "s2")
    assert found is not None
    assert found.page_id == claim


async def test_a_key_that_is_used_after_the_fork_is_each_ones_own(bench: Bench) -> None:
    await fork(bench)
    first = await bench.write("one", key="k")
    assert await bench.store.page_of_key(bench.workspace, "s2", "k") is None
    second = await bench.write("two", key="k", session="s2")
    assert first != second
    assert await bench.store.page_of_key(bench.workspace, "s1", "k") == first
    assert await bench.store.page_of_key(bench.workspace, "s2", "k") == second


# Going back


async def test_a_session_goes_back_to_an_earlier_version_and_on_from_it(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    await go_back(bench, page, 1)
    assert await bench.text(page) == "one"
    assert len(await bench.store.versions(bench.workspace, page)) == 2
    await go_back(bench, page, 2)
    assert await bench.text(page) == "two"
    await go_back(bench, page, 1)
    assert (await bench.revision(page)).parent == 1
    assert await bench.revise(page, "three") == 3
    assert await bench.text(page) == "three"


async def test_who_reads_a_page_at_its_home_goes_back_with_it(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    assert await bench.text(page, "s9") == "two"
    await go_back(bench, page, 1)
    assert await bench.text(page, "s9") == "one"


async def test_a_session_may_go_back_to_what_another_wrote(bench: Bench) -> None:
    page = await bench.write("one", session="other")
    await bench.revise(page, "mine")
    await bench.revise(page, "theirs", session="other")
    await go_back(bench, page, 1)
    assert (await bench.text(page), await bench.text(page, "other")) == ("one", "theirs")


async def test_a_fork_reads_what_its_parent_had_gone_back_to_by_then(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    await fork(bench, "before")
    await go_back(bench, page, 1)
    await fork(bench, "between")
    await bench.revise(page, "three")
    await fork(bench, "after")
    texts = [await bench.text(page, session) for session in ("before", "between", "after")]
    assert texts == ["two", "one", "three"]


async def test_a_forgotten_page_is_not_gone_back_to(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.revise(page, "two")
    await bench.forget(page)
    back = Reverted(session="s1", page_id=page, version=1)
    assert await bench.apply(back) == Conflict(page)


# Search


async def test_a_search_finds_the_version_that_was_gone_back_to(bench: Bench) -> None:
    page = await bench.write("about alder")
    await bench.revise(page, "about beech")
    assert (await bench.find("alder"), await bench.find("beech")) == ([], [page])
    await go_back(bench, page, 1)
    assert (await bench.find("alder"), await bench.find("beech")) == ([page], [])
    await go_back(bench, page, 2)
    assert (await bench.find("alder"), await bench.find("beech")) == ([], [page])
    await bench.revise(page, "about cedar")
    assert [await bench.find(word) for word in ("alder", "beech", "cedar")] == [[], [], [page]]


async def test_a_session_that_went_back_to_anothers_version_finds_that(bench: Bench) -> None:
    page = await bench.write("about alder", session="other")
    await bench.revise(page, "about beech")
    await go_back(bench, page, 1)
    await bench.revise(page, "about cedar", session="other")
    assert await bench.find("alder") == [page]
    assert await bench.find("cedar") == []
    assert await bench.find("cedar", "other") == [page]


async def test_a_fork_finds_pages_by_what_it_reads_in_them(bench: Bench) -> None:
    page = await bench.write("about alder")
    await fork(bench)
    await bench.revise(page, "about beech")
    assert (await bench.find("alder", "s2"), await bench.find("beech", "s2")) == ([page], [])
    assert (await bench.find("alder"), await bench.find("beech")) == ([], [page])
    await bench.revise(page, "about cedar", session="s2")
    assert (await bench.find("alder", "s2"), await bench.find("cedar", "s2")) == ([], [page])
    assert await bench.find("cedar") == []


async def test_a_fork_finds_the_pages_of_its_conversation_and_of_the_others(bench: Bench) -> None:
    before = await bench.write("alder before")
    foreign = await bench.write("alder elsewhere", session="other")
    await fork(bench)
    later = await bench.write("alder later")
    own = await bench.write("alder of its own", session="s2")
    assert set(await bench.find("alder", "s2")) == {before, foreign, later, own}
    assert set(await bench.find("alder", "s2", scope="session")) == {before, own}
    assert set(await bench.find("alder", "s1", scope="session")) == {before, later}


async def test_a_fork_finds_what_a_page_was_gone_back_to_when_it_was_made(bench: Bench) -> None:
    page = await bench.write("about alder")
    await bench.revise(page, "about beech")
    await go_back(bench, page, 1)
    await fork(bench)
    await go_back(bench, page, 2)
    assert (await bench.find("alder", "s2"), await bench.find("beech", "s2")) == ([page], [])
    await bench.forget(page)
    assert await bench.find("alder", "s2") == []


# Moves and checkpoints


async def test_moves_say_what_a_session_maps_pins_and_reads(bench: Bench) -> None:
    page = await bench.write("one")
    await bench.say("hello", begins_turn=True)
    await bench.do(
        mapped(page),
        Touched(session="s1", page_id=page),
        Demoted(session="s1", page_id=page, level=3, tokens=2),
        Pinned(session="s1", page_id=page, pinned=True),
        Faulted(session="s1", page_id=page, reason="speculative", tokens=1),
        Evicted(session="s1", page_id=page, cause="asked"),
        TurnBegan(session="s1", cause="pause"),
    )
    await bench.revise(page, "two")
    await go_back(bench, page, 1)
    await bench.do(SessionOpened(session="s2"), mapped(page, session="s2"))
    moves = await bench.store.moves(bench.workspace, "s1", 0, 50)
    kinds = [move.operation.kind for move in moves]
    assert kinds == ["fault_in", "demote", "pin", "evict", "version", "revert"]
    assert not any(isinstance(move.operation, PageAdded) for move in moves)
    assert isinstance(moves[4].operation, VersionAdded)
    assert await bench.store.moves(bench.workspace, "s1", moves[2].position, 2) == moves[3:5]
    assert len(await bench.store.moves(bench.workspace, "s2", 0, 50)) == 1
    assert await bench.store.moves(bench.workspace, "nobody", 0, 50) == []


async def test_checkpoints_are_listed_with_those_of_the_parents_before_the_fork(
    bench: Bench,
) -> None:
    await mark(bench, "a")
    await mark(bench, "b")
    await fork(bench)
    await mark(bench, "later")
    await mark(bench, "c", "s2")
    assert await marks(bench, "s2") == ["a", "b", "c"]
    assert await marks(bench, "s1") == ["a", "b", "later"]
    assert await marks(bench, "nobody") == []


async def mark(bench: Bench, name: str, session: str = "s1") -> None:
    await bench.do(Checkpointed(session=session, name=name, pages=2, tokens=30))


async def marks(bench: Bench, session: str) -> list[str]:
    lines = await bench.store.checkpoints(bench.workspace, session)
    assert all(isinstance(line.operation, Checkpointed) for line in lines)
    return [str(getattr(line.operation, "name", None)) for line in lines]


async def test_a_checkpoint_and_a_restore_are_noticed_by_who_plans_on_the_session(
    bench: Bench,
) -> None:
    for operation in (
        Checkpointed(session="s1", name="a", pages=0, tokens=0),
        Restored(session="s1", name="a"),
    ):
        revision = (await bench.session()).revision
        await bench.do(operation, expects={"s1": revision})
        assert await bench.apply(operation, expects={"s1": revision}) == Conflict("s1")


# After any history

# What changes a page for everybody, or makes a session.
_FOR_ALL = ("forget", "represent", "fork", "archive", "unarchive")
later = st.lists(steps.filter(lambda step: step.kind not in _FOR_ALL and not step.stale))


async def as_read(chronicle: Chronicle, session: str, pages: Sequence[str]) -> list[object]:
    """All that a session sees of what there was, but for a search: others' words count in it."""
    store, workspace = chronicle.bench.store, chronicle.bench.workspace
    return [
        await store.session(workspace, session),
        await store.residents(workspace, session),
        await store.pages(workspace, pages, session),
        await store.recent_pages(workspace, session, 100),
        await store.events(workspace, session, 0, 1000),
        await store.moves(workspace, session, 0, 1000),
        await store.checkpoints(workspace, session),
        await store.calls(workspace, session, 0, 1000),
    ]


@on_one_store
@given(history=histories, parents=later, forks=later)
async def test_parent_and_fork_do_not_see_what_the_other_does(
    bench: Bench, history: list[Step], parents: list[Step], forks: list[Step]
) -> None:
    chronicle = await told(bench.store, [step for step in history if step.kind != "fork"])
    await chronicle.bench.do(SessionOpened(session="s1"))
    pages = list(chronicle.pages)
    await fork(chronicle.bench, "f1", "s1")
    parent, child = [await as_read(chronicle, name, pages) for name in ("s1", "f1")]
    assert child[2] == parent[2]
    assert child[3:5] == parent[3:5]
    await chronicle.tell([replace(step, session="f1") for step in forks])
    assert await as_read(chronicle, "s1", pages) == parent
    child = await as_read(chronicle, "f1", pages)
    await chronicle.tell([replace(step, session="s1") for step in parents])
    assert await as_read(chronicle, "f1", pages) == child


@on_one_store
@given(history=histories)
async def test_a_search_finds_each_page_by_the_version_that_is_read(
    bench: Bench, history: list[Step]
) -> None:
    chronicle = await told(bench.store, history)
    bench, store = chronicle.bench, chronicle.bench.store
    for session in ("s1", "f1", "f2"):
        if await store.session(bench.workspace, session) is None:
            continue
        read = await store.pages(bench.workspace, chronicle.pages, session)
        for word in ("alder", "cedar"):
            search = Search(word, workspace=0, limit=200)
            found = await store.search(bench.workspace, session, search)
            hits = {hit.page_id: (hit.version, hit.content) for hit in found.hits}
            now = {name: (page.version, page.content) for name, page in read.items()}
            assert hits.items() <= now.items()  # a turn beside one with the word is found as well
            assert {name for name in now if word in await bench.text(name, session)} <= set(hits)
