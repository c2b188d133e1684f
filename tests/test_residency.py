"""The working set's way into the store: written behind, planned anew, back after a restart."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import CountingIds, HandClock, home
from tests.memory.making import (
    MakeMemory,
    drop,
    keep,
    level_of,
    mapped,
    page_of,
    prose,
    recall,
    say,
    seated,
)

from pagefault.base.config import Settings
from pagefault.base.errors import FaultLimitExceeded, PageNotFound, WriteConflict
from pagefault.base.log import Evicted, Faulted
from pagefault.base.tokens import open_tokenizer
from pagefault.memory.behind import prepare, settle
from pagefault.memory.core import Memory, Tools
from pagefault.memory.forgetting import forget
from pagefault.memory.keeping import pin, release
from pagefault.memory.opening import find_policy
from pagefault.paging.resident import Mapped
from pagefault.residency import Residency
from pagefault.stores.contract import Applied, Commit, Conflict, Resident, Store
from pagefault.stores.opening import Options, opener

pytestmark = pytest.mark.anyio
on_file = pytest.mark.parametrize("store_url", ["file"], indirect=True)


async def stored(memory: Memory, seat: Residency) -> list[Resident]:
    """The mapped pages as the store has them, least recently used first."""
    residents = await memory.store.residents(seat.workspace, seat.row.id)
    return [one for one in residents if one.level is not None]


async def stored_ids(memory: Memory, seat: Residency) -> list[str]:
    return [one.page_id for one in await stored(memory, seat)]


@asynccontextmanager
async def two_servers(
    make_memory: MakeMemory, **settings: Any
) -> AsyncIterator[tuple[Memory, Memory]]:
    async with make_memory(**settings) as one, make_memory(**settings) as two:
        await one.ready()
        await two.ready()
        yield one, two


async def seat_in(memory: Memory) -> Residency:
    """The session as a call would find it now."""
    return await memory.seat(await home(memory), "s1")


# --- written behind ----------------------------------------------------------------------------


async def test_a_decision_holds_at_once_and_is_written_later(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "text")
    assert mapped(seat) == [page_id]
    assert seat.pending
    assert seat.unwritten == {page_id}
    assert await stored_ids(memory, seat) == []
    await memory.flush()
    assert not seat.pending
    assert seat.unwritten == set()
    assert await stored_ids(memory, seat) == [page_id]


async def test_a_settled_session_is_written_without_anybody_waiting(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "text")
    settle(memory, seat)
    settle(memory, seat)
    with anyio.fail_after(10):
        while seat.pending:
            await anyio.lowlevel.checkpoint()
    assert await stored_ids(memory, seat) == [page_id]


async def test_decisions_ride_with_the_next_record_and_before_it(
    memory: Memory, seat: Residency
) -> None:
    first = await say(memory, seat, "one")
    await say(memory, seat, "two")
    assert await stored_ids(memory, seat) == [first]
    log = await memory.store.log(seat.workspace, 0, 100, session="s1")
    assert [line.operation.kind for line in log] == [
        "session",
        "event",
        "page",
        "fault_in",
        "event",
        "page",
    ]


async def test_faults_not_yet_written_are_counted(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, "text")
    await drop(memory, seat, page_id)
    await recall(memory, seat, page_id)
    assert (seat.faults, seat.total_faults, seat.row.total_faults) == (1, 1, 0)
    await memory.flush()
    assert (seat.faults, seat.total_faults, seat.row.total_faults) == (1, 1, 1)


async def test_flushing_without_a_decision_writes_nothing(memory: Memory, seat: Residency) -> None:
    await say(memory, seat, "text")
    await memory.flush()
    before = await memory.store.log(seat.workspace, 0, 100)
    await memory.flush()
    assert await memory.store.log(seat.workspace, 0, 100) == before


# --- after a restart ---------------------------------------------------------------------------


@on_file
async def test_mapped_pages_pins_levels_and_recency_survive_a_restart(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory) as (memory, seat):
        rule = await say(memory, seat, "Answer in French.")
        long_one = await say(memory, seat, prose(300))
        last = await say(memory, seat, "hello")
        timed = await say(memory, seat, "until tomorrow")
        await release(memory, seat, [long_one], 3)
        await pin(memory, seat, rule, pinned=True, turns=None)
        await pin(memory, seat, timed, pinned=True, turns=3)
        await recall(memory, seat, last)
        before, turn, used = seat.set.pages(), seat.turn, seat.set.used
    async with seated(make_memory) as (_, seat):
        after = seat.set.pages()
        assert [replace(one, touched=0) for one in after] == [
            replace(one, touched=0) for one in before
        ]
        assert level_of(seat, long_one) == 3
        pins = {one.page_id: one.pinned_until for one in after if one.pinned}
        assert pins == {rule: None, timed: turn + 2}
        assert (seat.turn, seat.set.used) == (turn, used)


@on_file
async def test_the_spent_quota_of_a_turn_survives_a_restart(make_memory: MakeMemory) -> None:
    async with seated(make_memory) as (memory, seat):
        page_id = await say(memory, seat, "text")
        await drop(memory, seat, page_id)
        await recall(memory, seat, page_id)
        spent = seat.fault_tokens
    async with seated(make_memory) as (_, seat):
        assert (seat.faults, seat.fault_tokens) == (1, spent)


@on_file
async def test_protection_and_damping_survive_a_restart(make_memory: MakeMemory) -> None:
    async with seated(make_memory) as (memory, seat):
        kept, gone = await say(memory, seat, "kept"), await say(memory, seat, "gone")
        await drop(memory, seat, kept, gone)
        await recall(memory, seat, kept)
        known = seat.set.get(kept)
    async with seated(make_memory) as (memory, seat):
        after = seat.set.get(kept)
        assert known is not None
        assert after is not None
        assert after.protected_until == known.protected_until == seat.turn + 4
        await recall(memory, seat, gone)
        back = seat.set.get(gone)
        assert back is not None
        assert back.protected_until == seat.turn + 4


@on_file
async def test_a_page_that_was_let_go_is_not_mapped_after_a_restart(
    make_memory: MakeMemory,
) -> None:
    async with seated(make_memory) as (memory, seat):
        page_id = await say(memory, seat, "text")
        await drop(memory, seat, page_id)
    async with seated(make_memory) as (memory, seat):
        assert mapped(seat) == []
        assert (await recall(memory, seat, page_id)).text == "text"


# --- several servers on one file ---------------------------------------------------------------


@on_file
async def test_another_servers_decisions_are_seen_at_the_next_call(
    make_memory: MakeMemory,
) -> None:
    async with two_servers(make_memory) as (one, two):
        first, second = await seat_in(one), await seat_in(two)
        page_id = await say(one, first, "text")
        await one.flush()
        assert mapped(second) == []
        second = await seat_in(two)
        assert mapped(second) == [page_id]
        assert (second.turn, second.row.user_messages) == (1, 1)


@on_file
async def test_what_another_server_recorded_begins_the_turn_here_too(
    make_memory: MakeMemory,
) -> None:
    async with two_servers(make_memory) as (one, two):
        first, second = await seat_in(one), await seat_in(two)
        page_id = await say(one, first, "text")
        await drop(one, first, page_id)
        await recall(one, first, page_id)
        await one.flush()
        await say(two, second, "and now?")
        first = await seat_in(one)
        assert (first.turn, first.faults, first.fault_tokens) == (2, 0, 0)


@on_file
async def test_decisions_are_taken_again_on_what_another_server_made_of_the_session(
    make_memory: MakeMemory,
) -> None:
    async with two_servers(make_memory, budget_tokens=500) as (one, two):
        first = await seat_in(one)
        pages = [await say(one, first, prose(100, number)) for number in range(7)]
        await one.flush()
        second = await seat_in(two)
        assert mapped(second) == pages[2:]
        await recall(one, first, pages[0])  # msg_3 yields for it, here
        await drop(two, second, pages[2], pages[3])  # which has room to spare, there
        await two.flush()
        await one.flush()
        assert mapped(first) == await stored_ids(one, first) == [*pages[4:], pages[0]]
        assert mapped(await seat_in(two)) == mapped(first)


@on_file
async def test_a_call_that_finds_the_session_changed_keeps_what_was_decided_before_it(
    make_memory: MakeMemory,
) -> None:
    async with two_servers(make_memory) as (one, two):
        first = await seat_in(one)
        page_id, other = await say(one, first, "one"), await say(one, first, "other")
        await one.flush()
        second = await seat_in(two)
        await drop(one, first, page_id)
        await drop(two, second, other)
        await two.flush()
        first = await seat_in(one)
        assert mapped(first) == []
        await one.flush()
        assert await stored_ids(one, first) == []


@on_file
async def test_a_decision_about_a_page_that_another_server_forgot_is_dropped(
    make_memory: MakeMemory,
) -> None:
    async with two_servers(make_memory) as (one, two):
        first = await seat_in(one)
        page_id, other = await say(one, first, "secret"), await say(one, first, "other")
        await one.flush()
        second = await seat_in(two)
        await recall(one, first, other)
        await recall(one, first, page_id)
        await forget(two, second, page_id, "the user asked")
        await one.flush()
        assert mapped(first) == await stored_ids(one, first) == [other]


@on_file
async def test_a_pin_of_another_server_is_respected(make_memory: MakeMemory) -> None:
    async with two_servers(make_memory, budget_tokens=500) as (one, two):
        first = await seat_in(one)
        page_id = await say(one, first, prose(100))
        await one.flush()
        second = await seat_in(two)
        await pin(two, second, page_id, pinned=True, turns=None)
        for number in range(10):
            await say(one, first, prose(100, number + 1))
        await one.flush()
        assert page_id in await stored_ids(one, first)
        assert page_id in mapped(await seat_in(one))


ACTIONS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(
            ["say", "recall", "drop", "pin", "unpin", "flush", "refresh", "keep", "prepare"]
        ),
        st.integers(0, 11),
    ),
    max_size=25,
)


@settings(max_examples=20, deadline=None)
@given(ACTIONS)
def test_committed_residency_never_exceeds_the_budget_however_two_servers_interleave(
    actions: list[tuple[int, str, int]],
) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            url = str(Path(folder) / "memory.db")
            async with server(url) as one, server(url) as two:
                servers = (one, two)
                seats = [await seat_in(one), await seat_in(two)]
                for which, action, number in actions:
                    await act(servers[which], seats[which], action, number)
                    rows = await stored(one, seats[0])
                    assert sum(row.tokens for row in rows) <= 500
                await one.flush()
                await two.flush()
                for memory in servers:
                    seat = await seat_in(memory)
                    assert mapped(seat) == await stored_ids(memory, seat)
                    known = list(map(timeless, seat.set.pages()))
                    anew = await Residency.read(
                        memory.store, seat.workspace, seat.row, memory._rules()
                    )
                    assert list(map(timeless, anew.set.pages())) == known
                    assert anew.turn == seat.turn
                    assert seat.set.used == sum(row.tokens for row in await stored(memory, seat))

    anyio.run(play)


def timeless(page: Mapped) -> Mapped:
    """The page without when: a decision that was overtaken is written in a later turn."""
    return replace(page, touched=0, turn=0, mapped_turn=0)


@asynccontextmanager
async def server(url: str) -> AsyncIterator[Memory]:
    chosen = Settings(budget_tokens=500)
    tools = Tools(
        HandClock(),
        CountingIds(),
        opener(url, Options(synced=False)),
        lambda name: open_tokenizer(name, Path()),
        find_policy(chosen.policy),
    )
    async with Memory(chosen, tools) as memory:
        await memory.ready()
        yield memory


async def act(memory: Memory, seat: Residency, action: str, number: int) -> None:
    page_id = f"msg_{number + 1}"
    if action == "say":
        await say(memory, seat, prose(20 + number * 15, number))
    elif action == "keep":
        await keep(memory, seat, prose(20 + number * 15, number))
    elif action == "flush":
        await memory.flush()
    elif action == "prepare":
        await prepare(memory, seat)
    elif action == "refresh":
        await memory.seat(seat.workspace, "s1")
    elif await memory.store.page(seat.workspace, page_id, "s1") is not None:
        await act_on(memory, seat, action, page_id)


async def act_on(memory: Memory, seat: Residency, action: str, page_id: str) -> None:
    if action == "recall":
        with suppress(FaultLimitExceeded):
            await recall(memory, seat, page_id)
    elif action == "drop":
        await release(memory, seat, [page_id], None)
    elif (await page_of(memory, seat, page_id)).tokens < 60:
        await pin(memory, seat, page_id, pinned=action == "pin", turns=None)


# --- when others always win --------------------------------------------------------------------


class Contended:
    """A store in which somebody else always changes the session first."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lost = 0

    async def apply(self, commit: Commit) -> Applied | Conflict:
        if commit.expects:
            self.lost += 1
            return Conflict("s1")
        return await self.store.apply(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


async def test_a_record_waits_for_no_plan_that_others_have_overtaken(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "one")
    contended = Contended(seat.store)
    seat.store = contended
    assert await say(memory, seat, "two") == "msg_2"
    assert contended.lost == 1
    seat.store = contended.store
    assert (await recall(memory, seat, "msg_2")).text == "two"


@on_file
async def test_decisions_that_are_always_too_late_are_dropped_as_by_a_crash(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "one")
    await memory.flush()
    contended = Contended(seat.store)
    seat.store = contended
    await drop(memory, seat, page_id)
    await seat.flush(memory.now())
    assert not seat.pending
    assert mapped(seat) == [page_id]


async def test_a_pin_that_is_always_too_late_is_refused_and_not_pinned(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, "one")
    contended = Contended(seat.store)
    seat.store = contended
    with pytest.raises(WriteConflict, match="session s1 is being changed by others"):
        await pin(memory, seat, page_id, pinned=True, turns=None)
    assert seat.set.pinned_tokens() == 0
    seat.store = contended.store


# --- cut off -----------------------------------------------------------------------------------


class Cutting:
    """A store whose caller is cancelled as soon as its commit is queued."""

    def __init__(self, store: Store, scope: anyio.CancelScope) -> None:
        self.store = store
        self.scope = scope

    async def apply(self, commit: Commit) -> Applied | Conflict:
        self.scope.cancel()
        return await self.store.apply(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


async def test_a_cancelled_call_counts_no_fault_twice(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, "one")
    await drop(memory, seat, page_id)
    await recall(memory, seat, page_id)
    whole = seat.store
    with anyio.CancelScope() as scope:
        seat.store = Cutting(whole, scope)
        await pin(memory, seat, page_id, pinned=True, turns=None)
    seat.store = whole
    await memory.flush()
    log = await memory.store.log(seat.workspace, 0, 100, session="s1")
    assert [type(line.operation) for line in log].count(Faulted) == 1
    row = await memory.store.session(seat.workspace, "s1")
    assert row is not None
    assert (row.faults, seat.faults, seat.total_faults) == (1, 1, 1)


# --- many sessions -----------------------------------------------------------------------------


async def test_more_sessions_than_a_process_keeps_at_hand_lose_nothing(
    memory: Memory, seat: Residency
) -> None:
    for number in range(300):
        other = await memory.seat(seat.workspace, f"talk-{number}")
        await say(memory, other, f"in talk {number}", role="assistant")
    assert not memory.seated(seat.workspace, "talk-0")
    again = await memory.seat(seat.workspace, "talk-0")
    assert mapped(again) == ["msg_1"]
    assert again.turn == 0


async def test_an_error_inside_a_memory_leaves_it_as_the_error_it_was(
    make_memory: MakeMemory,
) -> None:
    with pytest.raises(PageNotFound, match="msg_1"):
        async with seated(make_memory) as (memory, seat):
            await recall(memory, seat, "msg_1")


@on_file
async def test_what_was_decided_is_written_though_an_error_ends_the_memory(
    make_memory: MakeMemory,
) -> None:
    async def failing() -> None:
        async with seated(make_memory) as (memory, seat):
            await say(memory, seat, "text")
            await recall(memory, seat, "msg_9")

    with pytest.raises(PageNotFound):
        await failing()
    async with seated(make_memory) as (_, seat):
        assert mapped(seat) == ["msg_1"]


async def test_an_eviction_names_the_page_that_took_the_room(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=500) as (memory, seat):
        for number in range(2):
            await say(memory, seat, prose(300, number))
        await memory.flush()
        log = await memory.store.log(seat.workspace, 0, 100, session="s1")
        gone = [line.operation for line in log if isinstance(line.operation, Evicted)]
        assert [(one.page_id, one.cause) for one in gone] == [("msg_1", "msg_2")]
