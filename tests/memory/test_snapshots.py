"""Checkpoints, going back to them, and forks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import MakeMemory, home
from tests.memory.making import (
    drop,
    in_process,
    keep,
    level_of,
    mapped,
    page_of,
    prose,
    recall,
    say,
    seated,
)

from pagefault.base.errors import FaultLimitExceeded, InvalidArgument, PinLimitExceeded
from pagefault.base.log import Checkpointed, Restored, Reverted, SessionOpened
from pagefault.ledger import StartRequest, start
from pagefault.memory.context import ContextRequest, build
from pagefault.memory.core import Memory, begin_turn
from pagefault.memory.exporting import export
from pagefault.memory.faulting import FaultRequest, fault
from pagefault.memory.forgetting import forget
from pagefault.memory.history import history
from pagefault.memory.importing import graft
from pagefault.memory.keeping import pin, release
from pagefault.memory.messages import build_messages
from pagefault.memory.snapshots import Checkpoint, checkpoint, checkpoints, fork, restore
from pagefault.memory.travel import at_position
from pagefault.memory.writing import WriteRequest, write
from pagefault.paging.eviction import POLICIES
from pagefault.paging.past import read_kept
from pagefault.residency import Residency
from pagefault.stores.contract import Commit

pytestmark = pytest.mark.anyio


async def text_of(memory: Memory, seat: Residency, page_id: str) -> str:
    page = await page_of(memory, seat, page_id)
    return await memory.text(seat.workspace, page.content)


def turn(seat: Residency) -> None:
    seat.decide(lambda s: begin_turn(s, "pause"))


async def forked(memory: Memory, seat: Residency, title: str | None = None) -> Residency:
    return await memory.seat(seat.workspace, (await fork(memory, seat, title)).session)


@dataclass(frozen=True)
class Shown:
    """A mapped page as far as a checkpoint keeps it. ``pin``: turns that its pin still holds."""

    version: int
    level: int
    tokens: int
    pin: int | bool | None


async def state(memory: Memory, seat: Residency) -> dict[str, Shown]:
    """What the store has of the session's mapped pages."""
    await seat.flush(memory.now())
    residents = await memory.store.residents(seat.workspace, seat.row.id)
    return {
        one.page_id: Shown(
            one.version,
            one.level,
            one.tokens,
            one.pinned and (one.pinned_until and one.pinned_until - seat.turn),
        )
        for one in residents
        if one.level is not None
    }


def in_the_set(seat: Residency) -> dict[str, tuple[int, int, int]]:
    return {page.page_id: (page.version, page.level, page.tokens) for page in seat.set.pages()}


# Checkpoints


async def test_a_checkpoint_says_when_and_how_much_was_mapped(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, prose(20))
    point = await checkpoint(memory, seat, "before the change")
    assert (point.name, point.turn, point.pages, point.tokens) == ("before the change", 1, 1, 20)
    assert (point.at, point.session, point.automatic) == (memory.now(), "s1", False)
    assert await checkpoints(memory, seat) == [point]
    line = (await memory.store.log(seat.workspace, point.position - 1, 1))[0]
    assert line.operation == Checkpointed(
        session="s1", name="before the change", pages=1, tokens=20, payload=point.payload
    )


async def test_a_checkpoint_without_a_name_gets_the_next_number(
    memory: Memory, seat: Residency
) -> None:
    names = [(await checkpoint(memory, seat, None)).name]
    names += [(await checkpoint(memory, seat, name)).name for name in ("3", None, " named ", None)]
    assert names == ["1", "3", "4", "named", "5"]


async def test_a_name_is_one_checkpoints(memory: Memory, seat: Residency) -> None:
    await checkpoint(memory, seat, "here")
    with pytest.raises(InvalidArgument, match=r"'here' is taken.*there are here"):
        await checkpoint(memory, seat, "here")
    other = await memory.seat(seat.workspace, "s2")
    assert (await checkpoint(memory, other, "here")).session == "s2"


async def test_a_name_has_at_most_64_characters(memory: Memory, seat: Residency) -> None:
    assert (await checkpoint(memory, seat, "x" * 64)).name == "x" * 64
    with pytest.raises(InvalidArgument, match="65 characters"):
        await checkpoint(memory, seat, "x" * 65)


