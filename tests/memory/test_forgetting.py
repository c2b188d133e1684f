"""Deleting for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import home
from tests.memory.making import MakeMemory, keep, mapped, recall, say

from pagefault.base.errors import InvalidArgument, PageForgotten, PageNotFound, StoreDamaged
from pagefault.base.log import EventAdded, Forgotten
from pagefault.memory.core import Memory
from pagefault.memory.forgetting import forget
from pagefault.memory.history import history
from pagefault.memory.keeping import pin
from pagefault.memory.recall import SearchRequest, search
from pagefault.memory.writing import WriteRequest, write
from pagefault.residency import Residency
from pagefault.stores.contract import Commit

pytestmark = pytest.mark.anyio
SECRET = "The passphrase is xylophone-marmalade."


async def found(memory: Memory, seat: Residency, query: str) -> list[str]:
    results = (await search(memory, seat, SearchRequest(query))).results
    return [quoted.hit.page_id for quoted in results]


async def test_a_forgotten_page_cannot_be_read_found_or_seen_mapped(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, SECRET)
    other = await memory.seat(seat.workspace, "s2")
    await recall(memory, other, page_id)
    assert await found(memory, seat, "xylophone") == [page_id]
    gone = await forget(memory, seat, page_id, "the user asked")
    assert gone.page_ids == (page_id,)
    assert mapped(seat) == mapped(other) == []
    assert seat.set.used == other.set.used == 0
    assert await found(memory, seat, "xylophone") == []
    with pytest.raises(PageForgotten):
        await recall(memory, seat, page_id)


async def test_everything_that_holds_the_text_is_deleted(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, f"{SECRET} {SECRET}", hint=f"hint: {SECRET}")
    await keep(memory, seat, f"new: {SECRET} {SECRET}", page_id=page_id)
    await write(memory, seat, WriteRequest(SECRET, represents=page_id, level=1))
    before = dict(await memory.store.contents(seat.workspace, 0, 100))
    assert len(before) == 4
    await forget(memory, seat, page_id, "the user asked")
    assert await memory.store.contents(seat.workspace, 0, 100) == []
    for content in before:
        with pytest.raises(StoreDamaged, match="is missing"):
            await memory.text(seat.workspace, content)


async def test_pages_derived_from_it_at_any_depth_go_with_it(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, SECRET)
    near = await keep(memory, seat, "It begins with x.", derived_from=[page_id])
    far = await keep(memory, seat, "An instrument.", derived_from=[near])
    apart = await keep(memory, seat, "Apart.")
    gone = await forget(memory, seat, page_id, "the user asked")
    assert set(gone.page_ids) == {page_id, near, far}
    assert (await recall(memory, seat, apart)).text == "Apart."
    for name in (near, far):
        with pytest.raises(PageForgotten):
            await recall(memory, seat, name)


async def test_what_came_with_the_event_of_a_page_goes_with_it(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, "done", role="tool", tool_name="login", arguments={"password": SECRET})
    (line,) = await memory.store.events(seat.workspace, "s1", 0, 10)
    assert isinstance(line.operation, EventAdded)
    assert line.operation.payload is not None
    assert SECRET in str(await memory.payload(seat.workspace, line.operation.payload))
    await forget(memory, seat, "art_1", "the user asked")
    assert await memory.payload(seat.workspace, line.operation.payload) is None


async def test_a_tombstone_says_when_and_why(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, SECRET)
    await forget(memory, seat, page_id, "the user asked")
    past = await history(memory, seat, page_id)
    assert past.forgotten
    stones = [(line.operation, line.at) for line in past.lines if line.operation.kind == "forget"]
    reason = Forgotten(session="s1", page_id=page_id, reason="the user asked")
    assert stones == [(reason, memory.now())]
    assert SECRET not in str(past)


async def test_an_old_version_of_a_forgotten_page_is_not_shown(
    memory: Memory, seat: Residency
) -> None:
    page_id = await keep(memory, seat, SECRET)
    await keep(memory, seat, "harmless", page_id=page_id)
    await forget(memory, seat, page_id, "the user asked")
    past = await history(memory, seat, page_id, version=1, against=2)
    assert (past.text, past.difference, past.forgotten) == (None, None, True)


async def test_a_pinned_page_is_forgotten_all_the_same(memory: Memory, seat: Residency) -> None:
    page_id = await say(memory, seat, SECRET)
    await pin(memory, seat, page_id, pinned=True, turns=None)
    await forget(memory, seat, page_id, "the user asked")
    assert (mapped(seat), seat.set.pinned_tokens()) == ([], 0)


async def test_a_number_of_a_forgotten_page_is_never_used_again(
    memory: Memory, seat: Residency
) -> None:
    await say(memory, seat, SECRET)
    await forget(memory, seat, "msg_1", "the user asked")
    assert await say(memory, seat, "next") == "msg_2"


@pytest.mark.parametrize("reason", ["", "  \n"])
async def test_a_page_is_not_deleted_without_a_reason(
    memory: Memory, seat: Residency, reason: str
) -> None:
    page_id = await say(memory, seat, SECRET)
    with pytest.raises(InvalidArgument, match="reason is empty: say why"):
        await forget(memory, seat, page_id, reason)
    assert (await recall(memory, seat, page_id)).text == SECRET


async def test_there_is_nothing_to_delete_twice_or_where_nothing_was(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, SECRET)
    await forget(memory, seat, page_id, "the user asked")
    with pytest.raises(PageForgotten):
        await forget(memory, seat, page_id, "again")
    with pytest.raises(PageNotFound, match="msg_9"):
        await forget(memory, seat, "msg_9", "never was")


@pytest.mark.parametrize("store_url", ["file"], indirect=True)
async def test_no_file_of_the_store_holds_the_text_any_more(
    make_memory: MakeMemory, tmp_path: Path
) -> None:
    def holding() -> list[str]:
        return [file.name for file in tmp_path.iterdir() if SECRET.encode() in file.read_bytes()]

    async with make_memory() as memory:
        seat = await memory.seat(await home(memory), "s1")
        page_id = await say(memory, seat, SECRET)
        assert await found(memory, seat, "xylophone") == [page_id]
        assert holding()
        await forget(memory, seat, page_id, "the user asked")
        assert holding() == []
    assert holding() == []


@pytest.mark.parametrize("store_url", ["file"], indirect=True)
async def test_another_server_does_not_serve_what_it_still_has_at_hand(
    make_memory: MakeMemory,
) -> None:
    async with make_memory() as one, make_memory() as two:
        first = await one.seat(await home(one), "s1")
        second = await two.seat(await home(two), "s1")
        page_id = await say(one, first, SECRET)
        await one.flush()
        await second.refresh()
        assert (await recall(two, second, page_id)).text == SECRET
        await forget(one, first, page_id, "the user asked")
        with pytest.raises(PageForgotten):
            await recall(two, second, page_id)
        second = await two.seat(second.workspace, "s1")
        assert mapped(second) == []


async def test_a_decision_still_to_be_written_does_not_bring_the_page_back(
    memory: Memory, seat: Residency
) -> None:
    page_id = await say(memory, seat, SECRET)  # its mapping is not written yet
    await forget(memory, seat, page_id, "the user asked")
    await memory.flush()
    assert mapped(await memory.seat(seat.workspace, "s1")) == []
    residents = await memory.store.residents(seat.workspace, "s1")
    assert [one.page_id for one in residents] == []


async def test_a_page_derived_while_its_source_is_deleted_goes_as_well(
    memory: Memory, seat: Residency
) -> None:
    source = await write(memory, seat, WriteRequest("the source"))
    store = memory.store
    late: list[str] = []

    class Racing:
        """The store, in which another process derives a page just before the first deletion."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        async def apply(self, commit: Commit) -> object:
            if not late and commit.operations[0].kind == "forget":
                request = WriteRequest("made from it", derived_from=[source.page_id])
                late.append("")
                late[0] = (await write(memory, seat, request)).page_id
            return await store.apply(commit)

    memory._store = Racing()  # type: ignore[assignment]
    gone = await forget(memory, seat, source.page_id, "asked")
    memory._store = store
    assert gone.page_ids == (source.page_id, late[0])
    with pytest.raises(PageForgotten):
        await store.page(seat.workspace, late[0], seat.row.id)