async def test_two_servers_never_give_two_checkpoints_one_name(
    make_memory: MakeMemory, store_url: str
) -> None:
    if store_url.endswith(":memory:"):
        pytest.skip("a memory is one process's")
    async with seated(make_memory) as (first, seat):
        await checkpoint(first, seat, "a")
        async with make_memory() as second:
            there = await second.seat(await home(second), "s1")
            await checkpoint(second, there, None)
            assert (await checkpoint(first, seat, None)).name == "3"
            with pytest.raises(InvalidArgument, match="taken"):
                await checkpoint(second, there, "3")


# Going back


async def test_going_back_maps_what_was_mapped_and_releases_what_came_since(
    memory: Memory, seat: Residency
) -> None:
    first, second = await keep(memory, seat, prose(30)), await keep(memory, seat, prose(40, 1))
    await checkpoint(memory, seat, "a")
    before = await state(memory, seat)
    await drop(memory, seat, first)
    third = await keep(memory, seat, prose(10, 2))
    done = await restore(memory, seat, "a")
    assert (done.checkpoint.name, done.mapped, done.tokens) == ("a", 2, 70)
    assert (done.released, done.reverted) == ((third,), {})
    assert await state(memory, seat) == before
    assert set(in_the_set(seat)) == {first, second}
    assert seat.set.used == 70
    assert await text_of(memory, seat, third) == prose(10, 2)


async def test_levels_and_pins_come_back_and_later_ones_go(memory: Memory, seat: Residency) -> None:
    small, pinned, plain = [await keep(memory, seat, prose(60, n)) for n in range(3)]
    await release(memory, seat, [small], 3)
    await pin(memory, seat, pinned, pinned=True, turns=None)
    await checkpoint(memory, seat, "a")
    before = await state(memory, seat)
    await recall(memory, seat, small, target_level=0)
    await pin(memory, seat, pinned, pinned=False, turns=None)
    await pin(memory, seat, plain, pinned=True, turns=None)
    await release(memory, seat, [pinned], 3)
    await restore(memory, seat, "a")
    assert await state(memory, seat) == before
    assert level_of(seat, small) == before[small].level > 0
    assert [page.page_id for page in seat.set.pages() if page.is_pinned(seat.turn)] == [pinned]


async def test_the_eviction_policy_comes_back_with_a_checkpoint_and_goes_along_with_a_fork(
    memory: Memory, seat: Residency
) -> None:
    async def choose(policy: str) -> None:
        await start(memory, seat.workspace, StartRequest(seat.row.id, policy=policy))

    await say(memory, seat, "hello")
    plain = await checkpoint(memory, seat, "plain")
    await choose("lru")
    chosen = await checkpoint(memory, seat, "chosen")
    assert (plain.policy, chosen.policy) == (None, "lru")
    assert (await forked(memory, seat)).set.policy is POLICIES["lru"]
    await choose("cost")
    await restore(memory, seat, "chosen")
    assert seat.set.policy is POLICIES["lru"]
    await restore(memory, seat, "plain")
    assert seat.set.policy is memory.tools.policy


async def test_a_timed_pin_has_as_many_turns_left_as_it_had(
    memory: Memory, seat: Residency
) -> None:
    page = await keep(memory, seat, "one")
    await pin(memory, seat, page, pinned=True, turns=3)
    await checkpoint(memory, seat, "a")
    for _ in range(5):
        turn(seat)
    await restore(memory, seat, "a")
    known = seat.set.get(page)
    assert known is not None
    assert (known.is_pinned(seat.turn + 2), known.is_pinned(seat.turn + 3)) == (True, False)


async def test_pages_written_anew_read_as_they_did_and_nothing_is_lost(
    memory: Memory, seat: Residency
) -> None:
    page = await keep(memory, seat, "one")
    unmapped = await keep(memory, seat, "first")
    await drop(memory, seat, unmapped)
    await checkpoint(memory, seat, "a")
    await keep(memory, seat, "two", page_id=page)
    await keep(memory, seat, "three", page_id=page)
    await keep(memory, seat, "second", page_id=unmapped)
    done = await restore(memory, seat, "a")
    assert done.reverted == {page: 1, unmapped: 1}
    assert await text_of(memory, seat, page) == "one"
    assert await text_of(memory, seat, unmapped) == "first"
    past = await history(memory, seat, page, version=3)
    assert (len(past.versions), past.text) == (3, "three")
    assert [line.operation for line in past.lines if isinstance(line.operation, Reverted)] == [
        Reverted(session="s1", page_id=page, version=1)
    ]
    assert '"one"' in (await build(memory, seat, ContextRequest())).message
    assert (await write(memory, seat, WriteRequest("four", page_id=page))).version == 4


async def test_a_restore_is_undone_by_the_checkpoint_that_it_wrote(
    memory: Memory, seat: Residency
) -> None:
    page = await keep(memory, seat, "one")
    await checkpoint(memory, seat, "a")
    await keep(memory, seat, "two", page_id=page)
    later = await keep(memory, seat, "later")
    before = await state(memory, seat)
    undo = (await restore(memory, seat, "a")).undo
    assert later not in in_the_set(seat)
    points = await checkpoints(memory, seat)
    assert [(point.name, point.automatic) for point in points] == [("a", False), (undo, True)]
    await restore(memory, seat, undo)
    assert await state(memory, seat) == before
    assert await text_of(memory, seat, page) == "two"


async def test_a_restore_says_in_the_log_what_it_went_back_to(
    memory: Memory, seat: Residency
) -> None:
    page = await keep(memory, seat, "one")
    made = await checkpoint(memory, seat, "a")
    await drop(memory, seat, page)
    await restore(memory, seat, "a")
    lines = await memory.store.log(seat.workspace, 0, 100, session="s1")
    kinds = [line.operation.kind for line in lines]
    assert kinds[-3:] == ["checkpoint", "restore", "fault_in"]
    assert lines[-2].operation == Restored(session="s1", name="a", to=made.position)


async def test_what_was_forgotten_stays_forgotten_and_is_named(
    memory: Memory, seat: Residency
) -> None:
    kept, gone = await keep(memory, seat, "kept"), await keep(memory, seat, "gone")
    await checkpoint(memory, seat, "a")
    await forget(memory, seat, gone, "asked")
    done = await restore(memory, seat, "a")
    assert (done.mapped, done.forgotten) == (1, (gone,))
    assert mapped(seat) == [kept]


async def test_a_mapped_page_that_another_session_rewrote_reads_here_as_it_did(
    memory: Memory, seat: Residency
) -> None:
    other = await memory.seat(seat.workspace, "other")
    page = await keep(memory, other, "one")
    await recall(memory, seat, page)
    await checkpoint(memory, seat, "a")
    await keep(memory, other, "two", page_id=page)
    assert await text_of(memory, seat, page) == "two"
    assert (await restore(memory, seat, "a")).reverted == {page: 1}
    assert await text_of(memory, seat, page) == "one"
    assert await text_of(memory, other, page) == "two"


async def test_a_budget_that_has_become_smaller_holds(make_memory: MakeMemory) -> None:
    async with seated(make_memory) as (memory, seat):
        pages = [await keep(memory, seat, prose(100, n)) for n in range(5)]
        await checkpoint(memory, seat, "a")
        await start(memory, seat.workspace, StartRequest("s1", budget=350))
        done = await restore(memory, seat, "a")
        assert seat.set.used <= 350
        assert (done.mapped, len(done.left_out)) == (3, 2)
        assert set(done.left_out) < set(pages)


async def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(
    memory: Memory, seat: Residency
) -> None:
    with pytest.raises(InvalidArgument, match="there is none yet: action checkpoint"):
        await restore(memory, seat, "a")
    await checkpoint(memory, seat, "a")
    with pytest.raises(InvalidArgument, match=r"no checkpoint 'b'.*there are a"):
        await restore(memory, seat, "b")
    with pytest.raises(InvalidArgument, match="name is missing"):
        await restore(memory, seat, None)
    assert len(await checkpoints(memory, seat)) == 1


async def test_another_process_goes_back_to_what_this_one_named(
    make_memory: MakeMemory, store_url: str
) -> None:
    if store_url.endswith(":memory:"):
        pytest.skip("a memory ends with its process")
    async with seated(make_memory) as (memory, seat):
        page = await keep(memory, seat, "one")
        await pin(memory, seat, page, pinned=True, turns=None)
        await checkpoint(memory, seat, "a")
        await keep(memory, seat, "two", page_id=page)
        other = await keep(memory, seat, "other")
        await memory.flush()
        async with make_memory() as second:
            there = await second.seat(await home(second), "s1")
            done = await restore(second, there, "a")
            assert (done.released, done.reverted) == ((other,), {page: 1})
        await seat.refresh()
        assert mapped(seat) == [page]
        assert await text_of(memory, seat, page) == "one"
    async with seated(make_memory) as (memory, seat):
        assert [(page.page_id, page.pinned) for page in seat.set.pages()] == [(page, True)]


# Forks


async def test_a_fork_begins_where_its_parent_stands(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "hello")
    page = await keep(memory, seat, prose(60))
    await pin(memory, seat, page, pinned=True, turns=2)
    await release(memory, seat, [await keep(memory, seat, prose(50, 1))], 3)
    made = await fork(memory, seat, "another way")
    child = await memory.seat(seat.workspace, made.session)
    assert await state(memory, child) == await state(memory, seat)
    assert (made.pages, made.tokens, made.title) == (3, seat.set.used, "another way")
    assert (child.turn, child.row.messages, child.row.parent) == (1, 1, "s1")
    assert mapped(child) == mapped(seat)
    assert child.faults == seat.faults


async def test_a_fork_costs_a_line_and_one_for_each_mapped_page(
    memory: Memory, seat: Residency
) -> None:
    for number in range(30):
        await keep(memory, seat, prose(10, number))
    await drop(memory, seat, *(f"claim_{number + 1}" for number in range(25)))
    await memory.flush()
    before = await memory.store.totals(seat.workspace)
    await fork(memory, seat, None)
    after = await memory.store.totals(seat.workspace)
    assert after["lines"] - before["lines"] == 1 + 5
    assert after["contents"] == before["contents"]
    assert after["pages"] == before["pages"]


async def test_parent_and_fork_go_their_own_ways(memory: Memory, seat: Residency) -> None:
    page = await keep(memory, seat, "one")
    child = await forked(memory, seat)
    await keep(memory, seat, "the parent's", page_id=page)
    await keep(memory, child, "the fork's", page_id=page)
    await keep(memory, child, "new in the fork")
    await drop(memory, seat, page)
    assert await text_of(memory, seat, page) == "the parent's"
    assert await text_of(memory, child, page) == "the fork's"
    assert page in in_the_set(child)
    assert mapped(seat) == []


async def test_a_forks_messages_begin_with_its_parents(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "hello")
    child = await forked(memory, seat)
    await say(memory, seat, "unheard", role="assistant")
    await say(memory, child, "hi there", role="assistant")
    built = await build_messages(memory, child, ContextRequest(), "openai_chat")
    said = [(message["role"], message["content"]) for message in built.conversation.messages]
    assert said == [("user", "hello"), ("assistant", "hi there")]


async def test_a_fork_offers_the_unmapped_pages_of_its_parent(
    memory: Memory, seat: Residency
) -> None:
    page = await say(memory, seat, "hello from before")
    child = await forked(memory, seat)
    assert f'"{page}"' in (await build(memory, child, ContextRequest())).message
    await drop(memory, child, page)
    manifest = (await build(memory, child, ContextRequest())).message
    assert "hello from before" in manifest
    await child.flush(memory.now())
    assert "hello from before" in (await build(memory, child, ContextRequest())).message


async def test_going_back_reads_no_line_before_the_checkpoint_but_of_one_that_does_not_say(
    memory: Memory, seat: Residency, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await keep(memory, seat, "one")
    said = await checkpoint(memory, seat, "a")
    await seat.commit(
        lambda s: Commit(
            s.workspace,
            memory.now(),
            "model",
            [Checkpointed(session="s1", name="of an earlier release", pages=1, tokens=1)],
        )
    )
    read: list[int] = []
    moves = type(memory.store).moves

    async def watched(store: Any, workspace: Any, session: str, after: int, limit: int) -> Any:
        read.append(after)
        return await moves(store, workspace, session, after, limit)

    monkeypatch.setattr(type(memory.store), "moves", watched)
    for name, first in (("a", said.position), ("of an earlier release", 0)):
        await drop(memory, seat, page)
        read.clear()
        assert (await restore(memory, seat, name)).mapped == 1
        assert min(read) == first
        assert mapped(seat) == [page]


async def test_a_fork_goes_back_to_a_checkpoint_of_its_parent(
    memory: Memory, seat: Residency
) -> None:
    page = await keep(memory, seat, "one")
    other = await keep(memory, seat, "other")
    await checkpoint(memory, seat, "a")
    before = await state(memory, seat)
    await drop(memory, seat, other)
    await keep(memory, seat, "two", page_id=page)
    child = await forked(memory, seat)
    await keep(memory, child, "three", page_id=page)
    await checkpoint(memory, seat, "later")
    assert [point.name for point in await checkpoints(memory, child)] == ["a"]
    assert (await restore(memory, child, "a")).reverted == {page: 1}
    assert await state(memory, child) == before
    assert await text_of(memory, child, page) == "one"
    assert await text_of(memory, seat, page) == "two"


async def test_a_fork_has_a_title_of_at_most_200_characters(
    memory: Memory, seat: Residency
) -> None:
    with pytest.raises(InvalidArgument, match="201 characters"):
        await fork(memory, seat, "x" * 201)
    assert (await memory.store.totals(seat.workspace))["sessions"] == 0


async def test_a_session_that_nothing_happened_in_can_be_forked(
    memory: Memory, seat: Residency
) -> None:
    child = await forked(memory, seat, "empty")
    assert (mapped(child), child.turn, child.row.parent) == ([], 0, "s1")
    lines = await memory.store.log(seat.workspace, 0, 10)
    assert [type(line.operation) for line in lines] == [SessionOpened, SessionOpened]


async def test_a_fork_that_is_imported_under_new_ids_is_one_still(
    memory: Memory, seat: Residency
) -> None:
    page = await keep(memory, seat, "one", key="k")
    child = await forked(memory, seat)
    await keep(memory, seat, "two", page_id=page)
    await say(memory, child, "in the fork")
    await checkpoint(memory, child, "a")
    await memory.flush()
    items = [item async for item in export(memory.store, seat.workspace)]
    new = await home(memory, name="new")
    there = await memory.seat(new, "s1")
    await keep(memory, there, "what was there before")
    sessions: dict[str, str] = {}
    ids: dict[str, str] = {}
    async for piece in graft(memory, new, items):
        sessions |= piece.sessions
        ids |= piece.ids
    grafted = await memory.seat(new, sessions[child.row.id])
    assert (grafted.row.parent, grafted.turn, grafted.row.messages) == (sessions["s1"], 1, 1)
    assert sessions["s1"] != "s1"
    assert await text_of(memory, grafted, ids[page]) == "one"
    assert len(mapped(grafted)) == len(mapped(child))
    assert await memory.store.page_of_key(new, grafted.row.id, "k") == ids[page]
    assert [point.name for point in await checkpoints(memory, grafted)] == ["a"]


# After anything

acts = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "keep",
                "keep",
                "revise",
                "others",
                "supersede",
                "say",
                "fault",
                "drop",
                "shrink",
                "pin",
                "unpin",
                "turn",
                "forget",
                "checkpoint",
                "restore",
                "build",
            )
        ),
        st.integers(0, 30),
    ),
    max_size=14,
)


async def act(memory: Memory, seat: Residency, kind: str, number: int) -> None:
    """One thing that may happen; a limit that it meets is no matter here."""
    other = await memory.seat(seat.workspace, "other")
    pages = await memory.store.ids_like(seat.workspace, "page", "", 100)
    page = pages[number % len(pages)] if pages else None
    try:
        if kind == "keep":
            await keep(memory, seat, prose(5 + 2 * number, number))
        elif kind == "say":
            await say(memory, seat, prose(5 + number, number))
        elif kind == "turn":
            turn(seat)
        elif kind == "checkpoint":
            await checkpoint(memory, seat, None)
        elif kind == "build":
            await build(memory, seat, ContextRequest(budget=5_000))
        elif page is not None:
            await _act_on(memory, seat, other, kind, page, number)
    except (FaultLimitExceeded, PinLimitExceeded):
        pass


async def _act_on(
    memory: Memory, seat: Residency, other: Residency, kind: str, page: str, number: int
) -> None:
    if kind in ("revise", "others"):
        text = prose(5 + number, number + (40 if kind == "revise" else 80))
        await keep(memory, seat if kind == "revise" else other, text, page_id=page)
    elif kind == "supersede":
        request = WriteRequest(prose(5 + number, number + 120), supersedes=[page])
        await write(memory, other if number % 3 == 0 else seat, request)
    elif kind == "fault":
        await fault(memory, seat, FaultRequest(page, target_level=(0, 3)[number % 2]))
    elif kind in ("drop", "shrink"):
        await release(memory, seat, [page], 3 if kind == "shrink" else None)
    elif kind in ("pin", "unpin"):
        turns = number if number % 2 else None
        await pin(memory, seat, page, pinned=kind == "pin", turns=turns)
    elif kind == "forget":
        await forget(memory, other if number % 2 else seat, page, "asked")
    elif kind == "restore" and (points := await checkpoints(memory, seat)):
        await restore(memory, seat, points[number % len(points)].name)


async def texts_of(memory: Memory, seat: Residency, pages: Sequence[str]) -> dict[str, str]:
    found = await memory.store.pages(seat.workspace, pages, seat.row.id)
    return {
        page_id: await memory.text(seat.workspace, page.content) for page_id, page in found.items()
    }


several = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@several
@given(before=acts, since=acts)
async def test_after_anything_a_restore_gives_what_was_at_the_checkpoint(
    before: list[tuple[str, int]], since: list[tuple[str, int]]
) -> None:
    async with in_process(budget_tokens=200) as (memory, seat):
        for kind, number in before:
            await act(memory, seat, kind, number)
        point = await checkpoint(memory, seat, "here")
        await check_as_told(memory, seat, point)
        was = await state(memory, seat)
        texts = await texts_of(memory, seat, list(was))
        own = await own_pages(memory, seat)
        owned = await texts_of(memory, seat, own)
        links = await links_of(memory, seat, [*was, *own])
        for kind, number in since:
            await act(memory, seat, kind, number)
        done = await restore(memory, seat, "here")
        alive = await texts_of(memory, seat, [*was, *own])
        assert await state(memory, seat) == {
            page: shown for page, shown in was.items() if page in alive
        }
        assert set(done.forgotten) == was.keys() - alive.keys()
        assert done.left_out == ()
        for page, text in {**owned, **texts}.items():
            if page in alive:
                assert alive[page] == text
        there = await memory.store.pages(seat.workspace, list(links.values()), "s1")
        now = await links_of(memory, seat, list(links))
        for page, by in links.items():
            if page in alive and (by == "" or by in there):
                assert now[page] == by
        assert in_the_set(seat) == {
            page: (shown.version, shown.level, shown.tokens)
            for page, shown in (await state(memory, seat)).items()
        }
        assert seat.set.used <= 200


async def check_as_told(memory: Memory, seat: Residency, point: Checkpoint) -> None:
    """A checkpoint says of the mapped pages and the pins what all lines before it say."""
    kept = read_kept(await memory.text(seat.workspace, int(point.payload or 0)), 0, 0)
    told = await at_position(memory, seat, point.position)
    assert (kept.mapped, kept.pins) == (told.mapped, told.pins)


async def links_of(memory: Memory, seat: Residency, pages: Sequence[str]) -> dict[str, str]:
    """What stands in each page's place, as far as it was not forgotten; "" for the page itself."""
    found = await memory.store.pages(seat.workspace, pages, seat.row.id)
    return {name: next(iter(page.superseded_by), "") for name, page in found.items()}


async def own_pages(memory: Memory, seat: Residency) -> list[str]:
    """The session's own pages: no other session's writing changes what it reads in them."""
    pages = await memory.store.recent_pages(seat.workspace, seat.row.id, 1000)
    return [page.page_id for page in pages]
